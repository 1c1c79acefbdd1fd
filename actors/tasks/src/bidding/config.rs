//! How agents are asked.

use serde::{Deserialize, Serialize};
use synod_runtime::ConfigFault;

/// How agents are asked who does a part, in the allocations that do.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BiddingConfig {
    /// Agents that are asked for a proposal, at most; 1 to 100, default 10. On who does it no more
    /// than five vote.
    pub max_asked: u16,
    /// How long their answers are waited for, in milliseconds; 1 to 60,000, default 200.
    pub timeout_ms: u64,
    /// How long what was decided holds for a part that comes back (its agent died, refused or
    /// failed), in milliseconds: the next best gets it then. 0 to 3,600,000, default 10,000.
    pub fresh_ms: u64,
    /// Rounds that may be open at a time; what comes then is decided at once by what was
    /// measured. 1 to 100,000, default 1,024.
    pub max_rounds: u32,
    /// The share of what an agent says of itself in the score of a proposal, the rest being what
    /// was measured of it; 0 to 1, default 0.2.
    pub bid_weight: f64,
}

impl Default for BiddingConfig {
    fn default() -> Self {
        Self {
            max_asked: 10,
            timeout_ms: 200,
            fresh_ms: 10_000,
            max_rounds: 1_024,
            bid_weight: 0.2,
        }
    }
}

impl BiddingConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// One fault for each value that is out of range.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        let checks = [
            ((1..=100).contains(&self.max_asked), "max_asked", "1 to 100"),
            ((1..=60_000).contains(&self.timeout_ms), "timeout_ms", "1 to 60000"),
            (self.fresh_ms <= 3_600_000, "fresh_ms", "0 to 3600000"),
            ((1..=100_000).contains(&self.max_rounds), "max_rounds", "1 to 100000"),
            ((0.0..=1.0).contains(&self.bid_weight), "bid_weight", "0 to 1"),
        ];
        let faults: Vec<_> = checks
            .into_iter()
            .filter(|(good, ..)| !good)
            .map(|(_, key, expected)| ConfigFault::new(key, format!("expected {expected}")))
            .collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}
