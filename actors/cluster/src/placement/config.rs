//! The section `cluster.placing` of the node's configuration.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_runtime::ConfigFault;

use crate::config::within;

/// How agents that the cluster places move from node to node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlacingConfig {
    /// Milliseconds after which a node that does not reach the control group stops what it hosts.
    /// Another takes it over after this time and the longest that an agent may take to stop. Each
    /// node renews its leases four times within it. 500 to 600,000. Default 4,000.
    pub lease_ms: u64,
    /// Milliseconds that work in hand gets to end before an agent moves to another node; what has
    /// not ended then is stopped, and done there. 0 to 3,600,000. Default 10,000.
    pub drain_ms: u64,
}

impl Default for PlacingConfig {
    fn default() -> Self {
        Self { lease_ms: 4_000, drain_ms: 10_000 }
    }
}

impl PlacingConfig {
    /// Checks every field against its range.
    ///
    /// # Errors
    /// All faults at once, each with its key.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        within(&[
            ("lease_ms", self.lease_ms, 500, 600_000),
            ("drain_ms", self.drain_ms, 0, 3_600_000),
        ])
    }

    /// How long a node may host without having renewed its leases.
    #[must_use]
    pub fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }

    /// How long work in hand may take before what does it moves.
    #[must_use]
    pub fn drain(&self) -> Duration {
        Duration::from_millis(self.drain_ms)
    }
}
