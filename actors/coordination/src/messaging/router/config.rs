//! The limits of the router of messages.

use serde::{Deserialize, Serialize};
use synod_runtime::ConfigFault;

use crate::messaging::history::HistoryLimits;

/// How much the router takes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RouterConfig {
    /// Most agents that one envelope goes to; 1 to 200,000, default 10,000. One for more is
    /// refused: publish to a topic.
    pub max_recipients: usize,
    /// Agents that are asked side by side for one envelope; 1 to 4,096, default 256.
    pub max_side_by_side: usize,
    /// Envelopes that may be under way; 1 to 65,536, default 1,024. More are refused.
    pub max_under_way: usize,
    /// Conversations whose envelopes are remembered; 1 to 1,000,000, default 10,000.
    pub history_conversations: usize,
    /// Envelopes that are remembered of one; 1 to 10,000, default 256.
    pub history_envelopes: usize,
    /// Bytes of all that is remembered; 65,536 to 1,073,741,824, default 67,108,864.
    pub history_bytes: usize,
    /// Undelivered envelopes that are remembered; 1 to 100,000, default 1,000.
    pub max_undelivered: usize,
}

impl Default for RouterConfig {
    fn default() -> Self {
        Self {
            max_recipients: 10_000,
            max_side_by_side: 256,
            max_under_way: 1_024,
            history_conversations: 10_000,
            history_envelopes: 256,
            history_bytes: 64 << 20,
            max_undelivered: 1_000,
        }
    }
}

impl RouterConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// All that is wrong, with keys relative to this section.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        let ranges = [
            ("max_recipients", self.max_recipients, 1, 200_000),
            ("max_side_by_side", self.max_side_by_side, 1, 4_096),
            ("max_under_way", self.max_under_way, 1, 65_536),
            ("history_conversations", self.history_conversations, 1, 1_000_000),
            ("history_envelopes", self.history_envelopes, 1, 10_000),
            ("history_bytes", self.history_bytes, 64 << 10, 1 << 30),
            ("max_undelivered", self.max_undelivered, 1, 100_000),
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

    pub(super) fn history(&self) -> HistoryLimits {
        HistoryLimits {
            conversations: self.history_conversations,
            envelopes: self.history_envelopes,
            bytes: self.history_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_every_fault_is_named() {
        assert_eq!(RouterConfig::default().validate(), Ok(()));
        let config = RouterConfig { max_recipients: 0, history_bytes: 1, ..Default::default() };
        let keys: Vec<_> = config.validate().unwrap_err().into_iter().map(|f| f.key).collect();
        assert_eq!(keys, ["max_recipients", "history_bytes"]);
    }
}
