//! Settings of the log-triage team.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
pub use synod_runtime::ConfigFault;

/// Everything that can be set; the defaults suit logs from 2,000 lines to many gigabytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TriageConfig {
    /// Files and folders, absolute, that a team on this node reads for whoever asks the node;
    /// without any there is no team. At most 64.
    pub read: Vec<PathBuf>,
    /// Largest chunk in bytes; a chunk ends at the end of a line. Small inputs are cut into
    /// smaller ones, so that there are about 16. 4,096 to 16,777,216.
    pub chunk_bytes: usize,
    /// Bytes of a line that are looked at; the rest is cut off, and the cut is counted. 256 to
    /// 1,048,576.
    pub max_line_bytes: usize,
    /// Chunks that may be in work at a time; with `chunk_bytes` it bounds memory. 1 to 256.
    pub in_flight: usize,
    /// Files taken from a folder. 1 to 1,000,000.
    pub max_files: usize,
    /// Folders below the given one that are entered. 0 to 64.
    pub max_depth: usize,
    /// Time for one task of the team, in seconds. 1 to 3,600.
    pub task_timeout_s: u64,
    /// Findings that are put to the vote. 1 to 1,000.
    pub max_findings: usize,
    /// The template miner.
    pub miner: MinerConfig,
    /// The detectors.
    pub detectors: DetectorConfig,
}

/// Settings of the miner and of the digest that it makes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MinerConfig {
    /// Drain's tree and similarity.
    pub drain: DrainConfig,
    /// Bytes of a masked message; what is longer is cut. 64 to 65,536.
    pub max_message_bytes: usize,
    /// Different masked messages of one digest; with more they are grouped. At least
    /// `max_templates`, at most 1,000,000.
    pub max_messages: usize,
    /// Templates that are kept then; the rarest beyond it are counted as one. 16 to 100,000.
    pub max_templates: usize,
    /// Sources of failures of one digest; those with the fewest failures go first. 16 to 100,000.
    pub max_sources: usize,
    /// Bytes of a chunk's digest as JSON; beyond it detail is given up. 16,384 to 8,388,608.
    pub max_digest_bytes: usize,
    /// Lines kept as evidence for each template and source. 1 to 20.
    pub samples: usize,
    /// Characters of an evidence line. 40 to 2,000.
    pub sample_chars: usize,
}

/// Settings of Drain; one set serves all logs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DrainConfig {
    /// Layers of the tree, with the root and the length as the first two. 2 to 8.
    pub depth: usize,
    /// Share of places in which a message must be like a cluster to join it. 0.1 to 1.
    pub similarity: f64,
    /// Branches of a node; further tokens share one. 2 to 10,000.
    pub max_children: usize,
    /// Different values that make a place a parameter. With 4 to 6 the grouping accuracy over real
    /// logs is the same; fewer merge states, more keep users apart. 2 to 100.
    pub parameter_values: usize,
}

/// Thresholds of the detectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DetectorConfig {
    /// A template is rare up to this many lines. 1 to 1,000.
    pub rare_count: u64,
    /// Rare templates within this time are one event (a restart), in seconds. 1 to 86,400.
    pub rare_together_s: u64,
    /// Lines in a bucket below which there is no spike. 2 to 1,000,000.
    pub spike_count: u64,
    /// How many times the expected rate a spike must reach. 1.5 to 1,000.
    pub spike_ratio: f64,
    /// Robust z-score (Iglewicz and Hoaglin) that a spike must reach. 2 to 100.
    pub spike_z: f64,
    /// Window of a burst, in seconds. 1 to 86,400.
    pub burst_window_s: u64,
    /// Failures from one source within the window that make a burst. 2 to 1,000,000.
    pub burst_failures: u64,
    /// Findings that one detector may report. 1 to 1,000.
    pub max_findings: usize,
}

impl Default for TriageConfig {
    fn default() -> Self {
        Self {
            read: Vec::new(),
            chunk_bytes: 2 << 20,
            max_line_bytes: 16 << 10,
            in_flight: 8,
            max_files: 10_000,
            max_depth: 8,
            task_timeout_s: 120,
            max_findings: 40,
            miner: MinerConfig::default(),
            detectors: DetectorConfig::default(),
        }
    }
}

impl Default for MinerConfig {
    fn default() -> Self {
        Self {
            drain: DrainConfig::default(),
            max_message_bytes: 1024,
            max_messages: 6000,
            max_templates: 1500,
            max_sources: 500,
            max_digest_bytes: 160 << 10,
            samples: 3,
            sample_chars: 200,
        }
    }
}

impl Default for DrainConfig {
    fn default() -> Self {
        Self { depth: 4, similarity: 0.6, max_children: 100, parameter_values: 5 }
    }
}

impl Default for DetectorConfig {
    fn default() -> Self {
        Self {
            rare_count: 2,
            rare_together_s: 30,
            spike_count: 20,
            spike_ratio: 4.0,
            spike_z: 6.0,
            burst_window_s: 600,
            burst_failures: 10,
            max_findings: 20,
        }
    }
}

impl TriageConfig {
    /// Checks each value against its range.
    ///
    /// # Errors
    /// All values that are out of range, by key.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        let mut check = Check::default();
        check.within("read", self.read.len(), 0, 64);
        if let Some(path) = self.read.iter().find(|path| !path.is_absolute()) {
            let reason = format!("{}: expected an absolute path", path.display());
            check.faults.push(ConfigFault { key: "read".into(), reason });
        }
        check.within("chunk_bytes", self.chunk_bytes, 4096, 16 << 20);
        check.within("max_line_bytes", self.max_line_bytes, 256, 1 << 20);
        check.within("in_flight", self.in_flight, 1, 256);
        check.within("max_files", self.max_files, 1, 1_000_000);
        check.within("max_depth", self.max_depth, 0, 64);
        check.within("task_timeout_s", self.task_timeout_s, 1, 3600);
        check.within("max_findings", self.max_findings, 1, 1000);
        self.miner.check(&mut check);
        self.detectors.check(&mut check);
        if check.faults.is_empty() { Ok(()) } else { Err(check.faults) }
    }
}

impl MinerConfig {
    fn check(&self, check: &mut Check) {
        check.within("miner.max_message_bytes", self.max_message_bytes, 64, 65_536);
        let templates = self.max_templates;
        check.within("miner.max_messages", self.max_messages, templates, 1_000_000);
        check.within("miner.max_templates", self.max_templates, 16, 100_000);
        check.within("miner.max_sources", self.max_sources, 16, 100_000);
        check.within("miner.max_digest_bytes", self.max_digest_bytes, 16 << 10, 8 << 20);
        check.within("miner.samples", self.samples, 1, 20);
        check.within("miner.sample_chars", self.sample_chars, 40, 2000);
        check.within("miner.drain.depth", self.drain.depth, 2, 8);
        check.within("miner.drain.similarity", self.drain.similarity, 0.1, 1.0);
        check.within("miner.drain.max_children", self.drain.max_children, 2, 10_000);
        check.within("miner.drain.parameter_values", self.drain.parameter_values, 2, 100);
    }
}

impl DetectorConfig {
    fn check(&self, check: &mut Check) {
        check.within("detectors.rare_count", self.rare_count, 1, 1000);
        check.within("detectors.rare_together_s", self.rare_together_s, 1, 86_400);
        check.within("detectors.spike_count", self.spike_count, 2, 1_000_000);
        check.within("detectors.spike_ratio", self.spike_ratio, 1.5, 1000.0);
        check.within("detectors.spike_z", self.spike_z, 2.0, 100.0);
        check.within("detectors.burst_window_s", self.burst_window_s, 1, 86_400);
        check.within("detectors.burst_failures", self.burst_failures, 2, 1_000_000);
        check.within("detectors.max_findings", self.max_findings, 1, 1000);
    }
}

#[derive(Default)]
struct Check {
    faults: Vec<ConfigFault>,
}

impl Check {
    fn within<T: PartialOrd + std::fmt::Display>(&mut self, key: &str, value: T, low: T, high: T) {
        // Written so that NaN is refused.
        if !(value >= low && value <= high) {
            let reason = format!("is {value}, expected {low} to {high}");
            self.faults.push(ConfigFault { key: key.into(), reason });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(TriageConfig::default().validate(), Ok(()));
    }

    #[test]
    fn each_value_out_of_range_is_named() {
        let mut config = TriageConfig { in_flight: 0, ..TriageConfig::default() };
        config.miner.drain.similarity = f64::NAN;
        let keys: Vec<String> =
            config.validate().expect_err("two are wrong").into_iter().map(|f| f.key).collect();
        assert_eq!(keys, ["in_flight", "miner.drain.similarity"]);
    }
}
