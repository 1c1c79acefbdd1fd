//! What the workflow engine is asked and told: the family's whole contract.

mod approvals;
mod changes;
mod control;
mod definitions;
mod diff;
mod history;
mod start;
mod stats;
mod status;

pub use approvals::{
    ApprovalPage, ApprovalResponse, ApprovalState, Decide, DecisionResponse, ListApprovals,
    ShowApproval, Verdict,
};
pub use changes::{RunChange, RunListener};
pub use control::{
    AmendRun, CancelRun, CheckpointRun, ForkRun, MessageSent, PauseRun, ResumeRun, RetryRun,
    RollbackRun, SendMessage,
};
pub use definitions::{
    CheckDefinition, DefineWorkflow, DefinitionFault, DefinitionReport, DefinitionResponse,
    DefinitionSummary, ForgetDefinition, ListDefinitions, ShowDefinition,
};
pub use diff::{
    ComparedRun, DiffCounts, DiffPlace, DiffRuns, DiffVerdict, Difference, Divergence, RunDiff,
    StepDiff, UnknownRun,
};
pub use history::{HistoryEvent, HistoryPage, RunHistory};
pub use start::{RunAccepted, RunId, RunOptions, RunSource, StartRun};
pub use stats::{
    DrainWorkflows, Reconfigure, RunLatency, StepStats, WorkflowHealth, WorkflowHealthResponse,
    WorkflowStats, WorkflowStatsResponse, WorkflowsDrained,
};
pub use status::{
    GetRun, ItemsStatus, ListRuns, Progress, RunError, RunFilter, RunLink, RunPage, RunRelation,
    RunState, RunStatusResponse, RunSummary, StepState, StepStatus, WaitKind, WaitRun, WaitingFor,
    WorkflowRef,
};

use synod_runtime::{Request, requests};

use crate::actor::Step;

/// The protocol of the workflow engine.
#[derive(Debug)]
pub enum WorkflowsMessage {
    /// Run this.
    Start(Request<StartRun>),
    /// What is wrong with this definition?
    Check(Request<CheckDefinition>),
    /// Keep this definition.
    Define(Request<DefineWorkflow>),
    /// Keep this definition no longer.
    Forget(Request<ForgetDefinition>),
    /// The definitions that are kept.
    Definitions(Request<ListDefinitions>),
    /// Show a definition.
    Definition(Request<ShowDefinition>),
    /// How does this run stand?
    Get(Request<GetRun>),
    /// Answer when this run has ended.
    Wait(Request<WaitRun>),
    /// A page of runs.
    List(Request<ListRuns>),
    /// What happened in this run.
    History(Request<RunHistory>),
    /// Where two runs went apart.
    Diff(Request<DiffRuns>),
    /// End this run.
    Cancel(Request<CancelRun>),
    /// Begin no further step of this run.
    Pause(Request<PauseRun>),
    /// Go on with this run.
    Resume(Request<ResumeRun>),
    /// Start anew from the failed steps of this run.
    Retry(Request<RetryRun>),
    /// Start anew from a point of this run.
    Fork(Request<ForkRun>),
    /// Remember how this run stands.
    Checkpoint(Request<CheckpointRun>),
    /// Take this run back to a checkpoint.
    Rollback(Request<RollbackRun>),
    /// Go on otherwise.
    Amend(Request<AmendRun>),
    /// Tell steps that await it.
    Send(Request<SendMessage>),
    /// A page of approvals.
    Approvals(Request<ListApprovals>),
    /// Show an approval.
    Approval(Request<ShowApproval>),
    /// Decide.
    Decide(Request<Decide>),
    /// The numbers of the engine.
    Stats(Request<WorkflowStats>),
    /// Does the engine work?
    Health(Request<WorkflowHealth>),
    /// Accept no more, and end what runs.
    Drain(Request<DrainWorkflows>),
    /// Work by this configuration.
    Reconfigure(Request<Reconfigure>),
    /// Tell this listener every change from now on.
    Subscribe(RunListener),
    /// From the engine to itself, and from its runs.
    Own(Step),
}

requests!(WorkflowsMessage {
    Start(StartRun),
    Check(CheckDefinition),
    Define(DefineWorkflow),
    Forget(ForgetDefinition),
    Definitions(ListDefinitions),
    Definition(ShowDefinition),
    Get(GetRun),
    Wait(WaitRun),
    List(ListRuns),
    History(RunHistory),
    Diff(DiffRuns),
    Cancel(CancelRun),
    Pause(PauseRun),
    Resume(ResumeRun),
    Retry(RetryRun),
    Fork(ForkRun),
    Checkpoint(CheckpointRun),
    Rollback(RollbackRun),
    Amend(AmendRun),
    Send(SendMessage),
    Approvals(ListApprovals),
    Approval(ShowApproval),
    Decide(Decide),
    Stats(WorkflowStats),
    Health(WorkflowHealth),
    Drain(DrainWorkflows),
    Reconfigure(Reconfigure),
});
