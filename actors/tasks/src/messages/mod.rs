//! What the task engine is asked and told: the family's whole contract.

mod execution;
mod output;
mod request;
mod stats;
mod status;

pub use execution::{CancelExecution, Execute, Executed, ExecutionSpec, ExecutionStats};
pub use output::TaskOutput;
pub use request::{CompetitiveOptions, ConsensusOptions, RetryOptions, TaskSubmissionRequest};
pub use stats::{
    AgentStats, BiddingStats, CapabilityStats, EnginePhase, EngineStatsResponse, LatencyStats,
    LedgerStats, PartStats, PriorityStats, Quantiles, ThroughputStats, Windows,
};
pub use status::{PartStatus, ResultError, TaskChange, TaskError, TaskPage, TaskStatusResponse};

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_agents::{AgentChange, AgentSelector};
use synod_runtime::{Address, Ask, Principal, Priority, Request, SendOptions, requests};

use crate::actor::Step;
use crate::config::TasksConfig;
use crate::error::{CancelError, InvalidCursor, SubmitError};
use crate::task::{TaskId, TaskMode, TaskState};

/// Do this. Answered when it is durable.
#[derive(Debug, Clone)]
pub struct SubmitTask {
    /// What is to be done.
    pub request: TaskSubmissionRequest,
    /// Who asks.
    pub principal: Principal,
}

impl Ask for SubmitTask {
    type Reply = Result<Accepted, SubmitError>;
}

/// A task is accepted: it is durable, and it will end in exactly one final state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Accepted {
    /// Its name.
    #[schema(value_type = String, format = "uuid")]
    pub task_id: TaskId,
    /// How it stood when the answer was made.
    pub state: TaskState,
    /// Whether it is the task of an earlier submission with the same idempotency key.
    pub duplicate: bool,
}

/// How does this task stand? `None`: it is unknown, or it ended so long ago that it is forgotten.
#[derive(Debug, Clone, Copy)]
pub struct GetTask {
    /// Which task.
    pub id: TaskId,
}

impl Ask for GetTask {
    type Reply = Option<TaskStatusResponse>;
}

/// A page of tasks, the newest first.
#[derive(Debug, Clone, Default)]
pub struct ListTasks {
    /// Which tasks.
    pub filter: TaskFilter,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// Most tasks to return; at least 1, at most 1,000 are given.
    pub limit: usize,
}

impl Ask for ListTasks {
    type Reply = Result<TaskPage, InvalidCursor>;
}

/// Tasks that satisfy all that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// In this state.
    pub state: Option<TaskState>,
    /// Of this kind.
    pub kind: Option<String>,
    /// Of this tenant.
    pub tenant: Option<String>,
    /// Of this priority.
    pub priority: Option<Priority>,
    /// In this mode.
    pub mode: Option<TaskMode>,
    /// With this label, key and value.
    pub label: Option<(String, String)>,
    /// Of which this agent has a part, or was the last to have it.
    pub agent: Option<AgentSelector>,
}

/// End this task. Final once answered: what its agents still give is ignored.
#[derive(Debug, Clone)]
pub struct CancelTask {
    /// Which task.
    pub id: TaskId,
    /// Who asks.
    pub principal: Principal,
}

impl Ask for CancelTask {
    type Reply = Result<TaskStatusResponse, CancelError>;
}

/// Answer when this task has ended; `None` at once when it is unknown.
#[derive(Debug, Clone, Copy)]
pub struct WaitTask {
    /// Which task.
    pub id: TaskId,
}

impl Ask for WaitTask {
    type Reply = Option<TaskStatusResponse>;
}

/// The numbers of the engine.
#[derive(Debug, Clone, Copy, Default)]
pub struct EngineStats {}

impl Ask for EngineStats {
    type Reply = EngineStatsResponse;
}

/// Does the engine work? Answered at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct EngineHealth {}

impl Ask for EngineHealth {
    type Reply = EngineHealthResponse;
}

/// Whether the engine works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EngineHealthResponse {
    /// What it does at the moment.
    pub phase: EnginePhase,
    /// Whether tasks are accepted.
    pub accepting: bool,
    /// Why not.
    pub reason: Option<String>,
}

/// Accept no more, dispatch no more, and let what runs end within this time; what has not ended
/// then is handed back, stays durable, and goes on at the next start. Answered when it is done.
#[derive(Debug, Clone, Copy)]
pub struct DrainEngine {
    /// How long running executions have.
    pub within: Duration,
}

impl Ask for DrainEngine {
    type Reply = Drained;
}

/// The engine is drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Drained {
    /// Executions that were handed back because they did not end in time.
    pub handed_back: u64,
    /// Tasks that are open, and go on at the next start.
    pub open: u64,
}

/// Work by this configuration from now on. What is already accepted keeps its deadline and its
/// retry policy.
#[derive(Debug, Clone)]
pub struct Reconfigure {
    /// The new configuration; already validated.
    pub config: TasksConfig,
}

impl Ask for Reconfigure {
    type Reply = ();
}

/// Where changes of tasks go. It is called on the engine's own actor, in the order of the changes
/// and only after they are durable; it must not block. Once it returns false it is dropped.
pub struct TaskListener(Box<dyn FnMut(&TaskChange) -> bool + Send>);

impl TaskListener {
    /// A listener of one's own making.
    pub fn new(listen: impl FnMut(&TaskChange) -> bool + Send + 'static) -> Self {
        Self(Box::new(listen))
    }

    /// Sends every change to `address`. When its mailbox is full it misses changes, and sees it
    /// from the gap in [`TaskChange::sequence`]; it is dropped when its receiver is gone. All have
    /// one priority, so that none overtakes another.
    pub fn to<M: Send + 'static>(
        address: &Address<M>,
        map: impl Fn(TaskChange) -> M + Send + 'static,
    ) -> Self {
        let address = address.clone();
        Self::new(move |change| {
            use synod_runtime::TrySendError::{Closed, Refused};
            let options = SendOptions::new().priority(Priority::High);
            let sent = address.try_send_with(map(change.clone()), options);
            !matches!(sent, Err(Closed(_) | Refused(..)))
        })
    }

    pub(crate) fn hear(&mut self, change: &TaskChange) -> bool {
        (self.0)(change)
    }
}

impl fmt::Debug for TaskListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TaskListener")
    }
}

/// The protocol of the task engine.
#[derive(Debug)]
pub enum TasksMessage {
    /// Do this.
    Submit(Request<SubmitTask>),
    /// How does this task stand?
    Get(Request<GetTask>),
    /// A page of tasks.
    List(Request<ListTasks>),
    /// End this task.
    Cancel(Request<CancelTask>),
    /// Answer when this task has ended.
    Wait(Request<WaitTask>),
    /// Do this once; the caller keeps it.
    Execute(Request<Execute>),
    /// End this execution that its caller keeps.
    CancelExecution(Request<CancelExecution>),
    /// The numbers of the engine.
    Stats(Request<EngineStats>),
    /// Does the engine work?
    Health(Request<EngineHealth>),
    /// Accept no more, and end what runs.
    Drain(Request<DrainEngine>),
    /// Work by this configuration.
    Reconfigure(Request<Reconfigure>),
    /// Tell this listener every change from now on.
    Subscribe(TaskListener),
    /// From the registry of agents.
    AgentChanged(AgentChange),
    /// From the engine to itself.
    Own(Step),
}

requests!(TasksMessage {
    Submit(SubmitTask),
    Get(GetTask),
    List(ListTasks),
    Cancel(CancelTask),
    Wait(WaitTask),
    Execute(Execute),
    CancelExecution(CancelExecution),
    Stats(EngineStats),
    Health(EngineHealth),
    Drain(DrainEngine),
    Reconfigure(Reconfigure),
});
