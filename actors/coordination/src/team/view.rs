//! How a team is shown.

use serde::Serialize;

use super::machine::Team;
use super::run::RunState;
use super::setup::{RunMode, TeamOutcome};
use super::tasks::{Task, TaskState};
use super::working::{What, Work};

/// Most of a kind in one view; counts say how many there are.
const MAX_SHOWN: usize = 1_000;
/// Bytes of a result that a view shows.
const MAX_RESULT: usize = 64 << 10;

/// A team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct TeamView {
    /// What all work for.
    pub goal: String,
    /// The shared document that belongs to it; empty for none.
    pub document: String,
    /// How many members there are.
    pub member_count: u32,
    /// The first 1,000 of them, by rank.
    pub members: Vec<TeamMemberView>,
    /// How many tasks there are.
    pub task_count: u32,
    /// How many of them are done.
    pub done: u32,
    /// And how many have failed.
    pub failed: u32,
    /// The first 1,000 tasks, by name.
    pub tasks: Vec<TaskView>,
    /// The runs, by name.
    pub runs: Vec<RunView>,
    /// The first 1,000 pieces of work in members' hands, offers too, by number.
    pub work: Vec<WorkView>,
    /// Until when it may last: UTC microseconds.
    pub until_us: i64,
    /// How it ended; none while it goes on.
    pub outcome: Option<TeamOutcome>,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct TeamMemberView {
    /// Its name.
    pub name: String,
    /// What it can do.
    pub roles: Vec<String>,
    /// How many pieces of work it holds.
    pub holds: u32,
}

/// A task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct TaskView {
    /// Its name.
    pub id: String,
    /// The role that it takes; empty for any.
    pub role: String,
    /// `open`, `assigned`, `done` or `failed`.
    pub state: &'static str,
    /// Who holds it, or has done it.
    pub member: Option<String>,
    /// How often it was tried and not done.
    pub attempts: u32,
    /// What came of it; its first 64 KiB.
    pub result: Option<String>,
    /// Why it failed.
    pub why: Option<String>,
    /// To whom it is on offer.
    pub offered_to: Option<String>,
    /// What has to be done before.
    pub after: Vec<String>,
}

/// Work that is done together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct RunView {
    /// Its name.
    pub id: String,
    /// How.
    pub mode: RunMode,
    /// `running`, `done` or `failed`.
    pub state: &'static str,
    /// What came of it: of sequential and parallel runs one for each content, in order; the
    /// first 64 KiB of each.
    pub results: Vec<String>,
    /// Why it ended so.
    pub why: Option<String>,
    /// Until when it may last: UTC microseconds.
    pub until_us: i64,
}

/// A piece of work, or an offer, in a member's hands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct WorkView {
    /// Its number: whoever holds it ends it by that.
    pub number: u64,
    /// Who holds it.
    pub member: String,
    /// `task`, `piece` or `offer`.
    pub kind: &'static str,
    /// The task or the run.
    pub of: String,
    /// What it says; its first 64 KiB.
    pub content: String,
    /// Until when: UTC microseconds.
    pub until_us: i64,
}

impl TeamView {
    pub(super) fn of(team: &Team) -> Self {
        let members = team.roster.seats().take(MAX_SHOWN).map(|seat| TeamMemberView {
            name: seat.member.name.clone(),
            roles: seat.member.roles.clone(),
            holds: seat.works.len() as u32,
        });
        let tasks = team.tasks.iter().take(MAX_SHOWN).map(|task| TaskView::of(team, task));
        let works = team.works.iter().take(MAX_SHOWN);
        Self {
            goal: team.setup.goal.clone(),
            document: team.setup.document.clone(),
            member_count: team.roster.len() as u32,
            members: members.collect(),
            task_count: team.tasks.len() as u32,
            done: team.tasks.done,
            failed: team.tasks.failed,
            tasks: tasks.collect(),
            runs: team.runs.values().map(RunView::of).collect(),
            work: works.map(|(number, work)| WorkView::of(team, *number, work)).collect(),
            until_us: team.until.0,
            outcome: team.outcome.clone(),
        }
    }
}

impl TaskView {
    fn of(team: &Team, task: &Task) -> Self {
        let (mut member, mut result, mut why) = (None, None, None);
        let state = match &task.state {
            TaskState::Open => "open",
            TaskState::Assigned { member: holder, .. } => {
                member = Some(holder.clone());
                "assigned"
            }
            TaskState::Done { member: doer, result: made } => {
                (member, result) = (Some(doer.clone()), Some(shown(made)));
                "done"
            }
            TaskState::Failed { why: reason } => {
                why = Some(reason.clone());
                "failed"
            }
        };
        Self {
            id: task.setup.id.clone(),
            role: task.setup.role.clone(),
            state,
            member,
            attempts: task.attempts,
            result,
            why,
            offered_to: team.offers.get(&task.setup.id).map(|offer| offer.to.clone()),
            after: task.setup.after.clone(),
        }
    }
}

impl RunView {
    fn of(run: &super::run::Run) -> Self {
        let (state, results, why) = match &run.state {
            RunState::GoesOn => ("running", Vec::new(), None),
            RunState::Done { results, why } => {
                ("done", results.iter().map(|result| shown(result)).collect(), Some(why.clone()))
            }
            RunState::Failed { why } => ("failed", Vec::new(), Some(why.clone())),
        };
        let (id, mode) = (run.setup.id.clone(), run.setup.mode);
        Self { id, mode, state, results, why, until_us: run.until.0 }
    }
}

impl WorkView {
    fn of(team: &Team, number: u64, work: &Work) -> Self {
        let content_of = |id: &str| {
            team.tasks.get(id).map(|task| shown(&task.setup.content)).unwrap_or_default()
        };
        let (kind, of, content) = match &work.what {
            What::Task(id) => ("task", id.clone(), content_of(id)),
            What::Offer(id) => ("offer", id.clone(), content_of(id)),
            What::Piece { run, piece } => {
                let content = team.runs.get(run).map(|run| shown(run.content(*piece)));
                ("piece", run.clone(), content.unwrap_or_default())
            }
        };
        let (member, until_us) = (work.member.clone(), work.until.0);
        Self { number, member, kind, of, content, until_us }
    }
}

fn shown(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_RESULT)].to_owned()
}
