//! Work and its results as JSON, as programs at the other end of a pipe or a socket see them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{AgentError, AgentErrorKind};
use crate::payload::{Payload, PayloadDocument};
use crate::usage::Usage;
use crate::work::{Assignment, Performed};

/// One assignment, as a program gets it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WorkOrder {
    /// Which execution this is, opaque: `task/part/attempt@epoch`. Its result counts under this
    /// name only; the same name again is the same execution, delivered again.
    pub work: String,
    /// The kind of task, as its submitter named it.
    pub kind: String,
    /// The capability it was matched by, if any.
    pub capability: Option<String>,
    /// The input.
    pub payload: PayloadDocument,
    /// Milliseconds until the result is of no more use, counted from now.
    pub deadline_ms: u64,
    /// The same over all attempts at this work: hand it to the systems you act on.
    pub idempotency_key: String,
    /// Labels of the task.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The state you returned last with a result that was taken; absent at first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value)]
    pub state: Option<Value>,
    /// W3C trace context: the trace of the task and the span of this attempt. Hand it to whatever
    /// you call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

impl WorkOrder {
    /// What a program gets of `assignment` at `now`.
    #[must_use]
    pub fn new(assignment: &Assignment, now: Instant) -> Self {
        let left = assignment.deadline.into_std().saturating_duration_since(now);
        Self {
            work: assignment.work.to_string(),
            kind: assignment.kind.clone(),
            capability: assignment.capability.clone(),
            payload: PayloadDocument::from(&assignment.payload),
            deadline_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
            idempotency_key: assignment.idempotency_key.clone(),
            labels: assignment.labels.clone(),
            // A program saves JSON, so what it finds is JSON; other bytes were never its own.
            state: assignment.state.as_ref().and_then(|bytes| serde_json::from_slice(bytes).ok()),
            traceparent: assignment.correlation.map(|trace| trace.traceparent()),
        }
    }
}

/// What a program returns when the work is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkResult {
    /// The output.
    pub payload: PayloadDocument,
    /// Any JSON to keep: it is committed with the result and comes with your next work. Absent:
    /// what you kept before stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value)]
    pub state: Option<Value>,
    /// What the work used up, all told but for what was reported while it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

impl TryFrom<WorkResult> for Performed {
    type Error = AgentError;

    fn try_from(result: WorkResult) -> Result<Self, AgentError> {
        let payload = Payload::try_from(result.payload)
            .map_err(|error| AgentError::failed(format!("the result: {error}")))?;
        let state = result.state.map(|state| Bytes::from(state.to_string()));
        Ok(Self { payload, state })
    }
}

/// Why a program could not do the work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkError {
    /// The kind decides about another attempt; default `failed`.
    #[serde(default = "failed")]
    pub kind: AgentErrorKind,
    /// One sentence for people.
    pub message: String,
    /// The earliest moment another attempt makes sense, in milliseconds from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// What the work used up all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

fn failed() -> AgentErrorKind {
    AgentErrorKind::Failed
}

impl From<WorkError> for AgentError {
    fn from(error: WorkError) -> Self {
        let made = Self::new(error.kind, error.message);
        match error.retry_after_ms {
            Some(wait) => made.retry_after(Duration::from_millis(wait)),
            None => made,
        }
    }
}

/// What a program says while it works.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WorkProgress {
    /// Done so far, 0 to 1.
    pub fraction: f32,
    /// In words; at most 256 bytes are kept.
    #[serde(default)]
    pub note: String,
}
