//! Limits and times of consensus.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_runtime::ConfigFault;

use crate::config::within;

/// What consensus may use of time, memory and disk. Every field is read at the start alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsensusConfig {
    /// Milliseconds between a leader's heartbeats. 10 to 10,000; at most a third of
    /// `election_min_ms`. Default 150.
    pub heartbeat_ms: u64,
    /// Milliseconds of silence after which an election may begin. 30 to 60,000. Default 600.
    pub election_min_ms: u64,
    /// Milliseconds of silence after which one begins for sure, and those for which a leader's
    /// lease lasts. Above `election_min_ms`, up to 120,000. Default 1,200.
    pub election_max_ms: u64,
    /// Bytes of entries in one call to a follower; one entry is sent whatever its size. 64 KiB to
    /// 8 MiB. Default 4 MiB.
    pub max_payload_bytes: u64,
    /// Calls with entries that may be on their way to one follower. 1 to 64. Default 8.
    pub max_calls: u32,
    /// Bytes of entries after which a group's state is saved and its log cut; at least as many as
    /// that state takes. 64 KiB to 1 GiB. Default 16 MiB.
    pub snapshot_bytes: u64,
    /// Entries after which it is, whatever their size. 100 to 1,000,000. Default 20,000.
    pub snapshot_entries: u64,
    /// Entries that stay in the log beyond a saved state, for followers that are a little behind.
    /// 0 to 100,000. Default 1,000.
    pub kept_entries: u64,
    /// Bytes of a piece of state on its way to a follower, and of a blob in an entry. 4 KiB to
    /// 1 MiB. Default 256 KiB.
    pub chunk_bytes: u64,
    /// Milliseconds that one such piece may take. 100 to 60,000. Default 5,000.
    pub chunk_timeout_ms: u64,
    /// Milliseconds after which an append that no majority has stored is answered with
    /// `OutcomeUnknown`. 100 to 60,000. Default 5,000.
    pub append_timeout_ms: u64,
    /// Bytes of appends that may wait for a majority, in each group; above it they are refused.
    /// At least `max_payload_bytes`. Default 64 MiB.
    pub max_pending_bytes: u64,
    /// Appends that may wait for a majority, in each group. 1 to 32,768. Default 16,384.
    pub max_pending_appends: u32,
    /// Bytes of records that a group keeps beyond the second newest snapshots of its streams;
    /// above it appends are refused until a snapshot is saved. 1 MiB to 4 GiB. Default 256 MiB.
    pub max_tail_bytes: u64,
    /// Streams in a group. 1 to 4,096. Default 64.
    pub max_streams: u32,
    /// Seconds for which a sweep spares a blob after it was last put, since the record that will
    /// name it may still be on its way. 0 to a year. Default 3,600.
    pub blob_grace_s: u64,
    /// Whether a node that hears nobody asks around before it begins a new term. Always, but for
    /// simulations that show what it is good for: no configuration names it.
    #[serde(skip, default = "always")]
    #[doc(hidden)]
    pub pre_vote: bool,
}

fn always() -> bool {
    true
}

impl Default for ConsensusConfig {
    fn default() -> Self {
        Self {
            heartbeat_ms: 150,
            election_min_ms: 600,
            election_max_ms: 1_200,
            max_payload_bytes: 4 << 20,
            max_calls: 8,
            snapshot_bytes: 16 << 20,
            snapshot_entries: 20_000,
            kept_entries: 1_000,
            chunk_bytes: 256 << 10,
            chunk_timeout_ms: 5_000,
            append_timeout_ms: 5_000,
            max_pending_bytes: 64 << 20,
            max_pending_appends: 16_384,
            max_tail_bytes: 256 << 20,
            max_streams: 64,
            blob_grace_s: 3_600,
            pre_vote: true,
        }
    }
}

impl ConsensusConfig {
    /// Checks every field against its range and its relation to the others.
    ///
    /// # Errors
    /// All faults at once, each with its key.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        within(&[
            ("heartbeat_ms", self.heartbeat_ms, 10, 10_000.min(self.election_min_ms / 3)),
            ("election_min_ms", self.election_min_ms, 30, 60_000),
            ("election_max_ms", self.election_max_ms, self.election_min_ms + 1, 120_000),
            ("max_payload_bytes", self.max_payload_bytes, 64 << 10, 8 << 20),
            ("max_calls", self.max_calls.into(), 1, 64),
            ("snapshot_bytes", self.snapshot_bytes, 64 << 10, 1 << 30),
            ("snapshot_entries", self.snapshot_entries, 100, 1_000_000),
            ("kept_entries", self.kept_entries, 0, 100_000),
            ("chunk_bytes", self.chunk_bytes, 4 << 10, 1 << 20),
            ("chunk_timeout_ms", self.chunk_timeout_ms, 100, 60_000),
            ("append_timeout_ms", self.append_timeout_ms, 100, 60_000),
            ("max_pending_bytes", self.max_pending_bytes, self.max_payload_bytes, 1 << 40),
            ("max_pending_appends", self.max_pending_appends.into(), 1, 32_768),
            ("max_tail_bytes", self.max_tail_bytes, 1 << 20, 4 << 30),
            ("max_streams", self.max_streams.into(), 1, 4_096),
            ("blob_grace_s", self.blob_grace_s, 0, 366 * 86_400),
        ])
    }

    /// How long a leader is believed in after a majority was last heard of.
    #[must_use]
    pub fn lease(&self) -> Duration {
        Duration::from_millis(self.election_max_ms)
    }

    /// Bytes of the largest state of a group: its records, and their heads.
    pub(crate) fn max_image_bytes(&self) -> u64 {
        self.max_tail_bytes.saturating_mul(4)
    }

    pub(crate) fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.heartbeat_ms)
    }

    pub(crate) fn append_timeout(&self) -> Duration {
        Duration::from_millis(self.append_timeout_ms)
    }

    pub(crate) fn chunk_timeout(&self) -> Duration {
        Duration::from_millis(self.chunk_timeout_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(ConsensusConfig::default().validate(), Ok(()));
    }

    #[test]
    fn each_fault_names_its_key() {
        let config =
            ConsensusConfig { heartbeat_ms: 300, max_calls: 0, ..ConsensusConfig::default() };
        let faults = config.validate().err().unwrap_or_default();
        let keys: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
        assert_eq!(keys, ["heartbeat_ms", "max_calls"]);
    }
}
