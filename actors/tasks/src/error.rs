//! Why the engine did not do what it was asked, and what state was left.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::task::{Failure, FailureKind, TaskId, TaskState};

/// Why a task was not accepted. Unless it says otherwise, nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum SubmitError {
    /// The payload is no JSON that can be read.
    #[error("the payload is malformed JSON: {reason}")]
    MalformedPayload {
        /// What is wrong with it, and where in the payload.
        reason: String,
    },
    /// A field has a value it can't have.
    #[error("{field}: expected {expected}, got {got}")]
    Invalid {
        /// The path of the field: `labels.env`, `agents[2]`.
        field: String,
        /// What would have been right.
        expected: String,
        /// What was given.
        got: String,
    },
    /// The input is larger than the limit.
    #[error("the payload of {bytes} bytes is over the limit of {limit}")]
    PayloadTooLarge {
        /// Its size.
        bytes: u64,
        /// What is allowed.
        limit: u64,
    },
    /// No registered agent, nor any team of them, can do it, and the engine is configured to
    /// refuse such tasks.
    #[error("no capable agent: {} missing", missing.join(", "))]
    NoCapableAgent {
        /// The capabilities or agents that are missing.
        missing: Vec<String>,
    },
    /// As much is queued as the limits allow.
    #[error("the queue is full; try again in {retry_after_s} s")]
    QueueFull {
        /// When there may be room, by the present throughput.
        retry_after_s: u64,
    },
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request, of task {existing}")]
    IdempotencyConflict {
        /// The task it was used for.
        existing: TaskId,
    },
    /// The same request was submitted with the same key, and its task has not ended.
    #[error("the same request is in flight as task {existing}")]
    InFlight {
        /// The task.
        existing: TaskId,
    },
    /// The deadline is in the past.
    #[error("the deadline has passed")]
    DeadlinePassed,
    /// The journal takes nothing, or the engine is not ready. Where the reason says that the
    /// outcome is unknown, the task may have been accepted: repeat it with the same idempotency
    /// key.
    #[error("tasks are not accepted: {reason}")]
    Unavailable {
        /// Why not.
        reason: String,
    },
    /// The node is about to stop.
    #[error("the node is draining and accepts no more tasks")]
    Draining,
}

/// Why a task was not cancelled. Unless it says otherwise, nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum CancelError {
    /// There is no such task, or it is forgotten.
    #[error("no such task")]
    NotFound,
    /// It has ended, and what has ended never reopens.
    #[error("the task has already ended: {state}")]
    AlreadyEnded {
        /// How it ended.
        state: TaskState,
    },
    /// The journal takes nothing, or the engine is not ready. Where the reason says that the
    /// outcome is unknown, the task may have been cancelled.
    #[error("tasks can't be cancelled: {reason}")]
    Unavailable {
        /// Why not.
        reason: String,
    },
}

/// The cursor is none that a page carried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one that a page carried")]
pub struct InvalidCursor;

/// Why an execution has no output. It has ended: nothing of it is under way any more.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct ExecutionError {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// One sentence for people.
    pub message: String,
    /// The agent at fault, as `id@version`.
    pub agent: Option<Arc<str>>,
    /// The earliest moment another attempt makes sense, in milliseconds from now.
    pub retry_after_ms: Option<u64>,
    /// Whether it was given back undone, or its result not taken, for a reason that lies in the
    /// node: it drains, or the journal takes nothing. It counts as no attempt, and as not lost.
    pub handed_back: bool,
    /// How often it was lost and given out again.
    pub lost: u32,
    /// What it cost all the same, in the unit of the agents' cards.
    pub cost: f64,
}

impl ExecutionError {
    pub(crate) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Failure::new(kind, message).into()
    }

    /// The node can't go on with it.
    pub(crate) fn handed_back(reason: impl Into<String>) -> Self {
        Self { handed_back: true, ..Self::new(FailureKind::Unavailable, reason) }
    }
}

impl From<Failure> for ExecutionError {
    fn from(Failure { kind, message }: Failure) -> Self {
        let (agent, retry_after_ms) = (None, None);
        Self { kind, message, agent, retry_after_ms, handed_back: false, lost: 0, cost: 0.0 }
    }
}

impl From<SubmitError> for ExecutionError {
    /// Why an execution was not taken on, in the words of a submission.
    fn from(error: SubmitError) -> Self {
        let message = error.to_string();
        let kind = match &error {
            SubmitError::Draining | SubmitError::Unavailable { .. } => {
                return Self::handed_back(message);
            }
            SubmitError::QueueFull { retry_after_s } => {
                let retry_after_ms = Some(retry_after_s.saturating_mul(1_000));
                return Self { retry_after_ms, ..Self::new(FailureKind::Unavailable, message) };
            }
            SubmitError::PayloadTooLarge { .. } => FailureKind::TooLarge,
            SubmitError::NoCapableAgent { .. } => FailureKind::NoCapableAgent,
            SubmitError::DeadlinePassed => FailureKind::DeadlinePassed,
            SubmitError::MalformedPayload { .. }
            | SubmitError::Invalid { .. }
            | SubmitError::IdempotencyConflict { .. }
            | SubmitError::InFlight { .. } => FailureKind::InvalidInput,
        };
        Self::new(kind, message)
    }
}
