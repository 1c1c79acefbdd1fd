//! JSON Schemas of capabilities, compiled once per agent and checked around `perform`.

use std::collections::BTreeMap;

use jsonschema::{Draft, Validator};
use serde_json::Value;

use crate::card::AgentCard;
use crate::error::AgentError;
use crate::payload::Payload;

/// How many violations a message names.
const NAMED_VIOLATIONS: usize = 3;

/// Compiles one schema; references to other documents are not followed.
///
/// # Errors
/// Why it is not a schema.
pub(crate) fn compile(schema: &Value) -> Result<Validator, String> {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .build(schema)
        .map_err(|error| error.to_string())
}

/// The compiled schemas of one capability.
#[derive(Debug, Default)]
struct Checks {
    input: Option<Validator>,
    output: Option<Validator>,
}

/// The compiled schemas of all capabilities of a card.
#[derive(Debug, Default)]
pub(crate) struct Schemas {
    by_capability: BTreeMap<String, Checks>,
}

impl Schemas {
    /// Compiles what the card carries. The card has been validated, so nothing is left out; a
    /// schema that does not compile checks nothing.
    pub(crate) fn of(card: &AgentCard) -> Self {
        let compiled = |schema: &Option<Value>| schema.as_ref().and_then(|s| compile(s).ok());
        let by_capability = card
            .capabilities
            .iter()
            .filter(|capability| {
                capability.input_schema.is_some() || capability.output_schema.is_some()
            })
            .map(|capability| {
                let input = compiled(&capability.input_schema);
                let output = compiled(&capability.output_schema);
                (capability.name.clone(), Checks { input, output })
            })
            .collect();
        Self { by_capability }
    }

    /// Checks what goes in.
    ///
    /// # Errors
    /// `InvalidInput` naming where the payload differs from the schema.
    pub(crate) fn check_input(&self, capability: &str, input: &Payload) -> Result<(), AgentError> {
        let Some(schema) = self.by_capability.get(capability).and_then(|c| c.input.as_ref()) else {
            return Ok(());
        };
        violations(schema, input)
            .map_err(|what| AgentError::invalid_input(format!("input of {capability}: {what}")))
    }

    /// Checks what came out.
    ///
    /// # Errors
    /// `Failed` naming where the result differs from what the card promised.
    pub(crate) fn check_output(&self, capability: &str, out: &Payload) -> Result<(), AgentError> {
        let Some(schema) = self.by_capability.get(capability).and_then(|c| c.output.as_ref())
        else {
            return Ok(());
        };
        violations(schema, out)
            .map_err(|what| AgentError::failed(format!("output of {capability}: {what}")))
    }
}

fn violations(schema: &Validator, payload: &Payload) -> Result<(), String> {
    let value: Value = payload.to_json().map_err(|error| error.to_string())?;
    if schema.is_valid(&value) {
        return Ok(());
    }
    let named: Vec<_> = schema
        .iter_errors(&value)
        .take(NAMED_VIOLATIONS)
        .map(|error| format!("at '{}': {error}", error.instance_path()))
        .collect();
    Err(named.join("; "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::card::Capability;
    use crate::error::AgentErrorKind;

    fn schemas() -> Schemas {
        let object = json!({"type": "object", "required": ["n"],
            "properties": {"n": {"type": "integer"}}});
        let counted = Capability::new("count").input(object).output(json!({"type": "integer"}));
        Schemas::of(&AgentCard::new("a", "1.0.0").capability(counted).capability("free"))
    }

    #[test]
    fn input_that_differs_from_the_schema_is_refused_with_the_place() {
        let bad = Payload::json(&json!({"n": "x"})).unwrap();
        let error = schemas().check_input("count", &bad).unwrap_err();
        assert_eq!(error.kind, AgentErrorKind::InvalidInput);
        assert!(error.message.contains("'/n'"), "{error}");
    }

    #[test]
    fn input_that_is_not_json_is_refused_where_a_schema_asks_for_json() {
        assert!(schemas().check_input("count", &Payload::text("n")).is_err());
        assert_eq!(schemas().check_input("free", &Payload::text("n")), Ok(()));
    }

    #[test]
    fn output_that_breaks_the_promise_is_a_failure_of_the_agent() {
        let bad = Payload::json(&json!([])).unwrap();
        let error = schemas().check_output("count", &bad).unwrap_err();
        assert_eq!(error.kind, AgentErrorKind::Failed);
        assert_eq!(schemas().check_output("count", &Payload::json(&3).unwrap()), Ok(()));
    }
}
