//! Tasks: accepted when they are durable, given to the agents that can do them, ended exactly once.
//!
//! ```text
//!  who submits ──▶ TaskEngine (actor) ──▶ journal        agents' registry
//!      ▲               │    ▲                                  │
//!      │ replies,      ▼    └──── who is there, and how ◀──────┘
//!      │ changes   TaskMachine (pure)
//!      │             ├─ Book: tasks, keys, counters; changed by events alone, live and in replay
//!      └─────────────┤  Matching: requirement classes, free agents by level, teams
//!                    │  Bidding: who does it, where a task says that agents are asked
//!                    │  Queue: five lanes, tenants by deficit round robin
//!                    └─ Modes: single, sequential, parallel, pipeline, consensus, competitive
//! ```
//!
//! Who sends what: users and other families send the requests of [`TasksMessage`]; the engine sends
//! [`Perform`](synod_agents::Perform) and `Cancel` to agents, calls for proposals and for votes
//! ([`Receive`](synod_agents::Receive)) where the [`Allocation`] of a task says so, and appends to
//! the journal; the registry tells the engine which agents there are.
//!
//! Invariants:
//! - A task is never acknowledged before it is durable, and never ends twice: what has ended never
//!   reopens.
//! - `accepted = open + completed + failed + cancelled` after every event; the counters never fall,
//!   not by a restart and not by forgetting ended tasks.
//! - Nothing is released (no reply, no dispatch, no change told) before the records that it follows
//!   from are stored, nor out of order.
//! - A result is taken once, by task, part, attempt and epoch; what comes later is counted and
//!   ignored.
//! - An execution that its caller keeps ([`Execute`]) waits for no append, is in no record but for
//!   what its agent saved, and ends before its caller is answered, whatever becomes of the engine.
//! - No agent is given more than its capacity, however it is chosen. Nobody is held while agents
//!   are asked: a round of bidding is in no record, and after a restart it is asked again.
//! - Work that waits for one agent never blocks work that another could do, and no lane is
//!   overtaken for ever.

mod actor;
mod bidding;
mod canonical;
mod config;
mod error;
mod machine;
mod matching;
mod messages;
mod modes;
mod queue;
mod records;
mod stats;
mod task;
mod validation;

pub use actor::{Step, TaskEngine};
pub use config::{BiddingConfig, TasksConfig, UnknownCapability};
pub use error::{CancelError, ExecutionError, InvalidCursor, SubmitError};
pub use messages::{
    Accepted, AgentStats, BiddingStats, CancelExecution, CancelTask, CapabilityStats,
    CompetitiveOptions, ConsensusOptions, DrainEngine, Drained, EngineHealth, EngineHealthResponse,
    EnginePhase, EngineStats, EngineStatsResponse, Execute, Executed, ExecutionSpec,
    ExecutionStats, GetTask, LatencyStats, LedgerStats, ListTasks, PartStats, PartStatus,
    PriorityStats, Quantiles, Reconfigure, ResultError, RetryOptions, SubmitTask, TaskChange,
    TaskError, TaskFilter, TaskListener, TaskOutput, TaskPage, TaskStatusResponse,
    TaskSubmissionRequest, TasksMessage, ThroughputStats, WaitTask, Windows,
};
pub use stats::{Histogram, Rate};
pub use task::{
    Allocation, CapabilityRequirement, FailureKind, InvalidRequirement, RetryPolicy, TaskId,
    TaskMode, TaskState, partition_of,
};
