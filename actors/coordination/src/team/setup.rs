//! What a team is opened with, what it is told, and how it ends.

use serde::{Deserialize, Serialize};

use crate::bounds::{MAX_CONTENT, MAX_PARTICIPANTS, MAX_TEXT, MAX_WAIT_MS, longest, within};
use crate::protocol::Refusal;
use crate::sync::group::{name, names};

/// Most tasks of a team.
pub(super) const MAX_TASKS: usize = 10_000;
/// Most tasks that one may wait for, most roles of a member, most stages of a run.
const MAX_LIST: u64 = 100;
/// Most pieces of one run.
const MAX_PIECES: u64 = 1_000;

/// What a team is opened with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TeamSetup {
    /// What all work for, for people; at most 4 KiB.
    pub goal: String,
    /// The shared document that belongs to it; empty for none.
    pub document: String,
    /// Who is in it at first: 1 to 100,000, each once, the first in rank first.
    pub members: Vec<TeamMember>,
    /// What is to be done; at most 10,000.
    pub tasks: Vec<TaskSetup>,
    /// Whether tasks are given to members that have room; else members take them. Default true.
    pub assigns: bool,
    /// How much one member is given at a time; 1 to 1,000, default 1.
    pub capacity: u32,
    /// How often a task may fail before it has failed; 1 to 100, default 3. Death and leaving do
    /// not count.
    pub max_attempts: u32,
    /// Milliseconds that a member has for a task; 1 to a week. Default 300 s.
    pub answer_within_ms: u64,
    /// Whether the team ends once all of its tasks, at least one, have ended. Default true.
    pub ends_when_done: bool,
    /// Milliseconds that the team may last; 1 to a week. Default an hour.
    pub lasts_ms: u64,
}

impl Default for TeamSetup {
    fn default() -> Self {
        Self {
            goal: String::new(),
            document: String::new(),
            members: Vec::new(),
            tasks: Vec::new(),
            assigns: true,
            capacity: 1,
            max_attempts: 3,
            answer_within_ms: 300_000,
            ends_when_done: true,
            lasts_ms: 3_600_000,
        }
    }
}

/// A member.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TeamMember {
    /// Its name; an agent's id when it is one.
    pub name: String,
    /// Whether it is an agent that is sent its work.
    pub agent: bool,
    /// What it can do; at most 100.
    pub roles: Vec<String>,
}

impl TeamMember {
    /// An agent with these roles.
    #[must_use]
    pub fn agent(name: impl Into<String>, roles: &[&str]) -> Self {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        Self { name: name.into(), agent: true, roles }
    }

    pub(super) fn check(&self, field: &str) -> Result<(), Refusal> {
        name(&format!("{field}.name"), &self.name)?;
        if self.agent && synod_agents::AgentId::new(&self.name).is_err() {
            let reason = format!("'{}', expected the id of an agent", self.name);
            return Err(Refusal::invalid(format!("{field}.name"), reason));
        }
        within(&format!("{field}.roles"), self.roles.len() as u64, 0, MAX_LIST)?;
        names(&format!("{field}.roles"), self.roles.iter().map(String::as_str))
    }
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TaskSetup {
    /// Its name in the team.
    pub id: String,
    /// What whoever does it is sent; at most 1 MiB.
    pub content: String,
    /// What kind of text that is; default `text/plain; charset=utf-8`.
    pub content_type: String,
    /// The role that it takes; empty for any.
    pub role: String,
    /// The tasks that have to be done before; at most 100.
    pub after: Vec<String>,
}

impl Default for TaskSetup {
    fn default() -> Self {
        Self {
            id: String::new(),
            content: String::new(),
            content_type: synod_agents::TEXT.to_owned(),
            role: String::new(),
            after: Vec::new(),
        }
    }
}

impl TaskSetup {
    /// A task that anybody can do.
    #[must_use]
    pub fn new(id: impl Into<String>, content: impl Into<String>) -> Self {
        Self { id: id.into(), content: content.into(), ..Self::default() }
    }

    pub(super) fn check(&self, field: &str) -> Result<(), Refusal> {
        name(&format!("{field}.id"), &self.id)?;
        longest(&format!("{field}.content"), &self.content, MAX_CONTENT)?;
        longest(&format!("{field}.content_type"), &self.content_type, MAX_TEXT)?;
        if !self.role.is_empty() {
            name(&format!("{field}.role"), &self.role)?;
        }
        within(&format!("{field}.after"), self.after.len() as u64, 0, MAX_LIST)?;
        names(&format!("{field}.after"), self.after.iter().map(String::as_str))
    }

    pub(super) fn weight(&self) -> usize {
        self.id.len() + self.content.len() + self.content_type.len()
    }
}

/// How members work together on a run.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunMode {
    /// The contents one after the other, each to the next member.
    Sequential,
    /// The contents all at once, shared out among the members.
    #[default]
    Parallel,
    /// One content through stages: what one makes, the next gets.
    Pipeline,
    /// One content to all; what enough of them answer alike is the result.
    Consensus,
    /// One content to all; the first answer is the result, the others are told to stop.
    Competitive,
}

/// Work that is done together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RunSetup {
    /// Its name in the team.
    pub id: String,
    /// How.
    pub mode: RunMode,
    /// What members are sent: 1 to 1,000 for sequential and parallel, else one. At most 1 MiB
    /// each.
    pub contents: Vec<String>,
    /// What kind of text that is; default `text/plain; charset=utf-8`.
    pub content_type: String,
    /// The role that it takes; empty for any. Not for a pipeline.
    pub role: String,
    /// The roles of a pipeline's stages, in order: 1 to 100; empty for any.
    pub stages: Vec<String>,
    /// How many alike answers are a consensus; 0, the default: more than half of those asked.
    pub needed: u32,
    /// Milliseconds that it may take; 1 to a week. Default 300 s.
    pub within_ms: u64,
}

impl Default for RunSetup {
    fn default() -> Self {
        Self {
            id: String::new(),
            mode: RunMode::Parallel,
            contents: Vec::new(),
            content_type: synod_agents::TEXT.to_owned(),
            role: String::new(),
            stages: Vec::new(),
            needed: 0,
            within_ms: 300_000,
        }
    }
}

impl RunSetup {
    pub(super) fn check(&self) -> Result<(), Refusal> {
        name("run.id", &self.id)?;
        let many = matches!(self.mode, RunMode::Sequential | RunMode::Parallel);
        let most = if many { MAX_PIECES } else { 1 };
        within("run.contents", self.contents.len() as u64, 1, most)?;
        for (at, content) in self.contents.iter().enumerate() {
            longest(&format!("run.contents[{at}]"), content, MAX_CONTENT)?;
        }
        longest("run.content_type", &self.content_type, MAX_TEXT)?;
        let stages = if self.mode == RunMode::Pipeline { 1..=MAX_LIST } else { 0..=0 };
        within("run.stages", self.stages.len() as u64, *stages.start(), *stages.end())?;
        for role in self.stages.iter().chain([&self.role]).filter(|role| !role.is_empty()) {
            name("run.role", role)?;
        }
        within("run.within_ms", self.within_ms, 1, MAX_WAIT_MS)
    }

    pub(super) fn weight(&self) -> usize {
        self.id.len() + self.contents.iter().map(String::len).sum::<usize>()
    }
}

impl TeamSetup {
    pub(super) fn check(&self) -> Result<(), Refusal> {
        longest("goal", &self.goal, MAX_TEXT)?;
        longest("document", &self.document, MAX_TEXT)?;
        within("members", self.members.len() as u64, 1, MAX_PARTICIPANTS as u64)?;
        names("members", self.members.iter().map(|member| member.name.as_str()))?;
        for (at, member) in self.members.iter().enumerate() {
            member.check(&format!("members[{at}]"))?;
        }
        within("tasks", self.tasks.len() as u64, 0, MAX_TASKS as u64)?;
        names("tasks", self.tasks.iter().map(|task| task.id.as_str()))?;
        for (at, task) in self.tasks.iter().enumerate() {
            task.check(&format!("tasks[{at}]"))?;
        }
        within("capacity", u64::from(self.capacity), 1, 1_000)?;
        within("max_attempts", u64::from(self.max_attempts), 1, 100)?;
        within("answer_within_ms", self.answer_within_ms, 1, MAX_WAIT_MS)?;
        within("lasts_ms", self.lasts_ms, 1, MAX_WAIT_MS)
    }
}

/// What a team is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TeamInput {
    /// Somebody joins, the last in rank.
    Join {
        /// Who.
        member: TeamMember,
    },
    /// A member leaves; what it holds goes back.
    Leave {
        /// Who.
        member: String,
    },
    /// A member is dead; said by a node, or by whoever opened the team.
    Died {
        /// Who.
        member: String,
        /// How that is known.
        reason: String,
    },
    /// There is more to do; said by a member, a node, or whoever opened the team.
    Add {
        /// What. It may wait for tasks that are there.
        task: TaskSetup,
    },
    /// A member takes a task that is open.
    Take {
        /// Who.
        member: String,
        /// Which task.
        task: String,
    },
    /// A member gives a task back that it holds.
    GiveBack {
        /// Who.
        member: String,
        /// Which task.
        task: String,
    },
    /// A member has done a piece of work that it holds.
    Finish {
        /// Who.
        member: String,
        /// The number of the piece.
        work: u64,
        /// What came of it; at most 1 MiB.
        result: String,
    },
    /// A member could not do a piece of work that it holds.
    Fail {
        /// Who.
        member: String,
        /// The number of the piece.
        work: u64,
        /// Why.
        reason: String,
    },
    /// A member wants another to go on with a task that it holds.
    Offer {
        /// Who.
        member: String,
        /// Which other.
        to: String,
        /// Which task.
        task: String,
        /// Milliseconds that the other may think about it; 1 to a week.
        within_ms: u64,
    },
    /// The other takes it over.
    Accept {
        /// Who.
        member: String,
        /// Which task.
        task: String,
    },
    /// The other does not, or whoever offered takes the offer back.
    Decline {
        /// Who.
        member: String,
        /// Which task.
        task: String,
        /// Why.
        reason: String,
    },
    /// Work that is done together; said by a member, a node, or whoever opened the team.
    Run {
        /// What and how.
        run: RunSetup,
    },
    /// A run is no longer needed; said by a member, a node, or whoever opened the team.
    Stop {
        /// Which.
        run: String,
    },
    /// The team is no longer needed; said by a node or whoever opened it.
    Close {
        /// Why.
        reason: String,
    },
}

impl TeamInput {
    /// The member that acts for itself, if it is one that does.
    pub(super) fn member(&self) -> Option<&str> {
        match self {
            Self::Leave { member }
            | Self::Take { member, .. }
            | Self::GiveBack { member, .. }
            | Self::Finish { member, .. }
            | Self::Fail { member, .. }
            | Self::Offer { member, .. }
            | Self::Accept { member, .. }
            | Self::Decline { member, .. } => Some(member),
            Self::Join { .. }
            | Self::Died { .. }
            | Self::Add { .. }
            | Self::Run { .. }
            | Self::Stop { .. }
            | Self::Close { .. } => None,
        }
    }
}

/// What whoever told a team something hears.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TeamAnswer {
    /// It is noted; so many members are there now.
    Members(u32),
    /// It is noted.
    Noted,
    /// The member holds it now, as the piece of work of this number.
    Holds(u64),
    /// The offer stands until then: UTC microseconds.
    Offered(i64),
}

/// How a team ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TeamOutcome {
    /// All tasks have ended.
    Done {
        /// So many are done.
        done: u32,
        /// So many failed.
        failed: u32,
    },
    /// It was closed: why.
    Closed(String),
    /// Its time is over.
    Expired,
}
