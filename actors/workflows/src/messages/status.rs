//! How runs stand, as users see it.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use synod_agents::Usage;
use synod_runtime::{Ask, Priority};

use super::start::RunId;
use crate::error::InvalidCursor;

/// How a run stands. `completed`, `failed` and `cancelled` are final.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Accepted; it waits for room among the running ones.
    Pending,
    /// Steps of it run.
    Running,
    /// Nothing of it runs: it waits for a time, a decision, a message or another run.
    Waiting,
    /// Somebody paused it.
    Paused,
    /// It undoes what it did.
    Compensating,
    /// It ended as its definition says.
    Completed,
    /// It ended with an error.
    Failed,
    /// It was ended before it was done.
    Cancelled,
}

impl RunState {
    /// Whether it is final.
    #[must_use]
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Compensating => "compensating",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        })
    }
}

/// How a step stands. The last five are final for a visit of the step.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum StepState {
    /// It waits for other steps.
    Pending,
    /// It waits for a time, a decision, a message, another run or its next attempt.
    Waiting,
    /// An agent has it.
    Running,
    /// It has a result.
    Completed,
    /// It ended with an error.
    Failed,
    /// It was not to be done.
    Skipped,
    /// It was ended before it was done.
    Cancelled,
    /// What it did is undone.
    Compensated,
}

/// How does this run stand? `None`: it is unknown, or it ended so long ago that it is forgotten.
#[derive(Debug, Clone, Copy)]
pub struct GetRun {
    /// Which run.
    pub id: RunId,
}

impl Ask for GetRun {
    type Reply = Option<RunStatusResponse>;
}

/// Answer when this run has ended; `None` at once when it is unknown.
#[derive(Debug, Clone, Copy)]
pub struct WaitRun {
    /// Which run.
    pub id: RunId,
}

impl Ask for WaitRun {
    type Reply = Option<RunStatusResponse>;
}

/// A page of runs, the newest first.
#[derive(Debug, Clone, Default)]
pub struct ListRuns {
    /// Which runs.
    pub filter: RunFilter,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// Most runs to return; at least 1, at most 1,000 are given.
    pub limit: usize,
}

impl Ask for ListRuns {
    type Reply = Result<RunPage, InvalidCursor>;
}

/// Runs that satisfy all that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// In this state.
    pub state: Option<RunState>,
    /// Of the definition of this name.
    pub name: Option<String>,
    /// With this label, key and value.
    pub label: Option<(String, String)>,
    /// Of this priority.
    pub priority: Option<Priority>,
}

/// Some runs, and where the next page begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunPage {
    /// The runs.
    pub runs: Vec<RunSummary>,
    /// Cursor of the next page; absent on the last one. Opaque. A page may hold fewer runs than
    /// asked for, even none, and still have a next one: a filter is given a bounded search.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A run in few words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunSummary {
    /// Its name.
    #[schema(value_type = String, format = "uuid")]
    pub run_id: RunId,
    /// The definition that it is pinned to.
    pub workflow: WorkflowRef,
    /// How it stands.
    pub state: RunState,
    /// How urgent it is.
    #[schema(value_type = String)]
    pub priority: Priority,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// How much of it is done.
    pub progress: Progress,
    /// Who started it: `user:ada`, `agent:…`, `node:…` or `anonymous`.
    pub started_by: String,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub accepted_at: Timestamp,
    /// When it was admitted among the running ones.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// What it waits for, while it does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting_for: Vec<WaitingFor>,
    /// The trace it belongs to, 32 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Why nobody can go on with it, if so: its history can't be read or replayed. It stays as it
    /// is and is tried again when the node starts anew, or when somebody wants something of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck: Option<String>,
}

/// How a run stands, step by step, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunStatusResponse {
    /// The run in few words.
    #[serde(flatten)]
    pub summary: RunSummary,
    /// Its input.
    pub input: Value,
    /// Its variables.
    pub variables: BTreeMap<String, Value>,
    /// Its steps, in the order of the definition; those of a fallback follow under `fallback`.
    pub steps: Vec<StepStatus>,
    /// The steps of the fallback plan, once it has begun.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallback: Vec<StepStatus>,
    /// What it gave, once it has completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Value>,
    /// Why it failed or was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RunError>,
    /// Runs that it is linked with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<RunLink>,
    /// Events in its history.
    pub history_events: u64,
    /// Its idempotency key, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// When it is given up.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
}

/// A definition, by name and by what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WorkflowRef {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its canonical form, 64 hexadecimal digits.
    pub hash: String,
}

/// How much of a run is done.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Progress {
    /// Share of its steps that need nothing more, 0 to 100.
    pub percent: f64,
    /// Steps that completed, were skipped, failed or were cancelled.
    pub done: u64,
    /// All steps, those of a fallback once it has begun included.
    pub total: u64,
}

/// How a step of a run stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StepStatus {
    /// Its id in the definition.
    pub id: String,
    /// What it does: `agent`, `capability`, `transform`, `wait`, `approval`, `workflow`,
    /// `for_each`, `race`, `emit` or `await`.
    pub doing: String,
    /// How it stands.
    pub state: StepState,
    /// How often it was come to; more than once after a `go_to` or a rollback.
    pub visit: u32,
    /// Executions begun in this visit.
    pub attempts: u32,
    /// The agent of its last execution, as `id@version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// When it was first begun.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// Its result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Its last error, also of an attempt that was followed by another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RunError>,
    /// What all its visits, items and attempts used up, as far as it was reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What it waits for, while it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<WaitingFor>,
    /// How its items stand, of a `for_each` or a `race`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<ItemsStatus>,
    /// The run of its sub-workflow.
    #[schema(value_type = Option<String>, format = "uuid")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<RunId>,
    /// The steps it depends on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
}

/// How the items of a step stand.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ItemsStatus {
    /// How many there are.
    pub total: u64,
    /// How many are with agents.
    pub running: u64,
    /// How many have a result.
    pub completed: u64,
    /// How many failed.
    pub failed: u64,
}

/// What a run or a step waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WaitingFor {
    /// The step that waits; none in a list of runs, which are not replayed for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// What for.
    pub what: WaitKind,
    /// Until when, at most.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The approval, the topic or the run that it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
}

/// What can be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WaitKind {
    /// A time.
    Time,
    /// The next attempt.
    Retry,
    /// A decision.
    Approval,
    /// A message.
    Message,
    /// The end of another run.
    Run,
}

/// What went wrong, for machines (`kind`) and for people (`message`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunError {
    /// What kind of failure it is, of the published list.
    pub kind: String,
    /// One sentence for people.
    pub message: String,
    /// The step at fault, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The agent of that step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

/// A run that another is linked with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunLink {
    /// What it is to this one.
    pub relation: RunRelation,
    /// The other run.
    #[schema(value_type = String, format = "uuid")]
    pub run_id: RunId,
}

/// What one run is to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunRelation {
    /// The run of whose step this one is the sub-workflow.
    Parent,
    /// The failed run that this one retries.
    RetryOf,
    /// The run that this one was forked from.
    ForkOf,
}
