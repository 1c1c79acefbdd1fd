//! Executions kept by their callers: what a keeper asks, and what it is answered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_agents::{AgentId, Payload, Watch};
use synod_runtime::{Ask, Principal, Priority};
use tokio::time::Instant;
use uuid::Uuid;

use super::request::{CompetitiveOptions, ConsensusOptions};
use crate::error::ExecutionError;
use crate::task::{Allocation, CapabilityRequirement, TaskMode};

/// Do this once. The engine stores nothing about it: whoever asks keeps it, durably if it is to
/// be, and asks again when no answer came.
///
/// It goes through the same matching, queue, modes, deadlines and agents' slots as tasks, and is
/// in no list and no stream of them. It is answered when it has ended: ask with `ask_into`, for
/// longer than its deadline. When the asker no longer waits (its actor ended, its patience did),
/// the execution is cancelled.
///
/// There is one attempt: an error of the agent is the answer, and another attempt is the keeper's
/// to make, with the same `id` and a higher `attempt`. What is lost (an agent's crash, a broken
/// connection) is given out again up to `max_lost` times, under the same name; what comes back
/// undone (the agent is full, paused, rate-limited) is queued again, as a task's.
///
/// The same `id` and `attempt` again joins the execution that is under way, and its earlier asker
/// is told that it was cancelled; a higher attempt takes the place of a lower one.
///
/// The trace is that of the message (`SendOptions::correlation`).
#[derive(Debug, Clone)]
pub struct Execute {
    /// Its name, the same over all attempts: `WorkId.task`. A UUID of version 4 or 7, or a hash
    /// made one.
    pub id: Uuid,
    /// The number of the attempt: `WorkId.attempt`. From 1.
    pub attempt: u32,
    /// What is to be done.
    pub spec: ExecutionSpec,
    /// On whose behalf.
    pub principal: Principal,
}

impl Ask for Execute {
    type Reply = Result<Executed, ExecutionError>;
}

/// What is to be done in an execution. The limits of tasks hold.
#[derive(Debug, Clone)]
pub struct ExecutionSpec {
    /// What kind of work it is; the required capability where neither capabilities nor agents are
    /// given.
    pub kind: String,
    /// What its agent must be able to do, all of it.
    pub capabilities: Vec<CapabilityRequirement>,
    /// The agents that may do it; in the modes of several, which agents do.
    pub agents: Vec<AgentId>,
    /// How its agents work together.
    pub mode: TaskMode,
    /// How the agents are chosen among those that can do it.
    pub allocation: Allocation,
    /// The ballot, in mode consensus.
    pub consensus: Option<ConsensusOptions>,
    /// The race, in mode competitive.
    pub competitive: Option<CompetitiveOptions>,
    /// Whether mode parallel succeeds although some of the agents failed.
    pub allow_partial: bool,
    /// The input.
    pub input: Payload,
    /// How urgent it is.
    pub priority: Priority,
    /// When it is given up, wherever it stands.
    pub deadline: Instant,
    /// How long it may wait for its first agent.
    pub start_within: Option<Duration>,
    /// Whether it waits, rather than be refused, when no registered agent can do it; for work
    /// that goes on after a start, when agents are still on their way.
    pub wait_for_agent: bool,
    /// The same over all attempts; handed to the agent. With several parts each gets `/` and its
    /// number behind it.
    pub idempotency_key: String,
    /// Whose work it is; the default tenant's if nobody's.
    pub tenant: Option<Arc<str>>,
    /// What it may cost in the unit of the agents' cards.
    pub budget: Option<f64>,
    /// Labels, handed to the agent.
    pub labels: BTreeMap<String, String>,
    /// How often it may be lost and given out again within this attempt.
    pub max_lost: u32,
    /// Where the keeper follows it: signs of life of its agents, and what they used up. One that
    /// was made by `default` follows nothing.
    pub watch: Watch,
}

impl ExecutionSpec {
    /// Work of this kind for one agent, everything else at its default; `max_lost` is 5.
    #[must_use]
    pub fn new(kind: impl Into<String>, input: Payload, deadline: Instant) -> Self {
        Self {
            kind: kind.into(),
            capabilities: Vec::new(),
            agents: Vec::new(),
            mode: TaskMode::Single,
            allocation: Allocation::default(),
            consensus: None,
            competitive: None,
            allow_partial: false,
            input,
            priority: Priority::Normal,
            deadline,
            start_within: None,
            wait_for_agent: false,
            idempotency_key: String::new(),
            tenant: None,
            budget: None,
            labels: BTreeMap::new(),
            max_lost: 5,
            watch: Watch::default(),
        }
    }
}

/// An execution is done.
#[derive(Debug, Clone, PartialEq)]
pub struct Executed {
    /// The output; in the modes of several agents what a task of that mode has for its result.
    pub output: Payload,
    /// The agents that had its parts last, as `id@version`, in the order of the parts.
    pub agents: Vec<Arc<str>>,
    /// Microseconds from the asking to the first agent.
    pub queued_us: u64,
    /// Microseconds from the first agent to the end.
    pub ran_us: u64,
    /// How often it was lost and given out again.
    pub lost: u32,
    /// What it cost, in the unit of the agents' cards.
    pub cost: f64,
}

/// End this execution, if it is this attempt that is under way; its asker is told that it was
/// cancelled. No execution of that name is no error. Send it with the priority of the execution,
/// so that it does not overtake it.
#[derive(Debug, Clone)]
pub struct CancelExecution {
    /// Which execution.
    pub id: Uuid,
    /// Which attempt at it.
    pub attempt: u32,
    /// Who asks.
    pub principal: Principal,
}

impl Ask for CancelExecution {
    type Reply = ();
}

/// Executions kept by their callers, since this start; they are in no other count but those of
/// agents, capabilities and the queue.
/// `started = open + ended`, `ended = completed + failed + cancelled + handed_back`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ExecutionStats {
    /// Taken on.
    pub started: u64,
    /// Not ended.
    pub open: u64,
    /// Ended, in whatever way.
    pub ended: u64,
    /// Ended with an output.
    pub completed: u64,
    /// Ended with an error.
    pub failed: u64,
    /// Cancelled by the keeper, or because it no longer waited.
    pub cancelled: u64,
    /// Given back undone, because the node drained or the journal took nothing.
    pub handed_back: u64,
    /// Times that one was lost and given out again.
    pub lost: u64,
}
