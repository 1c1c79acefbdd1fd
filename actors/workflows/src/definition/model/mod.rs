//! The definition of a workflow as data: what YAML, JSON and the builder all become.
//!
//! What has its default value is not written, so a definition has one written form. Unknown keys
//! are refused by [`check`](super::check), which names all faults of a text with their places.

mod doing;
mod error_kind;
mod limits;
mod on_error;
mod outside;
mod retry;
mod seconds;
mod step;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use synod_runtime::Priority;

pub use doing::{Approval, AtDeadline, Await, Emit, Escalation, ForEach, SubWorkflow, Wait};
pub use error_kind::{ErrorHandlers, ErrorKind, ErrorKinds};
pub use limits::{Budget, Limits, Timeouts};
pub use on_error::{ErrorHandler, HandlerAction};
pub use retry::{Retry, RetryForm};
pub use seconds::Seconds;
pub use step::{Step, Work};

use doing::is_default;

/// Whether steps wait for each other without being told to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Only `depends_on` orders steps.
    #[default]
    Parallel,
    /// Each step also depends on the one before it.
    Sequential,
}

/// A workflow.
///
/// A template is any JSON in which a text that is exactly `${expression}` stands for the value of
/// the expression, and a text with `${expression}` in it for the text with the value put in; `$${`
/// is a plain `${`. Expressions (CEL) see `inputs`, `outputs.<step>`, `variables`, `run`,
/// `steps.<step>.state`; in their places `item`, `item_index`, `error`, `message`; and in a
/// fallback `primary.error`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Its name: `[a-z0-9][a-z0-9._-]{0,127}`.
    #[schemars(regex(pattern = r"^[a-z0-9][a-z0-9._-]{0,127}$"))]
    pub name: String,
    /// Its version (semantic versioning).
    #[serde(default = "first_version", skip_serializing_if = "is_first_version")]
    pub version: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// JSON Schema of a run's input; absent: anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Value>,
    /// Values by name; templates that see `inputs` and `run`, evaluated when the run begins.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, Value>,
    /// What is done.
    pub steps: Vec<Step>,
    /// The outputs of the run; templates. Absent: the outputs of the steps that none depends on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, Value>,
    /// Whether steps wait for each other without being told to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub order: Order,
    /// How many steps are worked on at once.
    #[serde(default = "max_parallel", skip_serializing_if = "is_max_parallel")]
    #[schemars(range(min = 1, max = 10_000))]
    pub max_parallel: u32,
    /// Seconds in which the run must end, waits included; then it is cancelled and failed, or goes
    /// on with its fallback, which has a time of its own.
    #[serde(default = "timeout", skip_serializing_if = "is_timeout")]
    pub timeout_s: Seconds,
    /// How urgent its runs are: critical, high, normal, low, background, or 1 (most urgent) to 10.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "outside::priority")]
    #[schemars(schema_with = "outside::priority::schema")]
    pub priority: Option<Priority>,
    /// How often steps are tried that say nothing about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// What is done about failures of steps that say nothing about them.
    #[serde(default, skip_serializing_if = "ErrorHandlers::is_empty")]
    pub error_handlers: ErrorHandlers,
    /// What a run may use up.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// What is done instead when the run has failed: a definition that gets the same input, sees
    /// `primary.error`, and may have a fallback itself; at most 4 deep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Box<Definition>>,
    /// Work that is done when the run has completed or failed; it doesn't change how it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_finish: Option<Box<Work>>,
    /// Work that is done when the run was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_cancel: Option<Box<Work>>,
    /// Free key-value pairs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// A template of a text that sees `inputs`; a start with the same key is the same run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// How many of its runs may be under way at once; the others wait, by priority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_concurrent_runs: Option<u32>,
}

impl Definition {
    /// A definition without steps, everything else at its default.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: first_version(),
            description: String::new(),
            inputs: None,
            variables: BTreeMap::new(),
            steps: Vec::new(),
            outputs: BTreeMap::new(),
            order: Order::default(),
            max_parallel: max_parallel(),
            timeout_s: timeout(),
            priority: None,
            retry: None,
            error_handlers: ErrorHandlers::default(),
            limits: Limits::default(),
            fallback: None,
            on_finish: None,
            on_cancel: None,
            labels: BTreeMap::new(),
            idempotency_key: None,
            max_concurrent_runs: None,
        }
    }
}

fn first_version() -> String {
    "1.0.0".to_owned()
}

fn is_first_version(version: &String) -> bool {
    version == "1.0.0"
}

fn max_parallel() -> u32 {
    64
}

fn is_max_parallel(parallel: &u32) -> bool {
    *parallel == max_parallel()
}

fn timeout() -> Seconds {
    Seconds::new(300)
}

fn is_timeout(span: &Seconds) -> bool {
    *span == timeout()
}
