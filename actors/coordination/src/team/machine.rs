//! The machine of a team.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use synod_runtime::{Principal, PrincipalKind};

use super::handing::Offer;
use super::roster::Roster;
use super::run::Run;
use super::setup::{
    MAX_TASKS, RunSetup, TaskSetup, TeamAnswer, TeamInput, TeamMember, TeamOutcome, TeamSetup,
};
use super::tasks::TaskList;
use super::view::TeamView;
use super::working::{MAX_BYTES, Work};
use crate::bounds::{MAX_CONTENT, MAX_PARTICIPANTS, clipped, longest};
use crate::protocol::{Effects, Heard, Moment, Opening, Protocol, Refusal, may_speak_for};

/// Most runs of a team, and most that go on at a time.
const MAX_RUNS: usize = 1_000;
const MAX_OPEN_RUNS: usize = 100;

/// One team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Team {
    /// As opened, but for members and tasks: they are below.
    pub(super) setup: TeamSetup,
    opener: Principal,
    pub(super) roster: Roster,
    pub(super) tasks: TaskList,
    pub(super) runs: BTreeMap<String, Run>,
    pub(super) works: BTreeMap<u64, Work>,
    /// When pieces of work and offers run out.
    pub(super) due: BTreeSet<(Moment, u64)>,
    pub(super) offers: BTreeMap<String, Offer>,
    pub(super) until: Moment,
    pub(super) outcome: Option<TeamOutcome>,
    /// The number of the last dispatch, or piece of work.
    pub(super) dispatched: u64,
    /// Bytes of the tasks' contents and results.
    pub(super) used: usize,
}

impl Team {
    // ---- who is in it ----

    fn join(&mut self, now: Moment, member: TeamMember, out: &mut Effects) -> Result<u32, Refusal> {
        member.check("member")?;
        if self.roster.contains(&member.name) {
            return Err(Refusal::Conflict(format!("'{}' is a member already", member.name)));
        }
        if self.roster.len() >= MAX_PARTICIPANTS {
            let reason = format!("the team has {MAX_PARTICIPANTS} members, as many as it may");
            return Err(Refusal::Full(reason));
        }
        let name = member.name.clone();
        out.note("team.joined", &name, &json!({ "roles": member.roles }), "");
        self.roster.add(member);
        self.welcome(&name, out);
        self.settle(now, out);
        Ok(self.roster.len() as u32)
    }

    fn welcome(&mut self, name: &str, out: &mut Effects) {
        let (goal, document) = (&self.setup.goal, &self.setup.document);
        let told = json!({ "event": "joined", "goal": goal, "document": document });
        self.inform(name, &told, out);
    }

    fn lose(&mut self, now: Moment, who: &str, kind: &str, why: &str, out: &mut Effects) -> u32 {
        let why = clipped(why.to_owned());
        let left = self.roster.len().saturating_sub(1) as u32;
        if let Some(seat) = self.roster.remove(who) {
            out.note(kind, who, &json!({ "left": left, "held": seat.works.len() }), &why);
            self.drop_offers_to(who, &why, out);
            self.dispossess(now, seat.works.into_iter().collect(), &why, out);
            self.settle(now, out);
        }
        left
    }

    fn is_member(&self, who: &str) -> Result<(), Refusal> {
        if self.roster.contains(who) {
            return Ok(());
        }
        Err(Refusal::NotAllowed(format!("'{who}' is no member of the team")))
    }

    /// A node, nobody in particular, or whoever opened the team.
    fn presides(&self, by: &Principal) -> Result<(), Refusal> {
        let may = matches!(by.kind, PrincipalKind::Node | PrincipalKind::Anonymous);
        if may || *by == self.opener {
            return Ok(());
        }
        Err(Refusal::NotAllowed(format!("{by} neither opened the team nor speaks for a node")))
    }

    fn belongs(&self, by: &Principal) -> Result<(), Refusal> {
        if self.roster.contains(&by.name) { Ok(()) } else { self.presides(by) }
    }

    // ---- what there is to do ----

    fn has_room(&self, found: usize) -> Result<(), Refusal> {
        if self.bytes() + found <= MAX_BYTES {
            return Ok(());
        }
        let reason = format!("contents and results of the team may have {MAX_BYTES} bytes in all");
        Err(Refusal::Full(reason))
    }

    fn add(&mut self, now: Moment, task: TaskSetup, out: &mut Effects) -> Result<(), Refusal> {
        task.check("task")?;
        self.has_room(task.weight())?;
        if self.tasks.len() >= MAX_TASKS {
            let reason = format!("the team has {MAX_TASKS} tasks, as many as it may");
            return Err(Refusal::Full(reason));
        }
        let (id, weight) = (task.id.clone(), task.weight());
        let failed = self.tasks.add(task)?;
        self.used += weight;
        out.note("team.task_added", "", &json!({ "task": id }), "");
        if let Some(why) = failed {
            out.note("team.task_failed", "", &json!({ "task": id }), why);
        }
        self.settle(now, out);
        Ok(())
    }

    fn take(
        &mut self,
        now: Moment,
        member: &str,
        task: &str,
        out: &mut Effects,
    ) -> Result<u64, Refusal> {
        let role = &self.tasks.get(task)?.setup.role;
        if !self.roster.has_role(member, role) {
            let reason = format!("task '{task}' takes the role '{role}', '{member}' has it not");
            return Err(Refusal::NotAllowed(reason));
        }
        if !self.tasks.is_ready(task) {
            return Err(Refusal::Conflict(format!("task '{task}' is not there to be taken")));
        }
        Ok(self.give_task(now, task, member, out))
    }

    fn give_back(
        &mut self,
        now: Moment,
        member: &str,
        task: &str,
        out: &mut Effects,
    ) -> Result<(), Refusal> {
        let number = self.holder_of(task, member)?;
        self.cancel(number, "it was given back", out);
        self.void_offer(task, "it was given back", out);
        self.tasks.give_back(task, false);
        let what = json!({ "task": task, "work": number });
        out.note("team.task_returned", member, &what, "it was given back");
        self.settle(now, out);
        Ok(())
    }

    fn finish(
        &mut self,
        now: Moment,
        member: &str,
        work: u64,
        result: String,
        out: &mut Effects,
    ) -> Result<(), Refusal> {
        self.held_by(work, member)?;
        longest("result", &result, MAX_CONTENT)?;
        self.has_room(result.len())?;
        self.finished(now, work, result, out);
        Ok(())
    }

    fn run(&mut self, now: Moment, setup: RunSetup, out: &mut Effects) -> Result<(), Refusal> {
        setup.check()?;
        self.has_room(setup.weight())?;
        if self.runs.contains_key(&setup.id) {
            return Err(Refusal::Conflict(format!("there is a run '{}' already", setup.id)));
        }
        let open = self.runs.values().filter(|run| run.goes_on()).count();
        if self.runs.len() >= MAX_RUNS || open >= MAX_OPEN_RUNS {
            let reason = format!("{MAX_RUNS} runs, {MAX_OPEN_RUNS} at a time, are the most");
            return Err(Refusal::Full(reason));
        }
        let until = now.after(Duration::from_millis(setup.within_ms)).min(self.until);
        let (id, mode) = (setup.id.clone(), setup.mode);
        let (run, gives) = Run::begin(setup, until, &self.roster)?;
        let what = json!({ "run": id, "mode": mode, "pieces": run.pieces.len() });
        out.note("team.run_started", &id, &what, "");
        self.runs.insert(id.clone(), run);
        self.go_on(now, &id, &gives, out);
        Ok(())
    }

    fn stop(&mut self, now: Moment, id: &str, why: &str, out: &mut Effects) -> Result<(), Refusal> {
        let unknown = || Refusal::invalid("run", format!("'{id}', expected a run of the team"));
        let run = self.runs.get_mut(id).ok_or_else(unknown)?;
        if !run.goes_on() {
            return Err(Refusal::TooLate(format!("run '{id}' has ended")));
        }
        run.give_up(why);
        self.go_on(now, id, &[], out);
        Ok(())
    }

    // ---- inputs ----

    fn told(
        &mut self,
        now: Moment,
        by: &Principal,
        input: TeamInput,
        out: &mut Effects,
    ) -> Result<TeamAnswer, Refusal> {
        match input {
            TeamInput::Join { member } => {
                may_speak_for(by, &member.name)?;
                self.join(now, member, out).map(TeamAnswer::Members)
            }
            TeamInput::Died { member, reason } => {
                self.presides(by)?;
                self.is_member(&member)?;
                let left = self.lose(now, &member, "team.member_lost", &reason, out);
                Ok(TeamAnswer::Members(left))
            }
            TeamInput::Add { task } => {
                self.belongs(by)?;
                self.add(now, task, out).map(|()| TeamAnswer::Noted)
            }
            TeamInput::Run { run } => {
                self.belongs(by)?;
                self.run(now, run, out).map(|()| TeamAnswer::Noted)
            }
            TeamInput::Stop { run } => {
                self.belongs(by)?;
                let why = format!("stopped by {by}");
                self.stop(now, &run, &why, out).map(|()| TeamAnswer::Noted)
            }
            TeamInput::Close { reason } => {
                self.presides(by)?;
                self.end(TeamOutcome::Closed(clipped(reason)), out);
                Ok(TeamAnswer::Noted)
            }
            own => self.acts(now, by, own, out),
        }
    }

    /// A member acts for itself.
    fn acts(
        &mut self,
        now: Moment,
        by: &Principal,
        input: TeamInput,
        out: &mut Effects,
    ) -> Result<TeamAnswer, Refusal> {
        let member = input.member().unwrap_or_default().to_owned();
        self.is_member(&member)?;
        may_speak_for(by, &member)?;
        match input {
            TeamInput::Leave { .. } => {
                let left = self.lose(now, &member, "team.left", "it left", out);
                Ok(TeamAnswer::Members(left))
            }
            TeamInput::Take { task, .. } => {
                self.take(now, &member, &task, out).map(TeamAnswer::Holds)
            }
            TeamInput::GiveBack { task, .. } => {
                self.give_back(now, &member, &task, out).map(|()| TeamAnswer::Noted)
            }
            TeamInput::Finish { work, result, .. } => {
                self.finish(now, &member, work, result, out).map(|()| TeamAnswer::Noted)
            }
            TeamInput::Fail { work, reason, .. } => {
                self.held_by(work, &member)?;
                self.failed(now, work, &reason, out);
                Ok(TeamAnswer::Noted)
            }
            TeamInput::Offer { to, task, within_ms, .. } => {
                let until = self.offer(now, &member, &to, &task, within_ms, out)?;
                Ok(TeamAnswer::Offered(until.0))
            }
            TeamInput::Accept { task, .. } => {
                self.accept(now, &member, &task, out).map(TeamAnswer::Holds)
            }
            TeamInput::Decline { task, reason, .. } => {
                self.decline(&member, &task, &reason, out).map(|()| TeamAnswer::Noted)
            }
            other => Err(Refusal::invalid("input", format!("{other:?} is no member's"))),
        }
    }
}

impl Protocol for Team {
    const KIND: &'static str = "team";
    const VERSION: u16 = 1;

    type Setup = TeamSetup;
    type Input = TeamInput;
    type Answer = TeamAnswer;
    type View = TeamView;

    fn open(mut setup: TeamSetup, opening: &Opening, out: &mut Effects) -> Result<Self, Refusal> {
        setup.check()?;
        let members = std::mem::take(&mut setup.members);
        let tasks = std::mem::take(&mut setup.tasks);
        let used = tasks.iter().map(TaskSetup::weight).sum();
        let until = opening.now.after(Duration::from_millis(setup.lasts_ms));
        let mut team = Self {
            setup,
            opener: opening.by.clone(),
            roster: Roster::default(),
            tasks: TaskList::of(tasks)?,
            runs: BTreeMap::new(),
            works: BTreeMap::new(),
            due: BTreeSet::new(),
            offers: BTreeMap::new(),
            until,
            outcome: None,
            dispatched: 0,
            used: 0,
        };
        team.has_room(used)?;
        team.used = used;
        let what = json!({ "members": members.len(), "tasks": team.tasks.len() });
        out.note("team.opened", opening.by.to_string(), &what, &team.setup.goal);
        for member in members {
            let name = member.name.clone();
            out.note("team.joined", &name, &json!({ "roles": member.roles }), "");
            team.roster.add(member);
            team.welcome(&name, out);
        }
        team.settle(opening.now, out);
        Ok(team)
    }

    fn step(
        &mut self,
        now: Moment,
        by: &Principal,
        input: TeamInput,
        out: &mut Effects,
    ) -> Result<TeamAnswer, Refusal> {
        if self.outcome.is_some() || now >= self.until {
            return Err(Refusal::TooLate("the team has ended".into()));
        }
        self.told(now, by, input, out)
    }

    fn wake(&mut self, now: Moment, out: &mut Effects) {
        if self.outcome.is_some() {
            return;
        }
        if now >= self.until {
            return self.end(TeamOutcome::Expired, out);
        }
        self.run_out(now, out);
    }

    fn next_wake(&self) -> Option<Moment> {
        if self.outcome.is_some() {
            return None;
        }
        let works = self.due.first().map(|(until, _)| *until);
        let runs = self.runs.values().filter(|run| run.goes_on()).map(|run| run.until);
        runs.chain(works).chain([self.until]).min()
    }

    fn heard(&mut self, now: Moment, about: u64, heard: &Heard, out: &mut Effects) {
        if self.outcome.is_none() {
            self.replied(now, about, heard, out);
        }
    }

    fn has_ended(&self) -> bool {
        self.outcome.is_some()
    }

    fn resume(&self, out: &mut Effects) {
        self.works.keys().for_each(|number| self.dispatch(*number, out));
    }

    fn view(&self) -> TeamView {
        TeamView::of(self)
    }
}
