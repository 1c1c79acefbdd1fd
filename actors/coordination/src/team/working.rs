//! Pieces of work: who holds which, what came of them, and whom they go to next.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use synod_agents::{Envelope, Payload, Performative};

use super::machine::Team;
use super::run::{Give, RunState};
use super::setup::TeamOutcome;
use super::tasks::TaskState;
use crate::bounds::{MAX_CONTENT, clipped};
use crate::protocol::{Dispatch, Effects, Heard, Moment, Refusal};

/// Most bytes of all contents and results of a team.
pub(super) const MAX_BYTES: usize = 16 << 20;

/// A piece of work, or an offer, in a member's hands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Work {
    pub(super) what: What,
    pub(super) member: String,
    pub(super) until: Moment,
    /// How long the member was given.
    within: Duration,
}

/// What it is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum What {
    Task(String),
    Piece {
        run: String,
        piece: usize,
    },
    /// Whether the member takes this task over.
    Offer(String),
}

impl Team {
    // ---- giving ----

    fn take_up(&mut self, now: Moment, what: What, member: &str, until: Moment) -> u64 {
        self.dispatched += 1;
        let number = self.dispatched;
        self.due.insert((until, number));
        if !matches!(what, What::Offer(_)) {
            self.roster.holds(member, number);
        }
        let (member, within) = (member.to_owned(), now.until(until));
        self.works.insert(number, Work { what, member, until, within });
        number
    }

    pub(super) fn give_task(&mut self, now: Moment, id: &str, to: &str, out: &mut Effects) -> u64 {
        let until = now.after(Duration::from_millis(self.setup.answer_within_ms));
        let number = self.take_up(now, What::Task(id.to_owned()), to, until);
        self.tasks.assign(id, to, number);
        let what = json!({ "task": id, "work": number });
        out.note("team.task_assigned", to, &what, "");
        self.dispatch(number, out);
        number
    }

    fn give_piece(&mut self, now: Moment, run: &str, give: &Give, out: &mut Effects) {
        let Some(until) = self.runs.get(run).map(|run| run.until) else { return };
        let (piece, member) = (give.piece, give.member.as_str());
        let number = self.take_up(now, What::Piece { run: run.to_owned(), piece }, member, until);
        if let Some(run) = self.runs.get_mut(run) {
            run.gave(piece, member, number);
        }
        let what = json!({ "run": run, "piece": piece, "work": number });
        out.note("team.piece_assigned", member, &what, "");
        self.dispatch(number, out);
    }

    pub(super) fn offer_to(
        &mut self,
        now: Moment,
        task: &str,
        to: &str,
        until: Moment,
        out: &mut Effects,
    ) -> u64 {
        let number = self.take_up(now, What::Offer(task.to_owned()), to, until);
        self.dispatch(number, out);
        number
    }

    /// Sends a piece of work to its member, if that is an agent.
    pub(super) fn dispatch(&self, number: u64, out: &mut Effects) {
        let Some(work) = self.works.get(&number) else { return };
        let Some(to) = self.roster.agent(&work.member) else { return };
        let (performative, content) = match &work.what {
            What::Task(id) => {
                let Ok(task) = self.tasks.get(id) else { return };
                let content = task.setup.content.clone();
                (Performative::Request, Payload::new(&task.setup.content_type, content))
            }
            What::Piece { run, piece } => {
                let Some(run) = self.runs.get(run) else { return };
                let content = run.content(*piece).to_owned();
                (Performative::Request, Payload::new(&run.setup.content_type, content))
            }
            What::Offer(id) => {
                let Ok(task) = self.tasks.get(id) else { return };
                let offer = json!({ "take_over": id, "content": task.setup.content });
                let Ok(content) = Payload::json(&offer) else { return };
                (Performative::Propose, content)
            }
        };
        let reply_within = Some(work.within.max(Duration::from_millis(1)));
        out.dispatches.push(Dispatch { number, to, performative, content, reply_within });
    }

    pub(super) fn inform(&mut self, who: &str, what: &serde_json::Value, out: &mut Effects) {
        self.speak(who, Performative::Inform, what, out);
    }

    fn speak(
        &mut self,
        who: &str,
        performative: Performative,
        what: &serde_json::Value,
        out: &mut Effects,
    ) {
        let Some(to) = self.roster.agent(who) else { return };
        let Ok(content) = Payload::json(what) else { return };
        self.dispatched += 1;
        let number = self.dispatched;
        out.dispatches.push(Dispatch { number, to, performative, content, reply_within: None });
    }

    // ---- ending ----

    /// Takes a piece of work out of its member's hands.
    pub(super) fn take_back(&mut self, number: u64) -> Option<Work> {
        let work = self.works.remove(&number)?;
        self.due.remove(&(work.until, number));
        self.roster.lets_go(&work.member, number);
        Some(work)
    }

    /// The same, and tells the member that it need not go on.
    pub(super) fn cancel(&mut self, number: u64, why: &str, out: &mut Effects) {
        let Some(work) = self.take_back(number) else { return };
        let what = json!({ "work": number, "why": why });
        self.speak(&work.member, Performative::Cancel, &what, out);
    }

    /// The piece of work of this number, if this member holds it.
    pub(super) fn held_by(&self, number: u64, member: &str) -> Result<(), Refusal> {
        match self.works.get(&number) {
            Some(Work { what: What::Offer(task), .. }) => {
                let reason = format!("{number} is an offer of task '{task}': accept or decline it");
                Err(Refusal::invalid("work", reason))
            }
            Some(work) if work.member == member => Ok(()),
            _ => {
                let reason = format!("'{member}' does not hold piece of work {number}");
                Err(Refusal::Conflict(reason))
            }
        }
    }

    pub(super) fn finished(&mut self, now: Moment, number: u64, result: String, out: &mut Effects) {
        let (found, room) = (result.len(), MAX_BYTES.saturating_sub(self.bytes()));
        if found > MAX_CONTENT.min(room) {
            let most = MAX_CONTENT.min(room);
            let why = format!("its result has {found} bytes, and there is room for {most}");
            return self.failed(now, number, &why, out);
        }
        let Some(work) = self.take_back(number) else { return };
        match work.what {
            What::Task(id) => {
                self.void_offer(&id, "the task is done", out);
                self.used += found;
                self.tasks.finish(&id, &work.member, result);
                let what = json!({ "task": id, "work": number });
                out.note("team.task_done", &work.member, &what, "");
                self.settle(now, out);
            }
            What::Piece { run, piece } => {
                let Some(of) = self.runs.get_mut(&run) else { return };
                let gives = of.answered(piece, result, &self.roster);
                let what = json!({ "run": run, "piece": piece, "work": number });
                out.note("team.piece_done", &work.member, &what, "");
                self.go_on(now, &run, &gives, out);
            }
            What::Offer(_) => {}
        }
    }

    /// Whoever holds it did not do it.
    pub(super) fn failed(&mut self, now: Moment, number: u64, why: &str, out: &mut Effects) {
        let Some(work) = self.take_back(number) else { return };
        let why = clipped(why.to_owned());
        match work.what {
            What::Task(id) => {
                self.void_offer(&id, "the task was not done", out);
                let attempts = self.tasks.give_back(&id, true);
                if attempts >= self.setup.max_attempts {
                    self.task_failed(&id, &why, out);
                } else {
                    let what = json!({ "task": id, "work": number, "attempts": attempts });
                    out.note("team.task_returned", &work.member, &what, &why);
                }
                self.settle(now, out);
            }
            What::Piece { run, piece } => {
                self.piece_failed(now, &run, piece, &work.member, &why, out)
            }
            What::Offer(id) => self.declined(&id, &work.member, &why, out),
        }
    }

    fn task_failed(&mut self, id: &str, why: &str, out: &mut Effects) {
        for (id, why) in self.tasks.fail(id, why) {
            out.note("team.task_failed", "", &json!({ "task": id }), why);
        }
    }

    fn piece_failed(
        &mut self,
        now: Moment,
        run: &str,
        piece: usize,
        member: &str,
        why: &str,
        out: &mut Effects,
    ) {
        let Some(of) = self.runs.get_mut(run) else { return };
        let gives = of.failed(piece, why, &self.roster);
        out.note("team.piece_failed", member, &json!({ "run": run, "piece": piece }), why);
        self.go_on(now, run, &gives, out);
    }

    /// What a member held goes back, or to another: it is no member any more.
    pub(super) fn dispossess(
        &mut self,
        now: Moment,
        works: Vec<u64>,
        why: &str,
        out: &mut Effects,
    ) {
        for number in works {
            let Some(work) = self.take_back(number) else { continue };
            match work.what {
                What::Task(id) => {
                    self.void_offer(&id, why, out);
                    self.tasks.give_back(&id, false);
                    let what = json!({ "task": id, "work": number });
                    out.note("team.task_returned", &work.member, &what, why);
                }
                What::Piece { run, piece } => {
                    self.piece_failed(now, &run, piece, &work.member, why, out);
                }
                What::Offer(_) => {}
            }
        }
    }

    /// Hands out what a run has next, or what is left when it has ended.
    pub(super) fn go_on(&mut self, now: Moment, id: &str, gives: &[Give], out: &mut Effects) {
        for give in gives {
            self.give_piece(now, id, give, out);
        }
        let Some(run) = self.runs.get_mut(id) else { return };
        if run.goes_on() || run.is_cleared() {
            return;
        }
        let held = run.clear();
        match &run.state {
            RunState::Done { results, why } => {
                let what = json!({ "run": id, "mode": run.setup.mode, "results": results.len() });
                out.note("team.run_done", id, &what, why);
            }
            RunState::Failed { why } => {
                let what = json!({ "run": id, "mode": run.setup.mode });
                out.note("team.run_failed", id, &what, clipped(why.clone()));
            }
            RunState::GoesOn => {}
        }
        held.into_iter().for_each(|number| self.cancel(number, "the run has ended", out));
        self.settle(now, out);
    }

    /// Hands out what is ready, and ends the team when all is done.
    pub(super) fn settle(&mut self, now: Moment, out: &mut Effects) {
        if self.outcome.is_some() {
            return;
        }
        if self.setup.assigns && self.tasks.ready().next().is_some() {
            let mut given = Vec::new();
            let mut vacancies = self.roster.vacancies(self.setup.capacity);
            for task in self.tasks.ready() {
                if vacancies.is_empty() {
                    break;
                }
                if let Some(member) = vacancies.take(&task.setup.role, &task.tried) {
                    given.push((task.setup.id.clone(), member));
                }
            }
            for (id, member) in given {
                self.give_task(now, &id, &member, out);
            }
        }
        let runs = self.runs.values().any(super::run::Run::goes_on);
        if self.setup.ends_when_done && self.tasks.is_over() && !runs {
            let (done, failed) = (self.tasks.done, self.tasks.failed);
            self.end(TeamOutcome::Done { done, failed }, out);
        }
    }

    // ---- what members say ----

    pub(super) fn replied(&mut self, now: Moment, number: u64, heard: &Heard, out: &mut Effects) {
        let Some(work) = self.works.get(&number) else { return };
        let is_offer = matches!(work.what, What::Offer(_));
        match heard {
            Heard::Silent(why) => self.failed(now, number, &format!("silent: {why}"), out),
            Heard::Reply(envelope) => match envelope.performative {
                Performative::AcceptProposal | Performative::Agree if is_offer => {
                    self.accepted(now, number, out);
                }
                // It says that it will: the answer is still to come.
                Performative::Agree => {}
                Performative::Inform | Performative::InformRef if !is_offer => {
                    match text_of(envelope) {
                        Ok(result) => self.finished(now, number, result, out),
                        Err(why) => self.failed(now, number, &why, out),
                    }
                }
                other => {
                    let why = text_of(envelope).unwrap_or_default();
                    self.failed(now, number, &format!("{other}: {why}"), out);
                }
            },
        }
    }

    /// Bytes of all contents and results.
    pub(super) fn bytes(&self) -> usize {
        self.used + self.runs.values().map(|run| run.weight).sum::<usize>()
    }

    /// Where a task stands, for a member that wants to do something with it.
    pub(super) fn holder_of(&self, task: &str, member: &str) -> Result<u64, Refusal> {
        match &self.tasks.get(task)?.state {
            TaskState::Assigned { member: holder, work } if holder == member => Ok(*work),
            _ => Err(Refusal::Conflict(format!("'{member}' does not hold task '{task}'"))),
        }
    }
}

/// The content as text; JSON as it is written.
fn text_of(envelope: &Envelope) -> Result<String, String> {
    let content = &envelope.content;
    if content.is_json() || content.content_type.is_empty() {
        return String::from_utf8(content.bytes.to_vec()).map_err(|error| error.to_string());
    }
    content.to_text().map_err(|error| error.to_string())
}
