//! The configuration of the workflow engine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use synod_runtime::ConfigFault;

/// Limits of labels at most.
const MAX_LABEL_LIMITS: usize = 1_000;

/// The configuration of the workflow engine. All of it but `recovery_timeout_s` can change while
/// the node runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkflowsConfig {
    /// Runs that may run at a time; those above wait durably, the most urgent first. Waiting and
    /// paused runs don't count. 1 to 1,000,000, default 10,000.
    pub max_concurrent_runs: u32,
    /// Runs with a label that may run at a time: `"customer=acme"` = 5 bounds those with this value
    /// of the label, `"customer=*"` = 2 those with each other value apart. Those above wait
    /// durably, the most urgent first, and hold up no others. At most 1,000 limits, each of 1 to
    /// 1,000,000; default none.
    pub label_limits: BTreeMap<String, u32>,
    /// Runs that steps of one run may start, those that they start in turn included, however many
    /// have ended; a step that would start another fails for good. 1 to 10,000,000, default
    /// 10,000.
    pub max_descendants: u64,
    /// Runs that may be open, waiting ones included; more are refused (429). At least
    /// `max_concurrent_runs`, at most 10,000,000, default 1,000,000.
    pub max_open_runs: u64,
    /// Values (inputs, results) above this go to blobs of the journal and not into its records, in
    /// bytes; 1 KiB to 1 MiB, default 64 KiB.
    pub inline_bytes: u64,
    /// The most that a definition may let one value of a run have (its `limits.payload_bytes`), in
    /// bytes of JSON; 1 MiB to 64 MiB, default 64 MiB.
    pub max_payload_bytes: u64,
    /// Largest text of a definition, in bytes; 1 KiB to 4 MiB, default 1 MiB.
    pub max_definition_bytes: u64,
    /// Definitions that are kept at most: those with a name, in all their versions, and those that
    /// runs are pinned to. 1 to 1,000,000, default 10,000.
    pub max_definitions: u32,
    /// Bytes that the definitions may take together in memory; more are refused. At least
    /// `max_definition_bytes`, at most 16 GiB, default 256 MiB.
    pub definitions_bytes: u64,
    /// Labels of a run; 0 to 1,024, default 32. A key has at most 63 bytes, a value 255.
    pub max_labels: u16,
    /// A run that waits longer than this gives up its actor until something happens, in
    /// milliseconds; 0 to 3,600,000, default 1,000.
    pub park_after_ms: u64,
    /// The history of a waiting run is kept in memory up to this size, so that it wakes without
    /// reading; a longer one is read from the disk, in bytes. 0 to 1 MiB, default 2 KiB.
    pub parked_bytes: u64,
    /// Ended runs that are kept; 0 to 10,000,000, default 20,000.
    pub keep_ended: u64,
    /// How long ended runs are kept, in seconds; 1 to 315,360,000, default 604,800.
    pub keep_ended_s: u64,
    /// How long idempotency keys are kept at least, in seconds; 86,400 to 31,536,000, default
    /// 86,400. A key is also kept as long as its run.
    pub keep_keys_s: u64,
    /// Idempotency keys that are kept at most; when there are as many, starts with a new key are
    /// refused (429). 1 to 100,000,000, default 1,000,000.
    pub max_keys: u64,
    /// How long results of steps with a `cache_key` are kept, in seconds; 0 to 31,536,000, default
    /// 604,800. 0: none are. At most 10,000 with 32 MiB together are kept; the oldest go first.
    pub keep_results_s: u64,
    /// Callers that may wait for the end of a run at a time; 1 to 10,000,000, default 65,536.
    pub max_waiters: u64,
    /// Listeners for changes; 1 to 10,000, default 64.
    pub max_listeners: u32,
    /// Records after which histories are packed and a snapshot is taken; 1,000 to 100,000,000,
    /// default 500,000.
    pub snapshot_records: u64,
    /// Bytes of records after which histories are packed and a snapshot is taken; until then they
    /// are kept in memory, too. 1 MiB to 16 GiB, default 64 MiB.
    pub snapshot_bytes: u64,
    /// Appends that may be under way at a time; 1 to 64, default 4.
    pub appends_in_flight: u32,
    /// How long the journal may take for one answer, in milliseconds; 100 to 600,000, default
    /// 30,000. After that the engine rebuilds itself from the log.
    pub journal_timeout_ms: u64,
    /// How long recovery from the journal may take, in seconds; 1 to 86,400, default 600.
    pub recovery_timeout_s: u64,
}

impl Default for WorkflowsConfig {
    fn default() -> Self {
        Self {
            max_concurrent_runs: 10_000,
            label_limits: BTreeMap::new(),
            max_descendants: 10_000,
            max_open_runs: 1_000_000,
            inline_bytes: 64 << 10,
            max_payload_bytes: 64 << 20,
            max_definition_bytes: 1 << 20,
            max_definitions: 10_000,
            definitions_bytes: 256 << 20,
            max_labels: 32,
            park_after_ms: 1_000,
            parked_bytes: 2 << 10,
            keep_ended: 20_000,
            keep_ended_s: 604_800,
            keep_keys_s: 86_400,
            max_keys: 1_000_000,
            keep_results_s: 604_800,
            max_waiters: 65_536,
            max_listeners: 64,
            snapshot_records: 500_000,
            snapshot_bytes: 64 << 20,
            appends_in_flight: 4,
            journal_timeout_ms: 30_000,
            recovery_timeout_s: 600,
        }
    }
}

impl WorkflowsConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// One fault for each value that is out of range.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        let ranges = self.ranges().into_iter().filter_map(Range::fault);
        let faults: Vec<_> = ranges.chain(self.label_faults()).collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// What bounds runs with this label: the limit of its value, or that of any value; and what it
    /// counts.
    pub(crate) fn label_limit(&self, key: &str, value: &str) -> Option<(String, u32)> {
        if self.label_limits.is_empty() {
            return None;
        }
        let label = format!("{key}={value}");
        let exact = self.label_limits.get(&label);
        let limit = exact.or_else(|| self.label_limits.get(&format!("{key}=*")))?;
        Some((label, *limit))
    }

    fn label_faults(&self) -> Vec<ConfigFault> {
        if self.label_limits.len() > MAX_LABEL_LIMITS {
            let got = self.label_limits.len();
            let reason = format!("{got} limits: expected at most {MAX_LABEL_LIMITS}");
            return vec![ConfigFault::new("label_limits", reason)];
        }
        let fault = |(label, limit): (&String, &u32)| {
            let of = format!("label_limits.{label:?}");
            let named = label
                .split_once('=')
                .is_some_and(|(key, value)| (1..=63).contains(&key.len()) && value.len() <= 255);
            if !named {
                let expected = "expected a label as key=value, or key=* for each of its values";
                return Some(ConfigFault::new(of, expected));
            }
            let outside = !(1..=1_000_000).contains(limit);
            outside.then(|| ConfigFault::new(of, format!("{limit}: expected 1 to 1000000")))
        };
        self.label_limits.iter().filter_map(fault).collect()
    }

    fn ranges(&self) -> [Range; 23] {
        const MIB: u64 = 1 << 20;
        let range = |key, value, low, high| Range { key, value, low, high };
        let running = self.max_concurrent_runs.into();
        let definition = self.max_definition_bytes;
        [
            range("max_concurrent_runs", running, 1, 1_000_000),
            range("max_descendants", self.max_descendants, 1, 10_000_000),
            range("max_open_runs", self.max_open_runs, running, 10_000_000),
            range("inline_bytes", self.inline_bytes, 1 << 10, MIB),
            range("max_payload_bytes", self.max_payload_bytes, MIB, 64 * MIB),
            range("max_definition_bytes", definition, 1 << 10, 4 * MIB),
            range("max_definitions", self.max_definitions.into(), 1, 1_000_000),
            range("definitions_bytes", self.definitions_bytes, definition, 16 << 30),
            range("max_labels", self.max_labels.into(), 0, 1_024),
            range("park_after_ms", self.park_after_ms, 0, 3_600_000),
            range("parked_bytes", self.parked_bytes, 0, MIB),
            range("keep_ended", self.keep_ended, 0, 10_000_000),
            range("keep_ended_s", self.keep_ended_s, 1, 315_360_000),
            range("keep_keys_s", self.keep_keys_s, 86_400, 31_536_000),
            range("max_keys", self.max_keys, 1, 100_000_000),
            range("keep_results_s", self.keep_results_s, 0, 31_536_000),
            range("max_waiters", self.max_waiters, 1, 10_000_000),
            range("max_listeners", self.max_listeners.into(), 1, 10_000),
            range("snapshot_records", self.snapshot_records, 1_000, 100_000_000),
            range("snapshot_bytes", self.snapshot_bytes, MIB, 16 << 30),
            range("appends_in_flight", self.appends_in_flight.into(), 1, 64),
            range("journal_timeout_ms", self.journal_timeout_ms, 100, 600_000),
            range("recovery_timeout_s", self.recovery_timeout_s, 1, 86_400),
        ]
    }
}

/// A value and the range it must be in.
struct Range {
    key: &'static str,
    value: u64,
    low: u64,
    high: u64,
}

impl Range {
    fn fault(self) -> Option<ConfigFault> {
        let Self { key, value, low, high } = self;
        let outside = !(low..=high).contains(&value);
        outside.then(|| ConfigFault::new(key, format!("{value}: expected {low} to {high}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(WorkflowsConfig::default().validate(), Ok(()));
    }

    #[test]
    fn every_value_out_of_range_is_named() {
        let config = WorkflowsConfig {
            max_concurrent_runs: 0,
            max_open_runs: 0,
            inline_bytes: 1,
            appends_in_flight: 65,
            ..WorkflowsConfig::default()
        };
        let keys: Vec<_> = config.validate().unwrap_err().into_iter().map(|f| f.key).collect();
        assert_eq!(keys, ["max_concurrent_runs", "inline_bytes", "appends_in_flight"]);
    }

    #[test]
    fn a_label_is_bounded_by_the_limit_of_its_value_or_of_any() {
        let limits = [("customer=acme", 5), ("customer=*", 2), ("nothing", 1), ("a=b", 0)];
        let label_limits = limits.map(|(label, limit)| (label.to_owned(), limit)).into();
        let config = WorkflowsConfig { label_limits, ..WorkflowsConfig::default() };
        let limit = |value| config.label_limit("customer", value).unwrap();
        assert_eq!(limit("acme"), ("customer=acme".to_owned(), 5));
        assert_eq!(limit("other"), ("customer=other".to_owned(), 2));
        assert_eq!(config.label_limit("env", "test"), None);
        let keys: Vec<_> = config.validate().unwrap_err().into_iter().map(|f| f.key).collect();
        assert_eq!(keys, ["label_limits.\"a=b\"", "label_limits.\"nothing\""]);
    }

    #[test]
    fn unknown_keys_are_refused() {
        assert!(serde_json::from_str::<WorkflowsConfig>(r#"{"max_runs": 1}"#).is_err());
    }
}
