//! Where two runs went apart: first, and step by step.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use synod_runtime::Ask;

use super::start::RunId;
use super::status::{RunState, WorkflowRef};

/// Where did these two runs go apart? Ids and times don't count.
#[derive(Debug, Clone, Copy)]
pub struct DiffRuns {
    /// One run.
    pub a: RunId,
    /// The other.
    pub b: RunId,
}

impl Ask for DiffRuns {
    type Reply = Result<RunDiff, UnknownRun>;
}

/// There is no such run, or it is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such run: {0}")]
pub struct UnknownRun(pub RunId);

/// How two runs compare. What is compared: definition, input and variables; of each step what it
/// was given, what it gave, how it ended, its errors and attempts, what was asked and decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunDiff {
    /// One run.
    pub a: ComparedRun,
    /// The other.
    pub b: ComparedRun,
    /// Whether nothing differs.
    pub same: bool,
    /// What differs first: nothing that differs comes before it in the order of causes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<Divergence>,
    /// How many pieces of work compare how.
    pub counts: DiffCounts,
    /// What differs of the runs as wholes, at most 16.
    pub run: Vec<Difference>,
    /// The steps, in the order of run A; items only where they differ. At most 1,000 rows.
    pub steps: Vec<StepDiff>,
    /// Rows that were left out for that.
    pub more: u64,
}

/// One of two runs that are compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ComparedRun {
    /// The run.
    #[schema(value_type = String, format = "uuid")]
    pub run_id: RunId,
    /// What it runs.
    pub workflow: WorkflowRef,
    /// How it stands.
    pub state: RunState,
    /// Events in its history.
    pub events: u64,
}

/// How many pieces of work (steps, items, compensations; each visit by itself) compare how.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DiffCounts {
    /// The same in both.
    pub same: u64,
    /// In both, and different.
    pub different: u64,
    /// Only in run A.
    pub only_a: u64,
    /// Only in run B.
    pub only_b: u64,
}

/// The first difference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Divergence {
    /// The piece of work; absent where the runs as wholes differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<DiffPlace>,
    /// What differs.
    pub difference: Difference,
    /// The number of the event in run A that says so, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_a: Option<u64>,
    /// The same in run B.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_b: Option<u64>,
}

/// A piece of work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DiffPlace {
    /// The step's id.
    pub step: String,
    /// 0 for the plan itself, 1 for its fallback, and so on.
    pub level: u32,
    /// How often the step had been come to, from 1.
    pub visit: u32,
    /// The item of a `for_each` or the racer of a `race`, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<u32>,
    /// Whether it is what undoes the step.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub compensation: bool,
}

/// What differs, and where in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Difference {
    /// `definition`, `input`, `variables.x`, `output`, `state`, `error`, `attempts`, `asked`,
    /// `decision`, `outputs`, …; `begun` where one run has nothing of this.
    pub what: String,
    /// The first place within the value that differs, as a JSON pointer; empty for all of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub at: String,
    /// What run A has there; absent where it has nothing. What has more than 1 KiB is cut to a
    /// text that says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub a: Option<Value>,
    /// What run B has there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub b: Option<Value>,
}

/// How a piece of work compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DiffVerdict {
    /// The same in both.
    Same,
    /// In both, and different.
    Different,
    /// Only in run A.
    OnlyA,
    /// Only in run B.
    OnlyB,
}

/// A piece of work in both runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StepDiff {
    /// Which.
    #[serde(flatten)]
    pub place: DiffPlace,
    /// How it compares.
    pub verdict: DiffVerdict,
    /// What differs, at most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
}
