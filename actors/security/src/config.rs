//! The section `[security]`: whose tokens are taken, and how failures are limited.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_runtime::ConfigFault;

use crate::attempts::AttemptLimits;

/// Settings of tokens and refusals. All need a restart of the node to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecurityConfig {
    /// Whom tokens are meant for: a token of another audience is refused. All nodes of a cluster
    /// have the same. 1 to 64 visible ASCII characters; default `synod`.
    pub audience: String,
    /// Seconds for which a token is valid that says nothing. 60 to `max_token_s`; default 43,200.
    pub token_s: u64,
    /// Most seconds for which a token may be valid. 60 to 31,536,000; default 2,592,000.
    pub max_token_s: u64,
    /// Most tokens that are valid at a time. 1 to 100,000; default 10,000.
    pub max_tokens: usize,
    /// Seconds by which clocks may differ when the times in a token are checked. 0 to 600; default
    /// 30.
    pub clock_skew_s: u64,
    /// Refusals of one source address in a window before it is answered 429 and no longer written
    /// down. 1 to 1,000,000; default 20.
    pub max_failures: u32,
    /// The window in seconds. 1 to 86,400; default 60.
    pub failure_window_s: u64,
    /// Source addresses whose refusals are counted apart. 16 to 1,000,000; default 10,000.
    pub max_sources: usize,
}

impl Default for SecurityConfig {
    fn default() -> Self {
        Self {
            audience: "synod".to_owned(),
            token_s: 12 * 3_600,
            max_token_s: 30 * 86_400,
            max_tokens: 10_000,
            clock_skew_s: 30,
            max_failures: 20,
            failure_window_s: 60,
            max_sources: 10_000,
        }
    }
}

impl SecurityConfig {
    /// Checks every key.
    ///
    /// # Errors
    /// All faults at once.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        let mut faults = Vec::new();
        let visible = self.audience.bytes().all(|byte| byte.is_ascii_graphic());
        if !visible || !(1..=64).contains(&self.audience.len()) {
            let reason =
                format!("expected 1 to 64 visible ASCII characters, got {:?}", self.audience);
            faults.push(ConfigFault::new("audience", reason));
        }
        for (key, value, least, most) in self.ranges() {
            if !(least..=most).contains(&value) {
                let reason = format!("expected {least} to {most}, got {value}");
                faults.push(ConfigFault::new(key, reason));
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn ranges(&self) -> [(&'static str, u64, u64, u64); 7] {
        [
            ("token_s", self.token_s, 60, self.max_token_s.max(60)),
            ("max_token_s", self.max_token_s, 60, 31_536_000),
            ("max_tokens", self.max_tokens as u64, 1, 100_000),
            ("clock_skew_s", self.clock_skew_s, 0, 600),
            ("max_failures", self.max_failures.into(), 1, 1_000_000),
            ("failure_window_s", self.failure_window_s, 1, 86_400),
            ("max_sources", self.max_sources as u64, 16, 1_000_000),
        ]
    }

    /// The limits of refusals.
    #[must_use]
    pub fn attempts(&self) -> AttemptLimits {
        AttemptLimits {
            failures: self.max_failures,
            window: Duration::from_secs(self.failure_window_s),
            sources: self.max_sources,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_every_fault_is_named() {
        assert_eq!(SecurityConfig::default().validate(), Ok(()));
        let wrong = SecurityConfig {
            audience: "two words".into(),
            token_s: 59,
            max_failures: 0,
            ..SecurityConfig::default()
        };
        let faults = wrong.validate().unwrap_err();
        let keys: Vec<&str> = faults.iter().map(|fault| fault.key.as_str()).collect();
        assert_eq!(keys, ["audience", "token_s", "max_failures"]);
    }

    #[test]
    fn a_token_is_by_default_no_longer_valid_than_any_may_be() {
        let wrong = SecurityConfig { max_token_s: 600, ..SecurityConfig::default() };
        assert_eq!(wrong.validate().unwrap_err()[0].key, "token_s");
    }
}
