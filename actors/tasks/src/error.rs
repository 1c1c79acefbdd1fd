//! Why the engine did not do what it was asked, and what state was left.

use serde::{Deserialize, Serialize};

use crate::task::{TaskId, TaskState};

/// Why a task was not accepted. Unless it says otherwise, nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum SubmitError {
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
