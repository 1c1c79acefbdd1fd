//! What is done about a failed step.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HandlerAction {
    /// Try again as the step's `retry` says (or its defaults, when it has none).
    Retry,
    /// Go on as if the step had been skipped; its output is null.
    Skip,
    /// Go on with `value`, or else with the step's `default`, as the output.
    Default,
    /// Mark the step failed and go on at `step`, which runs again if it has run.
    GoTo,
    /// Undo what was done, in reverse order, by each step's `compensate_with`; then fail, or go on
    /// with the fallback. When a fallback undoes what it did and there is no other, what the plan
    /// before it did is undone, too.
    Compensate,
    /// Fail the run, or go on with its fallback.
    Fail,
}

/// What is done about a failure: `skip`, or `{action: go_to, step: cleanup}`.
#[derive(Debug, Clone, PartialEq)]
pub struct ErrorHandler {
    /// What is done.
    pub action: HandlerAction,
    /// The output to go on with, a template; for `default`. It can look at `error`.
    pub value: Option<Value>,
    /// The id of the step to go on at; for `go_to`.
    pub step: Option<String>,
}

impl From<HandlerAction> for ErrorHandler {
    fn from(action: HandlerAction) -> Self {
        Self { action, value: None, step: None }
    }
}

/// The long form.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "ErrorHandlerObject")]
struct Long {
    /// What is done.
    action: HandlerAction,
    /// The output to go on with, a template; for `default`. It can look at `error`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    value: Option<Value>,
    /// The id of the step to go on at; for `go_to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step: Option<String>,
}

/// A key that is there, be it with `null`.
pub(crate) fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(value).map(Some)
}

impl Serialize for ErrorHandler {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.value.is_none() && self.step.is_none() {
            return self.action.serialize(serializer);
        }
        let Self { action, value, step } = self.clone();
        Long { action, value, step }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ErrorHandler {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let error = serde::de::Error::custom;
        if value.is_string() {
            return HandlerAction::deserialize(value).map(Self::from).map_err(error);
        }
        let Long { action, value, step } = Long::deserialize(value).map_err(error)?;
        Ok(Self { action, value, step })
    }
}

impl JsonSchema for ErrorHandler {
    fn schema_name() -> Cow<'static, str> {
        "ErrorHandler".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let short = generator.subschema_for::<HandlerAction>();
        let long = generator.subschema_for::<Long>();
        json_schema!({
            "description": "What is done about a failure: `skip`, or \
                `{action: go_to, step: cleanup}`.",
            "anyOf": [short, long]
        })
    }
}
