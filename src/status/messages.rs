//! What the status actor is asked.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_runtime::{
    ActorPath, Ask, AskError, Control, ControlError, Request, TaskFailure, requests,
};
use synod_tasks::Drained;
use synod_workflows::WorkflowsDrained;
use utoipa::ToSchema;

use super::view::{ActorCounts, NodeStatus, StatusReport};
use crate::config::FaultReport;
use crate::config::reload::Change;

/// How is the node? Without the tree.
#[derive(Debug, Clone, Copy)]
pub struct CheckNode;

impl Ask for CheckNode {
    type Reply = NodeStatus;
}

/// How many actors are there, and how much waits for them?
#[derive(Debug, Clone, Copy)]
pub struct CountActors;

impl Ask for CountActors {
    type Reply = ActorCounts;
}

/// How is the node, and each actor of it?
#[derive(Debug, Clone, Default)]
pub struct ShowStatus {
    /// Only the actor at this path and those below it; without it the whole tree.
    pub path: Option<ActorPath>,
    /// How many levels below; without it all.
    pub depth: Option<usize>,
}

impl Ask for ShowStatus {
    type Reply = Result<StatusReport, UnknownPath>;
}

/// There is no actor at this path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no actor at {0}")]
pub struct UnknownPath(pub ActorPath);

/// Pause, resume, restart or stop an actor.
#[derive(Debug, Clone)]
pub struct ControlActor {
    /// Which actor.
    pub path: ActorPath,
    /// What to do with it.
    pub control: Control,
}

impl Ask for ControlActor {
    type Reply = Result<(), ControlRefused>;
}

/// The control was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlRefused {
    /// The kernel refused.
    #[error(transparent)]
    Kernel(#[from] ControlError),
    /// The operator could not undo it, for whom one would ask is what would end.
    #[error("{0} answers operators: restart is allowed, pause and stop are not")]
    OwnVoice(ActorPath),
    /// The node can't work without it: while it is paused nothing is accepted and nobody answered,
    /// and once it is stopped nothing but a restart of the process brings it back.
    #[error(
        "{0} is a part of the node, which needs it: restart is allowed, pause and stop are not"
    )]
    PartOfNode(ActorPath),
}

/// Accept no more work, and let what runs end. Answered when it has begun: the status shows how far
/// it is.
#[derive(Debug, Clone, Copy)]
pub struct DrainNode {
    /// How long running work may take before it is handed back to the queue; without it as long as
    /// when the node stops.
    pub within: Option<Duration>,
}

impl Ask for DrainNode {
    type Reply = Draining;
}

/// The node drains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Draining {
    /// Always true: from now on nothing is accepted.
    pub draining: bool,
    /// Seconds that running work has before it is handed back to the queue.
    pub within_s: u64,
}

/// Read the configuration again and apply what may change while the node runs: all or nothing.
#[derive(Debug, Clone, Copy)]
pub struct ReloadConfig;

impl Ask for ReloadConfig {
    type Reply = Result<Reloaded, ReloadRefused>;
}

/// What a reload changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reloaded {
    /// Keys with their old and new values; none when nothing differs.
    #[schema(value_type = Vec<Object>)]
    pub changes: Vec<Change>,
}

/// Nothing was applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReloadRefused {
    /// The node was started without a file.
    #[error("the node was started without a configuration file: there is nothing to read again")]
    NoFile,
    /// The file can't be read, or keys have faults: all of them, in words and as a list.
    #[error("{0}")]
    Invalid(String, Vec<FaultReport>),
    /// Keys that can't change while the node runs.
    #[error("{0}")]
    NeedsRestart(String),
}

/// The protocol of the status actor.
#[derive(Debug)]
pub enum StatusMessage {
    /// How is the node?
    Check(Request<CheckNode>),
    /// How many actors?
    Count(Request<CountActors>),
    /// How is each actor?
    Show(Request<ShowStatus>),
    /// Pause, resume, restart or stop an actor.
    Control(Request<ControlActor>),
    /// Accept no more work.
    Drain(Request<DrainNode>),
    /// Read the configuration again.
    Reload(Request<ReloadConfig>),
    /// From the status actor to itself: the task engine is drained, or did not answer.
    Drained(Result<Drained, AskError>),
    /// The same of the workflow engine.
    RunsDrained(Result<WorkflowsDrained, AskError>),
    /// From the status actor to itself: a request was answered beside it.
    Answered(Result<(), TaskFailure>),
}

requests!(StatusMessage {
    Check(CheckNode),
    Count(CountActors),
    Show(ShowStatus),
    Control(ControlActor),
    Drain(DrainNode),
    Reload(ReloadConfig),
});
