//! The built-in doings that have keys of their own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::seconds::Seconds;
use super::step::Work;

/// A wait: for a span, or until a moment. Exactly one of the two.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Wait {
    /// Seconds: a number, or a template of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub for_s: Option<Value>,
    /// A moment (RFC 3339), or a template of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Value>,
}

/// What happens to an approval at its deadline.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AtDeadline {
    /// The step fails with `approval_expired`.
    #[default]
    Expire,
    /// It counts as approved, by nobody.
    Approve,
    /// It counts as rejected, by nobody.
    Reject,
}

/// A person decides. The step's output is
/// `{approved, payload, suggestion, decisions: [{by, at, approve, reason}]}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// What is asked, in one sentence; a template of a text.
    pub ask: String,
    /// What it is about, or what an agent suggests; a template. Kept beside what is decided.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub payload: Value,
    /// Whether who decides may change the payload.
    #[serde(default, skip_serializing_if = "is_false")]
    pub editable: bool,
    /// Names of the persons who may decide.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<String>,
    /// Roles that may decide. Without people and roles, anybody who may write may decide.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// How many must approve; one rejection rejects.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    #[schemars(range(min = 1, max = 100))]
    pub needed: u32,
    /// Seconds in which it must be decided; a day by default.
    #[serde(default = "a_day", skip_serializing_if = "is_a_day")]
    pub deadline_s: Seconds,
    /// What happens at the deadline.
    #[serde(default, skip_serializing_if = "is_default")]
    pub at_deadline: AtDeadline,
    /// What is done before the deadline while nobody has decided, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub escalate: Vec<Escalation>,
}

impl Approval {
    /// Asks `ask` of anybody, for a day.
    #[must_use]
    pub fn new(ask: impl Into<String>) -> Self {
        Self {
            ask: ask.into(),
            payload: Value::Null,
            editable: false,
            people: Vec::new(),
            roles: Vec::new(),
            needed: 1,
            deadline_s: a_day(),
            at_deadline: AtDeadline::Expire,
            escalate: Vec::new(),
        }
    }
}

/// A step of an escalation: a reminder, or other people who may decide from then on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Escalation {
    /// Seconds from the request.
    pub after_s: Seconds,
    /// Who may decide from then on, besides those who might already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<String>,
    /// Roles that may decide from then on. Without people and roles it is a reminder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
}

/// Another workflow that runs as a part of this one; the step's output is its outputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubWorkflow {
    /// Its name.
    pub name: String,
    /// Its version; absent: the newest that the node has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its input; a template.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub input: Value,
}

/// The same work for each item of a list; the step's output is the list of its outputs, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForEach {
    /// The list; a template.
    pub items: Value,
    /// How many items are worked on at once.
    #[serde(default = "eight", skip_serializing_if = "is_eight")]
    #[schemars(range(min = 1, max = 1000))]
    pub concurrency: u32,
    /// What is done with each; its templates see `item` and `item_index`.
    pub step: Box<Work>,
}

/// Tells every run and listener that waits for the topic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Emit {
    /// The topic; a template of a text.
    pub topic: String,
    /// What is told; a template.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub payload: Value,
}

/// Waits for a message; the step's output is its payload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Await {
    /// The topic; a template of a text.
    pub topic: String,
    /// Which message: a condition that sees its payload as `message`. Absent: the first.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub matches: Option<String>,
}

fn one() -> u32 {
    1
}

fn is_one(needed: &u32) -> bool {
    *needed == 1
}

fn eight() -> u32 {
    8
}

fn is_eight(concurrency: &u32) -> bool {
    *concurrency == 8
}

fn a_day() -> Seconds {
    Seconds::new(86_400)
}

fn is_a_day(deadline: &Seconds) -> bool {
    *deadline == a_day()
}

pub(super) fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Whether a key may be left out of the written form.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
