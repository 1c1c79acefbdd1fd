//! How often a part is tried, and how long the waits between attempts are.

use serde::{Deserialize, Serialize};
use synod_runtime::ConfigFault;

/// How often each part of a task is tried. Errors of the agent and lost executions are counted
/// apart; work that was handed back (drained, paused, at capacity) counts as neither.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryPolicy {
    /// Executions that may end in an error before the part fails, the first one included;
    /// 1 to 1,000, default 3. Errors that another attempt can't help fail it at once.
    #[schema(minimum = 1, maximum = 1000, default = 3)]
    pub max_attempts: u32,
    /// Executions that may be lost (crash of the agent or the node) before the part fails; 0 to
    /// 1,000, default 5.
    #[schema(minimum = 0, maximum = 1000, default = 5)]
    pub max_lost: u32,
    /// Wait after the first error, in milliseconds; 0 to 3,600,000, default 200. Losses wait alike,
    /// counted on their own; but the first one not, if the execution had gone on for a second.
    #[schema(maximum = 3600000, default = 200)]
    pub initial_ms: u64,
    /// What the wait is multiplied by after each further one; 1 to 100, default 2.
    #[schema(minimum = 1, maximum = 100, default = 2)]
    pub multiplier: f64,
    /// Longest wait, in milliseconds; at least `initial_ms`, at most 86,400,000, default 30,000.
    #[schema(maximum = 86400000, default = 30000)]
    pub max_ms: u64,
    /// Share of the wait that is left to chance, so that what failed together does not come back
    /// together; 0 to 1, default 0.2.
    #[schema(minimum = 0, maximum = 1, default = 0.2)]
    pub jitter: f64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            max_lost: 5,
            initial_ms: 200,
            multiplier: 2.0,
            max_ms: 30_000,
            jitter: 0.2,
        }
    }
}

impl RetryPolicy {
    /// Checks every value.
    ///
    /// # Errors
    /// One fault for each value that is out of range.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        let checks = [
            ((1..=1_000).contains(&self.max_attempts), "max_attempts", "1 to 1000"),
            (self.max_lost <= 1_000, "max_lost", "0 to 1000"),
            (self.initial_ms <= 3_600_000, "initial_ms", "0 to 3600000"),
            ((1.0..=100.0).contains(&self.multiplier), "multiplier", "1 to 100"),
            (
                (self.initial_ms..=86_400_000).contains(&self.max_ms),
                "max_ms",
                "at least initial_ms and at most 86400000",
            ),
            ((0.0..=1.0).contains(&self.jitter), "jitter", "0 to 1"),
        ];
        let faults: Vec<_> = checks
            .into_iter()
            .filter(|(good, ..)| !good)
            .map(|(_, key, expected)| ConfigFault::new(key, format!("expected {expected}")))
            .collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// Microseconds to wait after the `errors`th error. `chance` in 0..1 moves the wait within the
    /// share that jitter leaves to it (exponential back-off with bounded jitter).
    pub(crate) fn wait_us(&self, errors: u32, chance: f64) -> i64 {
        let exponent = errors.saturating_sub(1).min(64) as i32;
        let full = self.initial_ms as f64 * self.multiplier.powi(exponent);
        let bounded = full.min(self.max_ms as f64);
        let wait = bounded * (1.0 - self.jitter * chance);
        (wait * 1_000.0) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_jitter_only_shortens_them() {
        let policy = RetryPolicy::default();
        let waits: Vec<_> = (1..=9).map(|errors| policy.wait_us(errors, 0.0) / 1_000).collect();
        assert_eq!(waits, [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000]);
        assert_eq!(policy.wait_us(1, 0.5), 180_000);
        assert_eq!(policy.wait_us(u32::MAX, 0.0), 30_000_000);
    }

    #[test]
    fn values_out_of_range_are_refused_each_by_its_key() {
        let policy = RetryPolicy {
            max_attempts: 0,
            multiplier: f64::NAN,
            max_ms: 1,
            ..RetryPolicy::default()
        };
        let keys: Vec<_> = policy.validate().unwrap_err().into_iter().map(|f| f.key).collect();
        assert_eq!(keys, ["max_attempts", "multiplier", "max_ms"]);
        assert!(RetryPolicy::default().validate().is_ok());
    }
}
