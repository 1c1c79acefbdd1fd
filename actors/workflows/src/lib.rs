//! Durable workflows: definitions as data, and runs that go on after every crash where they were.

mod actor;
mod config;
pub mod definition;
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
    AmendRun, ApprovalPage, ApprovalResponse, ApprovalState, CancelRun, CheckDefinition, CheckpointRun, Decide,
    DecisionResponse, DefineWorkflow, DefinitionFault, DefinitionReport, DefinitionResponse,
    DefinitionSummary, DrainWorkflows, ForgetDefinition, ForkRun, GetRun, HistoryEvent, HistoryPage,
    ItemsStatus, ListApprovals, ListDefinitions, ListRuns, MessageSent, PauseRun, Progress,
    Reconfigure, ResumeRun, RetryRun, RunAccepted, RunChange, RunError, RunFilter, RunHistory, RunId,
    RunLatency, RunLink, RunListener, RunOptions, RunPage, RunRelation, RunSource, RunState,
    RunStatusResponse, RunSummary, RollbackRun, SendMessage, ShowApproval, ShowDefinition, StartRun, StepState,
    StepStats, StepStatus, Verdict, WaitKind, WaitRun, WaitingFor, WorkflowHealth,
    WorkflowHealthResponse, WorkflowRef, WorkflowStats, WorkflowStatsResponse, WorkflowsDrained,
    WorkflowsMessage,
};
