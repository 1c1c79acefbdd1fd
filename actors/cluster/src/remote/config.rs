//! The limits of remote addresses.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_runtime::ConfigFault;

use crate::config::within;

/// What remote addresses may use of memory and time. Every field is read at the start alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RemoteConfig {
    /// One-way messages to one node of which it is not known yet that they arrived. 1 to
    /// 1,048,576; default 8,192.
    pub max_unconfirmed: usize,
    /// Milliseconds after which such a message counts as lost. 100 to 600,000; default 15,000.
    pub unconfirmed_ms: u64,
    /// Requests to all nodes that wait for their answers. 1 to 1,048,576; default 16,384.
    pub max_asks: usize,
    /// Offers of this node: names times kinds of messages. 1 to 1,048,576; default 65,536.
    pub max_offers: usize,
    /// Actors of this node that others watch, and of others that this one does, each. 1 to
    /// 1,048,576; default 16,384.
    pub max_watches: usize,
    /// Actors that other nodes have spawned here. 1 to 65,536; default 1,024.
    pub max_spawned: usize,
}

impl Default for RemoteConfig {
    fn default() -> Self {
        Self {
            max_unconfirmed: 8_192,
            unconfirmed_ms: 15_000,
            max_asks: 16_384,
            max_offers: 65_536,
            max_watches: 16_384,
            max_spawned: 1_024,
        }
    }
}

impl RemoteConfig {
    /// Checks every field against its range.
    ///
    /// # Errors
    /// All faults at once, each with its key.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        within(&[
            ("max_unconfirmed", self.max_unconfirmed as u64, 1, 1 << 20),
            ("unconfirmed_ms", self.unconfirmed_ms, 100, 600_000),
            ("max_asks", self.max_asks as u64, 1, 1 << 20),
            ("max_offers", self.max_offers as u64, 1, 1 << 20),
            ("max_watches", self.max_watches as u64, 1, 1 << 20),
            ("max_spawned", self.max_spawned as u64, 1, 65_536),
        ])
    }

    pub(super) fn unconfirmed(&self) -> Duration {
        Duration::from_millis(self.unconfirmed_ms)
    }
}
