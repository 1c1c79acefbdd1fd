//! The section `cluster.detector` of the node's configuration.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_runtime::ConfigFault;

use crate::config::outside;

/// When silence becomes suspicious.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DetectorConfig {
    /// Phi from which a node is doubted: at 1, 2, 3 one doubt in 10, 100, 1,000 is wrong. 1 to
    /// 16, default 8.
    pub threshold: f64,
    /// Intervals between heartbeats that are remembered; 8 to 1,000, default 100.
    pub samples: usize,
    /// Time between heartbeats before any has been measured, in milliseconds; 10 to 60,000,
    /// default 250, which is how often links beat.
    pub interval_ms: u64,
    /// Silence that is nothing unusual, whatever was measured, in milliseconds; 0 to 60,000,
    /// default 1,000: a pause for garbage, a busy core.
    pub acceptable_pause_ms: u64,
    /// Least deviation that is assumed, in milliseconds, so that a very regular node isn't doubted
    /// for one late beat; 1 to 10,000, default 100.
    pub min_deviation_ms: u64,
}

impl Default for DetectorConfig {
    fn default() -> Self {
        Self {
            threshold: 8.0,
            samples: 100,
            interval_ms: 250,
            acceptable_pause_ms: 1000,
            min_deviation_ms: 100,
        }
    }
}

impl DetectorConfig {
    /// Every value that is out of its range.
    ///
    /// # Errors
    /// The faults, each with its key.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        let mut faults = Vec::new();
        if !(1.0..=16.0).contains(&self.threshold) {
            let reason = format!("{} is not within 1 to 16", self.threshold);
            faults.push(ConfigFault::new("threshold", reason));
        }
        faults.extend(outside(&[
            ("samples", self.samples as u64, 8, 1000),
            ("interval_ms", self.interval_ms, 10, 60_000),
            ("acceptable_pause_ms", self.acceptable_pause_ms, 0, 60_000),
            ("min_deviation_ms", self.min_deviation_ms, 1, 10_000),
        ]));
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    pub(super) fn interval(&self) -> Duration {
        Duration::from_millis(self.interval_ms)
    }

    pub(super) fn acceptable_pause(&self) -> Duration {
        Duration::from_millis(self.acceptable_pause_ms)
    }

    pub(super) fn min_deviation(&self) -> Duration {
        Duration::from_millis(self.min_deviation_ms)
    }
}
