//! How often a step is tried, and how long the waits between attempts are.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error_kind::{ErrorKind, ErrorKinds};

/// How the waits grow.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RetryForm {
    /// The n-th wait is `initial_ms × multiplier^(n-1)`.
    #[default]
    Exponential,
    /// The n-th wait is `n × initial_ms`.
    Linear,
}

/// How often a step is tried. Errors and lost executions are counted apart.
///
/// A step without `retry`, in a definition without `retry`, is tried once (and again when its
/// execution was lost, as often as `max_lost` says).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// Executions that may end in an error, the first one included; 1 is no retry.
    #[schemars(range(min = 1, max = 1000))]
    pub max_attempts: u32,
    /// The first wait, in milliseconds.
    #[schemars(range(max = 3_600_000))]
    pub initial_ms: u64,
    /// What the wait is multiplied by after each further error, in the exponential form.
    #[schemars(range(min = 1, max = 100))]
    pub multiplier: f64,
    /// Longest wait, in milliseconds.
    #[schemars(range(max = 86_400_000))]
    pub max_ms: u64,
    /// Share of the wait that is left to chance; it only shortens.
    #[schemars(range(min = 0, max = 1))]
    pub jitter: f64,
    /// The kinds after which it is tried again. Default: `timeout`, `unavailable`, `rate_limited`,
    /// `failed`, `lost`, `no_capable_agent`. A `critical_error` is never retried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_on: Option<Vec<ErrorKind>>,
    /// How the waits grow.
    pub form: RetryForm,
    /// Executions that may be lost (crash of the agent or the node), counted apart.
    #[schemars(range(max = 1000))]
    pub max_lost: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            initial_ms: 200,
            multiplier: 2.0,
            max_ms: 30_000,
            jitter: 0.2,
            retry_on: None,
            form: RetryForm::Exponential,
            max_lost: 5,
        }
    }
}

impl Retry {
    /// One attempt; executions that were lost are repeated as by default.
    #[must_use]
    pub fn once() -> Self {
        Self { max_attempts: 1, ..Self::default() }
    }

    /// The kinds after which it is tried again.
    #[must_use]
    pub fn kinds(&self) -> ErrorKinds {
        match &self.retry_on {
            Some(kinds) => kinds.iter().copied().collect(),
            None => ErrorKinds::retryable(),
        }
    }

    /// The wait after the `errors`th error (from 1). `chance` in 0..1 moves it within the share
    /// that jitter leaves to it; 0 is the full wait.
    #[must_use]
    pub fn wait(&self, errors: u32, chance: f64) -> Duration {
        let errors = errors.max(1);
        let initial = self.initial_ms as f64;
        let full = match self.form {
            RetryForm::Exponential => {
                initial * self.multiplier.powi(errors.saturating_sub(1).min(64) as i32)
            }
            RetryForm::Linear => initial * f64::from(errors),
        };
        let wait_ms = full.min(self.max_ms as f64) * (1.0 - self.jitter * chance);
        Duration::from_micros((wait_ms * 1_000.0) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(retry: &Retry) -> Vec<u128> {
        (1..=5).map(|errors| retry.wait(errors, 0.0).as_millis()).collect()
    }

    #[test]
    fn both_forms_of_waits_grow_to_their_bound() {
        let exponential = Retry { initial_ms: 100, max_ms: 1_000, ..Retry::default() };
        assert_eq!(waits(&exponential), [100, 200, 400, 800, 1_000]);
        let linear = Retry { form: RetryForm::Linear, ..exponential };
        assert_eq!(waits(&linear), [100, 200, 300, 400, 500]);
    }

    #[test]
    fn jitter_only_shortens() {
        let retry = Retry::default();
        assert_eq!(retry.wait(1, 0.0).as_micros(), 200_000);
        assert_eq!(retry.wait(1, 0.5).as_micros(), 180_000);
        assert_eq!(retry.wait(u32::MAX, 0.0).as_millis(), 30_000);
    }
}
