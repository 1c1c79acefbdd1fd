//! Configuration of shared state.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_runtime::ConfigFault;

use super::document::DocumentLimits;

/// How shared state spreads and how large it may become. All replicas need the same limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SharedConfig {
    /// How often a replica looks for differences with some others, in milliseconds; 10 to 60,000,
    /// default 1,000.
    pub round_ms: u64,
    /// How many others it looks at, and how many it tells of a change at once; 1 to 16, default 3.
    pub fanout: usize,
    /// Bytes of entries in one message, and in one write; 1,024 to 4,194,304, default 262,144.
    pub delta_bytes: usize,
    /// Most documents; 1 to 4,096, default 256.
    pub max_documents: usize,
    /// Most entries of one document; 16 to 262,144, default 65,536.
    pub max_entries: usize,
    /// Longest value in bytes; 1 to 1,048,576, default 65,536, and at most `delta_bytes`.
    pub max_value_bytes: usize,
    /// Most bytes of one document; 1,024 to 33,554,432, default 4,194,304.
    pub max_document_bytes: usize,
    /// Most bytes of all documents; 1,024 to 33,554,432, default 33,554,432.
    pub max_total_bytes: usize,
    /// How far another replica's clock may be ahead before it is no longer followed, in
    /// milliseconds; 1 to 86,400,000, default 10,000.
    pub max_drift_ms: u64,
    /// How often what has changed is kept whole, in seconds; 1 to 86,400, default 60. What others
    /// wrote after that comes from them after a restart.
    pub snapshot_s: u64,
}

impl Default for SharedConfig {
    fn default() -> Self {
        Self {
            round_ms: 1000,
            fanout: 3,
            delta_bytes: 256 << 10,
            max_documents: 256,
            max_entries: 65_536,
            max_value_bytes: 64 << 10,
            max_document_bytes: 4 << 20,
            max_total_bytes: 32 << 20,
            max_drift_ms: 10_000,
            snapshot_s: 60,
        }
    }
}

impl SharedConfig {
    /// Every value that is out of its range.
    ///
    /// # Errors
    /// The faults, each with its key.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        let mut faults = Vec::new();
        let mut within = |key: &str, value: u64, least: u64, most: u64| {
            if !(least..=most).contains(&value) {
                let reason = format!("{value} is not within {least} to {most}");
                faults.push(ConfigFault::new(key, reason));
            }
        };
        within("round_ms", self.round_ms, 10, 60_000);
        within("fanout", self.fanout as u64, 1, 16);
        within("delta_bytes", self.delta_bytes as u64, 1024, 4 << 20);
        within("max_documents", self.max_documents as u64, 1, 4096);
        within("max_entries", self.max_entries as u64, 16, 262_144);
        let most = (self.delta_bytes as u64).min(1 << 20);
        within("max_value_bytes", self.max_value_bytes as u64, 1, most);
        within("max_document_bytes", self.max_document_bytes as u64, 1024, 32 << 20);
        within("max_total_bytes", self.max_total_bytes as u64, 1024, 32 << 20);
        within("max_drift_ms", self.max_drift_ms, 1, 86_400_000);
        within("snapshot_s", self.snapshot_s, 1, 86_400);
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    pub(super) fn limits(&self) -> DocumentLimits {
        DocumentLimits {
            entries: self.max_entries,
            value_bytes: self.max_value_bytes,
            bytes: self.max_document_bytes,
            ..DocumentLimits::default()
        }
    }

    pub(super) fn round(&self) -> Duration {
        Duration::from_millis(self.round_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_are_told_each_by_its_key() {
        assert_eq!(SharedConfig::default().validate(), Ok(()));
        let wrong = SharedConfig { round_ms: 1, fanout: 0, ..SharedConfig::default() };
        let keys: Vec<_> = wrong.validate().unwrap_err().into_iter().map(|f| f.key).collect();
        assert_eq!(keys, ["round_ms", "fanout"]);
    }
}
