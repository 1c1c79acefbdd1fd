//! The schema of a run's input, compiled.

use std::fmt;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

use crate::definition::Fault;

/// Faults of an input that are told.
const TOLD: usize = 20;

/// Largest compiled regular expression of a schema, in bytes.
const MAX_PATTERN: usize = 1 << 20;

/// What an input must look like.
pub struct InputSchema {
    schema: Value,
    validator: Validator,
}

impl InputSchema {
    /// Compiles a schema (draft 2020-12). References to other documents are not followed, and
    /// patterns are those that take linear time.
    ///
    /// # Errors
    /// Where it is no schema, and why.
    pub(super) fn compile(schema: &Value) -> Result<Self, (String, String)> {
        let patterns = PatternOptions::regex().size_limit(MAX_PATTERN);
        let options = jsonschema::options().with_draft(Draft::Draft202012);
        let built = options.with_pattern_options(patterns).build(schema);
        let validator =
            built.map_err(|error| (error.instance_path().to_string(), error.to_string()))?;
        Ok(Self { schema: schema.clone(), validator })
    }

    /// The schema.
    #[must_use]
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// Checks an input.
    ///
    /// # Errors
    /// What is wrong with it, each with its place in the input.
    pub fn check(&self, input: &Value) -> Result<(), Vec<Fault>> {
        if self.validator.is_valid(input) {
            return Ok(());
        }
        let faults = self.validator.iter_errors(input).take(TOLD).map(|error| {
            let path = error.instance_path().to_string();
            Fault::error(path, error.to_string().chars().take(400).collect::<String>())
        });
        Err(faults.collect())
    }
}

impl fmt::Debug for InputSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.schema)
    }
}
