//! What may be said of a run beside its definition: checked, and put into its opening.

use std::sync::Arc;

use serde_json::Value;

use super::WorkflowEngine;
use super::compiling::Compiled;
use crate::error::StartError;
use crate::expression::Root;
use crate::index::{Half, half};
use crate::json::Json;
use crate::messages::RunOptions;
use crate::run::Opening;

/// Bytes of the longest value that a definition may make a key of.
const MAX_KEY: usize = 1_024;

/// What an idempotency key is.
pub(super) const EXPECTED_KEY: &str = "1 to 255 visible ASCII characters";

/// Whether a text may be an idempotency key.
pub(super) fn is_key(key: &str) -> bool {
    (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

impl WorkflowEngine {
    pub(super) fn check_options(
        &self,
        compiled: &Compiled,
        options: &RunOptions,
    ) -> Result<(), StartError> {
        let invalid = |field: String, expected: &str, got: String| {
            Err(StartError::Invalid { field, expected: expected.to_owned(), got })
        };
        let labels = options.labels.len();
        if labels > usize::from(self.config.max_labels) {
            let expected = format!("at most {} labels", self.config.max_labels);
            return invalid("labels".to_owned(), &expected, labels.to_string());
        }
        for (key, value) in &options.labels {
            if key.is_empty() || key.len() > 63 || value.len() > 255 {
                let expected = "a key of 1 to 63 bytes and a value of at most 255";
                let got = format!("{} and {} bytes", key.len(), value.len());
                return invalid(format!("labels.{key}"), expected, got);
            }
        }
        if let Some(key) = &options.idempotency_key
            && !is_key(key)
        {
            return invalid("idempotency_key".to_owned(), EXPECTED_KEY, format!("{key:?}"));
        }
        if options.timeout_s.is_some_and(|s| !(1..=31_536_000).contains(&s)) {
            let got = options.timeout_s.unwrap_or_default().to_string();
            return invalid("timeout_s".to_owned(), "1 to 31536000", got);
        }
        let known = &compiled.plan.variables;
        let unknown = options
            .variables
            .keys()
            .find(|name| !known.iter().any(|(known, _)| **known == ***name));
        match unknown {
            Some(name) => {
                let names: Vec<_> = known.iter().map(|(name, _)| &**name).collect();
                let expected = format!("one of the definition's: {}", names.join(", "));
                invalid(format!("variables.{name}"), &expected, "an unknown one".to_owned())
            }
            None => Ok(()),
        }
    }
}

/// The idempotency key that the definition makes of an input, if it does.
pub(super) fn key_of(compiled: &Compiled, input: &Json) -> Result<Option<String>, StartError> {
    let Some(template) = &compiled.plan.idempotency_key else { return Ok(None) };
    let scope = |root: &Root| matches!(root, Root::Inputs).then(|| input.clone());
    let invalid = |got: String| StartError::Invalid {
        field: "idempotency_key".to_owned(),
        expected: "an expression of the definition that yields a text, a number or null".to_owned(),
        got,
    };
    let value = template.evaluate(&scope, MAX_KEY).map_err(|error| invalid(error.message))?;
    match value.value() {
        Value::Null => Ok(None),
        Value::String(key) => Ok(Some(key.clone())),
        Value::Number(key) => Ok(Some(key.to_string())),
        other => Err(invalid(other.to_string())),
    }
}

pub(super) fn apply_options(opening: &mut Opening, options: RunOptions, compiled: &Compiled) {
    let RunOptions { priority, labels, idempotency_key, timeout_s, variables } = options;
    opening.priority = priority.or(compiled.plan.priority).unwrap_or(opening.priority);
    opening.labels.extend(labels);
    opening.idempotency_key = idempotency_key.map(Arc::from);
    opening.timeout_us = timeout_s.map(|seconds| seconds.saturating_mul(1_000_000));
    let variables = variables.into_iter();
    opening.variables =
        variables.map(|(name, value)| (Arc::from(name), Json::from(value))).collect();
}

/// What was asked for, so that another request with the same key can be told from the same one.
pub(super) fn body(compiled: &Compiled, input: &Json, options: &RunOptions) -> Half {
    let variables = serde_json::to_vec(&options.variables).unwrap_or_default();
    half(&[&compiled.hash().0, input.bytes(), &variables])
}
