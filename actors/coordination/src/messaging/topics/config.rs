//! The limits of topics.

use serde::{Deserialize, Serialize};
use synod_runtime::ConfigFault;

/// How much topics hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TopicsConfig {
    /// Plain subscriptions; 1 to 1,000,000, default 200,000.
    pub max_subscriptions: usize,
    /// Durable subscriptions; 1 to 100,000, default 10,000.
    pub max_durable: usize,
    /// Bytes of one message's content; 1 to 524,288, default 262,144.
    pub max_content_bytes: usize,
    /// Bytes of all that durable subscriptions have to read; 65,536 to 268,435,456, default
    /// 33,554,432.
    pub max_backlog_bytes: usize,
    /// Topics whose last value is kept; 1 to 1,000,000, default 10,000.
    pub max_retained: usize,
    /// Bytes of all last values; 65,536 to 268,435,456, default 16,777,216.
    pub max_retained_bytes: usize,
    /// Dead letters that are kept; 1 to 10,000, default 1,000.
    pub max_dead_letters: usize,
    /// Journal records after which the state is saved as a whole; 1 to 1,000,000, default 2,000.
    pub snapshot_records: u64,
}

impl Default for TopicsConfig {
    fn default() -> Self {
        Self {
            max_subscriptions: 200_000,
            max_durable: 10_000,
            max_content_bytes: 256 << 10,
            max_backlog_bytes: 32 << 20,
            max_retained: 10_000,
            max_retained_bytes: 16 << 20,
            max_dead_letters: 1_000,
            snapshot_records: 2_000,
        }
    }
}

impl TopicsConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// All that is wrong, with keys relative to this section.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        let ranges = [
            ("max_subscriptions", self.max_subscriptions as u64, 1, 1_000_000),
            ("max_durable", self.max_durable as u64, 1, 100_000),
            ("max_content_bytes", self.max_content_bytes as u64, 1, 512 << 10),
            ("max_backlog_bytes", self.max_backlog_bytes as u64, 64 << 10, 256 << 20),
            ("max_retained", self.max_retained as u64, 1, 1_000_000),
            ("max_retained_bytes", self.max_retained_bytes as u64, 64 << 10, 256 << 20),
            ("max_dead_letters", self.max_dead_letters as u64, 1, 10_000),
            ("snapshot_records", self.snapshot_records, 1, 1_000_000),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_every_fault_is_named() {
        assert_eq!(TopicsConfig::default().validate(), Ok(()));
        let config = TopicsConfig { max_durable: 0, ..TopicsConfig::default() };
        assert_eq!(config.validate().unwrap_err()[0].key, "max_durable");
    }
}
