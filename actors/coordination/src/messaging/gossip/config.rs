//! The limits of rumours.

use serde::{Deserialize, Serialize};
use synod_runtime::ConfigFault;

/// How rumours spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GossipConfig {
    /// Members that one talks to in a round; 1 to 16, default 2.
    pub fan_out: usize,
    /// Rounds for which a rumour is told; 1 to 1,000, default 30: enough for 1,000,000 members.
    pub told_rounds: u32,
    /// Rounds after which a rumour is forgotten; at least `told_rounds`, at most 10,000, default
    /// 60. Until then who has missed it gets it.
    pub kept_rounds: u32,
    /// Rumours that are known at a time; 1 to 100,000, default 1,000. The oldest go first.
    pub max_rumours: usize,
    /// Bytes of the rumours in one message; 1,024 to 4,194,304, default 65,536. One that is larger
    /// is refused.
    pub max_message_bytes: usize,
}

impl Default for GossipConfig {
    fn default() -> Self {
        Self {
            fan_out: 2,
            told_rounds: 30,
            kept_rounds: 60,
            max_rumours: 1_000,
            max_message_bytes: 64 << 10,
        }
    }
}

impl GossipConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// All that is wrong, with keys relative to this section.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        let told = u64::from(self.told_rounds);
        let ranges = [
            ("fan_out", self.fan_out as u64, 1, 16),
            ("told_rounds", told, 1, 1_000),
            ("kept_rounds", self.kept_rounds.into(), told, 10_000),
            ("max_rumours", self.max_rumours as u64, 1, 100_000),
            ("max_message_bytes", self.max_message_bytes as u64, 1 << 10, 4 << 20),
        ];
        let faults: Vec<_> = ranges
            .into_iter()
            .filter(|(_, value, low, high)| !(low..=high).contains(&value))
            .map(|(key, value, low, high)| {
                ConfigFault::new(key, format!("{value} is not in {low} to {high}"))
            })
            .collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}
