//! A part of a task: one execution's worth of work, for one agent.

use std::sync::Arc;

use synod_agents::AgentId;

use super::body::Body;
use super::failure::Failure;
use super::state::TaskState;
use crate::matching::{AgentSlot, ClassId};

/// What a part needs of the agent that does it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Needs {
    /// All that the task requires: its capabilities, and one of its named agents if there are any.
    All,
    /// These of the task's capabilities, by index.
    Capabilities(Vec<u8>),
    /// This agent, and the task's capabilities.
    Agent(AgentId),
}

/// How a part stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It waits for an agent.
    Ready,
    /// It waits until this time (UTC microseconds), then it is ready.
    Backoff {
        /// Until when.
        until: i64,
    },
    /// An agent has it.
    Running {
        /// Volatile: which one; `None` after a replay.
        agent: Option<AgentSlot>,
    },
    /// It ended with this output.
    Done(Body),
    /// It ended with this failure.
    Failed(Failure),
    /// The task ended before it did.
    Cancelled,
}

/// A part of a task.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// What it needs of its agent.
    pub needs: Needs,
    /// How it stands.
    pub phase: Phase,
    /// Executions begun; the number of the last one.
    pub attempt: u32,
    /// Executions that ended in an error of the agent.
    pub errors: u32,
    /// Executions that were lost.
    pub lost: u32,
    /// Executions that were handed back undone.
    pub returned: u32,
    /// What the last execution costs, in millionths of the agents' unit.
    pub cost: u64,
    /// The agent of the last execution, as `id@version`.
    pub agent: Option<Arc<str>>,
    /// Why it went to that agent, where that was found out.
    pub chosen: Option<Arc<str>>,
    /// When it was last handed to an agent, UTC microseconds.
    pub started_at: Option<i64>,
    /// When it ended, UTC microseconds.
    pub ended_at: Option<i64>,
    /// The last error, also of an attempt that was followed by another or was lost; of one that
    /// came back undone only as long as there is no other.
    pub last_error: Option<Failure>,
    /// Why the last execution came back undone or was lost. Not in snapshots: after one, the last
    /// error tells.
    pub set_back: Option<Failure>,
    /// Volatile: the requirement class it is queued under.
    pub class: ClassId,
    /// Volatile: when its back-off is over, on the monotonic clock.
    pub due: u64,
}

impl Part {
    pub(crate) fn new(needs: Needs) -> Self {
        Self {
            needs,
            phase: Phase::Ready,
            attempt: 0,
            errors: 0,
            lost: 0,
            returned: 0,
            cost: 0,
            agent: None,
            chosen: None,
            started_at: None,
            ended_at: None,
            last_error: None,
            set_back: None,
            class: ClassId::NONE,
            due: 0,
        }
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.state().has_ended()
    }

    /// Its output, once it has one.
    pub(crate) fn output(&self) -> Option<&Body> {
        match &self.phase {
            Phase::Done(body) => Some(body),
            _ => None,
        }
    }

    /// Why it failed, if it did.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        match &self.phase {
            Phase::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// How it stands, in the terms of a task.
    pub(crate) fn state(&self) -> TaskState {
        match self.phase {
            Phase::Backoff { .. } => TaskState::Pending,
            Phase::Ready => TaskState::Queued,
            Phase::Running { .. } => TaskState::Running,
            Phase::Done(_) => TaskState::Completed,
            Phase::Failed(_) => TaskState::Failed,
            Phase::Cancelled => TaskState::Cancelled,
        }
    }
}
