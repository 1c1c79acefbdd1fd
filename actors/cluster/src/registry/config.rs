//! The section `cluster.registry` of the node's configuration.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_runtime::ConfigFault;

use crate::config::within;

/// How what each node tells of itself spreads, and how much of it there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegistryConfig {
    /// How often differences are looked for, in milliseconds; 10 to 60,000, default 200.
    pub round_ms: u64,
    /// Nodes that are asked in a round, and told of a change; 1 to 16, default 3.
    pub fanout: usize,
    /// How long changes are gathered before they are told, in milliseconds; 1 to 1,000,
    /// default 10. Bounds the messages per second whatever changes.
    pub gather_ms: u64,
    /// Bytes of entries in one message; 1,024 to 4,194,304, default 262,144.
    pub delta_bytes: usize,
    /// Most entries of one node, removed ones counted until they are forgotten; 16 to 4,194,304,
    /// default 262,144.
    pub max_entries: usize,
    /// Most bytes of keys and values of one node; 4,096 to 4,294,967,296, default 67,108,864.
    pub max_bytes: usize,
    /// Longest value in bytes; 1 to 1,048,576, default 65,536, and at most `delta_bytes`.
    pub max_value_bytes: usize,
    /// How long a removed entry, and a node that is down, are remembered, in seconds; 1 to
    /// 2,592,000, default 3,600. A node that was away for longer takes everything anew.
    pub grace_s: u64,
    /// How far another node's clock may be ahead before it is no longer followed, in
    /// milliseconds; 1 to 86,400,000, default 10,000.
    pub max_drift_ms: u64,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            round_ms: 200,
            fanout: 3,
            gather_ms: 10,
            delta_bytes: 256 << 10,
            max_entries: 256 << 10,
            max_bytes: 64 << 20,
            max_value_bytes: 64 << 10,
            grace_s: 3600,
            max_drift_ms: 10_000,
        }
    }
}

impl RegistryConfig {
    /// Every value that is out of its range.
    ///
    /// # Errors
    /// The faults, each with its key.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        let most = (self.delta_bytes as u64).min(1 << 20);
        within(&[
            ("round_ms", self.round_ms, 10, 60_000),
            ("fanout", self.fanout as u64, 1, 16),
            ("gather_ms", self.gather_ms, 1, 1000),
            ("delta_bytes", self.delta_bytes as u64, 1024, 4 << 20),
            ("max_entries", self.max_entries as u64, 16, 4 << 20),
            ("max_bytes", self.max_bytes as u64, 4096, 4 << 30),
            ("max_value_bytes", self.max_value_bytes as u64, 1, most),
            ("grace_s", self.grace_s, 1, 2_592_000),
            ("max_drift_ms", self.max_drift_ms, 1, 86_400_000),
        ])
    }

    pub(super) fn round(&self) -> Duration {
        Duration::from_millis(self.round_ms)
    }

    pub(super) fn gather(&self) -> Duration {
        Duration::from_millis(self.gather_ms)
    }

    pub(super) fn grace(&self) -> Duration {
        Duration::from_secs(self.grace_s)
    }
}
