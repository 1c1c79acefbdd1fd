//! Durable workflows: definitions as data, and runs that go on after every crash where they were.
//!
//! ```text
//!  YAML, JSON, builder ─▶ definition ─ check ─▶ Plan
//!                                                │
//!  who starts ─▶ WorkflowEngine (actor) ─▶ RunActor ─ asks ─▶ Run (pure machine)
//!      ▲            │   ▲  one writer         │  ▲               │ events, effects
//!      │ replies,   ▼   │ records             ▼  │               ▼
//!      │ changes  journal ◀──── stored ─────────  TaskEngine: Execute, kept by the run
//!      └────────────┘
//! ```
//!
//! Who sends what: users and other families send the requests of [`WorkflowsMessage`]; the engine
//! spawns an actor for each run that is under way, appends what all of them decide to the journal,
//! and tells listeners what is stored; a run's actor sends
//! [`Execute`](synod_tasks::Execute) to the task engine.
//!
//! Invariants:
//! - A run is never acknowledged before it is durable, and never ends twice: what has ended never
//!   reopens; a retry or a fork is a new run.
//! - `accepted = open + completed + failed + cancelled` after every record; the counters never
//!   fall, not by a restart and not by forgetting ended runs.
//! - Nothing a run decided is carried out, answered or told before the records that it follows
//!   from are stored, nor out of order.
//! - The index of runs is at any time what the stored records make of it; a run's actor holds
//!   nothing that its records do not say.
//! - Never is a run's state stored as a whole: each event is written once to the log and once to a
//!   pack, however long the run is.

mod actor;
mod config;
pub mod definition;
mod diff;
mod error;
pub mod expression;
mod history;
mod index;
mod json;
mod messages;
pub mod picture;
pub mod plan;
mod records;
pub mod run;

pub use actor::{Step, WorkflowEngine};
pub use config::WorkflowsConfig;
pub use error::{ControlError, DecideError, DefineError, InvalidCursor, StartError};
pub use json::Json;
pub use messages::{
    AmendRun, ApprovalPage, ApprovalResponse, ApprovalState, CancelRun, CheckDefinition,
    CheckpointRun, ComparedRun, Decide, DecisionResponse, DefineWorkflow, DefinitionFault,
    DefinitionReport, DefinitionResponse, DefinitionSummary, DiffCounts, DiffPlace, DiffRuns,
    DiffVerdict, Difference, Divergence, DrainWorkflows, ForgetDefinition, ForkRun, GetRun,
    HistoryEvent, HistoryPage, ItemsStatus, ListApprovals, ListDefinitions, ListRuns, MessageSent,
    PauseRun, Progress, Reconfigure, ResumeRun, RetryRun, RollbackRun, RunAccepted, RunChange,
    RunDiff, RunError, RunFilter, RunHistory, RunId, RunLatency, RunLink, RunListener, RunOptions,
    RunPage, RunRelation, RunSource, RunState, RunStatusResponse, RunSummary, SendMessage,
    ShowApproval, ShowDefinition, StartRun, StepDiff, StepState, StepStats, StepStatus, UnknownRun,
    Verdict, WaitKind, WaitRun, WaitingFor, WorkflowHealth, WorkflowHealthResponse, WorkflowRef,
    WorkflowStats, WorkflowStatsResponse, WorkflowsDrained, WorkflowsMessage,
};
