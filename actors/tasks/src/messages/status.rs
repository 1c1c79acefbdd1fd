//! How a task stands, as users see it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use synod_runtime::{Correlation, Priority};
use uuid::Uuid;

use super::output::TaskOutput;
use crate::task::{Allocation, CapabilityRequirement, Failure, FailureKind, TaskMode, TaskState};

/// How a task stands, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TaskStatusResponse {
    /// Its name; a UUID of version 7.
    #[schema(value_type = String, format = "uuid")]
    pub task_id: Uuid,
    /// What kind of task it is.
    pub kind: String,
    /// How it stands.
    pub state: TaskState,
    /// How urgent it is.
    #[schema(value_type = String)]
    pub priority: Priority,
    /// How its agents work together.
    pub mode: TaskMode,
    /// How agents are chosen for it.
    #[serde(default)]
    pub allocation: Allocation,
    /// Whose task it is.
    pub tenant: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The capabilities it requires.
    pub capabilities: Vec<CapabilityRequirement>,
    /// The agents it names.
    pub agents: Vec<String>,
    /// Who submitted it: `user:ada`, `agent:…`, `node:…` or `anonymous`.
    pub submitted_by: String,
    /// The trace it belongs to, 32 hexadecimal digits.
    pub trace_id: Option<String>,
    /// Its idempotency key, if it has one.
    pub idempotency_key: Option<String>,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub submitted_at: Timestamp,
    /// When an agent first got a part of it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// When it is given up.
    #[schema(value_type = String, format = DateTime)]
    pub deadline: Timestamp,
    /// Executions begun, of all its parts.
    pub attempts: u32,
    /// Executions lost, of all its parts.
    pub lost: u32,
    /// What its executions have cost so far, in the unit of the agents' cards.
    pub cost: f64,
    /// The result. Absent from lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<TaskOutput>,
    /// The media type of the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_content_type: Option<String>,
    /// Why the result of a completed task is not here, though it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_error: Option<ResultError>,
    /// Why it failed, or by whom it was cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<TaskError>,
    /// Its parts.
    pub parts: Vec<PartStatus>,
}

/// A large result that could not be read from its blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ResultError {
    /// The blob that holds it: the SHA-256 of its bytes, 64 hexadecimal digits.
    pub blob: String,
    /// What is wrong with it.
    pub reason: String,
    /// What to do.
    pub advice: String,
}

/// How a part of a task stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PartStatus {
    /// Its number, from 0.
    pub part: u16,
    /// How it stands.
    pub state: TaskState,
    /// The agent of its last execution, as `id@version`.
    pub agent: Option<String>,
    /// Why its last execution went to that agent, where the task says how it is chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen_because: Option<String>,
    /// Executions begun.
    pub attempts: u32,
    /// Executions that ended in an error.
    pub errors: u32,
    /// Executions that were lost.
    pub lost: u32,
    /// When its last execution began.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// While it waits for an agent: why no agent has it, as far as is known. Absent from lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<String>,
    /// Its last error, also of an attempt that was followed by another or was lost; of one that
    /// came back undone only as long as there is no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<TaskError>,
}

/// What went wrong, for machines (`kind`) and for people (`message`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TaskError {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// One sentence for people.
    pub message: String,
    /// The part at fault, if it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<u16>,
    /// The agent of that part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

impl TaskError {
    pub(crate) fn new(failure: &Failure, part: Option<u16>, agent: Option<&str>) -> Self {
        Self {
            kind: failure.kind,
            message: failure.message.clone(),
            part,
            agent: agent.map(str::to_owned),
        }
    }
}

/// Some tasks, the newest first, and where the next page begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TaskPage {
    /// The tasks, without their results.
    pub tasks: Vec<TaskStatusResponse>,
    /// Cursor of the next page; absent on the last one. Opaque. A page may hold fewer tasks than
    /// asked for, even none, and still have a next one: a filter is given a bounded search.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A change of a task's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TaskChange {
    /// The number of this change among all of all tasks of the node; it rises by one each time,
    /// so who misses changes sees it from the gap.
    pub sequence: u64,
    /// Which task.
    #[schema(value_type = String, format = "uuid")]
    pub task_id: Uuid,
    /// What kind of task it is.
    pub kind: String,
    /// Whose task it is.
    pub tenant: String,
    /// The state it is in now.
    pub state: TaskState,
    /// The agent that has, or had, the part for which it changed, as `id@version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// When it changed.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The trace it belongs to, 32 hexadecimal digits.
    pub trace_id: Option<String>,
    /// The span in which the task was submitted; the envelope of a change tells it.
    #[serde(skip)]
    pub correlation: Option<Correlation>,
}
