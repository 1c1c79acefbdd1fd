//! What can be done to a run that exists.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use synod_runtime::{Ask, Principal};

use super::start::{RunAccepted, RunId, RunOptions, RunSource};
use super::status::RunStatusResponse;
use crate::error::{ControlError, StartError};

/// End this run. What its agents still give is recorded and ignored; `on_cancel` is run
/// before the end.
#[derive(Debug, Clone)]
pub struct CancelRun {
    /// Which run.
    pub id: RunId,
    /// Whether what it did is undone, by the steps' `compensate_with`.
    pub compensate: bool,
    /// Why, for people.
    pub reason: Option<String>,
    /// Who asks.
    pub principal: Principal,
}

impl Ask for CancelRun {
    type Reply = Result<RunStatusResponse, ControlError>;
}

/// Begin no further step of this run; what runs may end, timers wait.
#[derive(Debug, Clone)]
pub struct PauseRun {
    /// Which run.
    pub id: RunId,
    /// Who asks.
    pub principal: Principal,
}

impl Ask for PauseRun {
    type Reply = Result<RunStatusResponse, ControlError>;
}

/// Go on with a paused run.
#[derive(Debug, Clone)]
pub struct ResumeRun {
    /// Which run.
    pub id: RunId,
    /// Who asks.
    pub principal: Principal,
}

impl Ask for ResumeRun {
    type Reply = Result<RunStatusResponse, ControlError>;
}

/// Start a new run, linked to this one, that failed or was cancelled: the steps that completed
/// keep their results, the others are run.
#[derive(Debug, Clone)]
pub struct RetryRun {
    /// Which run.
    pub id: RunId,
    /// Who asks.
    pub principal: Principal,
}

impl Ask for RetryRun {
    type Reply = Result<RunAccepted, StartError>;
}

/// Start a new run, linked to this one, from what this one was at a point of its history.
#[derive(Debug, Clone)]
pub struct ForkRun {
    /// Which run.
    pub id: RunId,
    /// The last event of the old run that holds in the new one; `None`: all of them.
    pub at: Option<u64>,
    /// Another input.
    pub input: Option<Value>,
    /// Another definition; steps that both have, and that are the same, keep their results.
    pub source: Option<RunSource>,
    /// What else is asked for.
    pub options: RunOptions,
    /// Who asks.
    pub principal: Principal,
}

impl Ask for ForkRun {
    type Reply = Result<RunAccepted, StartError>;
}

/// Remember how this run stands, under a name.
#[derive(Debug, Clone)]
pub struct CheckpointRun {
    /// Which run.
    pub id: RunId,
    /// The name, 1 to 63 of `A-Z a-z 0-9 . _ -`; one that the run has not used.
    pub name: String,
    /// Who asks.
    pub principal: Principal,
}

impl Ask for CheckpointRun {
    type Reply = Result<RunStatusResponse, ControlError>;
}

/// Take this run back to a checkpoint: steps, results and variables. What is undone stays in the
/// history.
#[derive(Debug, Clone)]
pub struct RollbackRun {
    /// Which run.
    pub id: RunId,
    /// The name of the checkpoint.
    pub to: String,
    /// Whether what was done since is undone first, by the steps' `compensate_with`.
    pub compensate: bool,
    /// Why, for people.
    pub reason: Option<String>,
    /// Who asks.
    pub principal: Principal,
}

impl Ask for RollbackRun {
    type Reply = Result<RunStatusResponse, ControlError>;
}

/// Go on by another definition, or with other values of variables. Steps that have been begun
/// must stay as they are.
#[derive(Debug, Clone)]
pub struct AmendRun {
    /// Which run.
    pub id: RunId,
    /// The text of the whole definition, as it is to be; `None`: only variables change.
    pub text: Option<String>,
    /// Variables that get other values.
    pub variables: BTreeMap<String, Value>,
    /// Why, for people.
    pub reason: Option<String>,
    /// Who asks.
    pub principal: Principal,
}

impl Ask for AmendRun {
    type Reply = Result<RunStatusResponse, ControlError>;
}

/// Tell a step that awaits a message of this topic. The steps whose `match` holds take it; when
/// none does, it is gone.
#[derive(Debug, Clone)]
pub struct SendMessage {
    /// What it is about.
    pub topic: String,
    /// What it says.
    pub payload: Value,
    /// Only this run; `None`: every run that awaits the topic.
    pub run: Option<RunId>,
    /// What it is known by when it is sent again: a run takes one of a key once, and remembers the
    /// last 256 keys.
    pub idempotency_key: Option<String>,
    /// Who sends it.
    pub principal: Principal,
}

impl Ask for SendMessage {
    type Reply = Result<MessageSent, ControlError>;
}

/// How far a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MessageSent {
    /// Runs that took it; durable.
    pub taken: u64,
    /// Runs that awaited the topic, and whose conditions it did not meet.
    pub unmatched: u64,
}
