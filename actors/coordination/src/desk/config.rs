//! What a desk may use of memory, disk and time.

use serde::{Deserialize, Serialize};
use synod_runtime::ConfigFault;

/// The configuration of the desks: of each the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeskConfig {
    /// Conversations of a kind that may be open; more are refused (429). 1 to 1,000,000, default
    /// 10,000.
    pub max_open: u64,
    /// Largest setup of a conversation as it is stored, in bytes; 1 KiB to 8 MiB, default 3 MiB:
    /// enough for 100,000 participants with names of 20 bytes. It has to fit into one append of
    /// the journal, whatever stands here.
    pub max_setup_bytes: u64,
    /// Largest input, and largest answer of an agent, as they are stored, in bytes; 1 KiB to
    /// 8 MiB, default 1.5 MiB. It has to fit into one append of the journal, whatever stands here.
    pub max_input_bytes: u64,
    /// Notes that a conversation keeps; the oldest go first. 16 to 1,000,000, default 1,000.
    pub max_notes: u64,
    /// Bytes of notes that a conversation keeps; the oldest go first, and the last stays whatever
    /// its size. 4 KiB to 64 MiB, default 1 MiB.
    pub max_notes_bytes: u64,
    /// Ended conversations of a kind that are kept; the oldest are forgotten first. 0 to
    /// 1,000,000, default 1,000.
    pub keep_ended: u64,
    /// How long an ended conversation is kept, in seconds; 1 to 315,360,000 (ten years), default
    /// 604,800 (a week). Its key holds as long.
    pub keep_ended_s: u64,
    /// Who may wait for notes at once; more are refused. 1 to 1,000,000, default 10,000.
    pub max_followers: u64,
    /// The longest wait for a note, in seconds; who asks for more waits so long. 1 to 600, default
    /// 60.
    pub max_follow_s: u64,
    /// Who may listen to all notes; more are not heard. 1 to 10,000, default 64.
    pub max_listeners: u64,
    /// Inputs that may wait for the journal; more are refused. 16 to 1,000,000, default 16,384.
    pub max_unstored: u64,
    /// Bytes of inputs that may wait for the journal; more are refused. 1 MiB to 16 GiB, default
    /// 64 MiB.
    pub max_unstored_bytes: u64,
    /// Envelopes that may be on their way to agents at once; more wait their turn. 1 to 50,000,
    /// default 10,000.
    pub max_deliveries: u64,
    /// How long an agent has to take an envelope that it need not answer, in seconds; 1 to 3,600,
    /// default 30.
    pub delivery_timeout_s: u64,
    /// How often it is tried to hand over such an envelope before it is given up with a note; 1 to
    /// 100, default 3.
    pub delivery_attempts: u32,
    /// Records after which a snapshot is taken; 16 to 100,000,000, default 100,000.
    pub snapshot_records: u64,
    /// Bytes of records after which a snapshot is taken; 64 KiB to 100 GiB, default 64 MiB.
    pub snapshot_bytes: u64,
    /// How long the journal may take for one answer, in milliseconds; 100 to 600,000, default
    /// 30,000. After that the desk rebuilds itself from the log.
    pub journal_timeout_ms: u64,
    /// How long recovery from the journal may take, in seconds; 1 to 86,400, default 600.
    pub recovery_timeout_s: u64,
}

impl Default for DeskConfig {
    fn default() -> Self {
        Self {
            max_open: 10_000,
            max_setup_bytes: 3 << 20,
            max_input_bytes: 3 << 19,
            max_notes: 1_000,
            max_notes_bytes: 1 << 20,
            keep_ended: 1_000,
            keep_ended_s: 604_800,
            max_followers: 10_000,
            max_follow_s: 60,
            max_listeners: 64,
            max_unstored: 16_384,
            max_unstored_bytes: 64 << 20,
            max_deliveries: 10_000,
            delivery_timeout_s: 30,
            delivery_attempts: 3,
            snapshot_records: 100_000,
            snapshot_bytes: 64 << 20,
            journal_timeout_ms: 30_000,
            recovery_timeout_s: 600,
        }
    }
}

impl DeskConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// One fault for each value that is out of range.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        let faults: Vec<_> = self.ranges().into_iter().filter_map(fault).collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// Each key with its value, the least and the most.
    fn ranges(&self) -> [(&'static str, u64, u64, u64); 19] {
        const MIB: u64 = 1 << 20;
        [
            ("max_open", self.max_open, 1, 1_000_000),
            ("max_setup_bytes", self.max_setup_bytes, 1 << 10, 8 * MIB),
            ("max_input_bytes", self.max_input_bytes, 1 << 10, 8 * MIB),
            ("max_notes", self.max_notes, 16, 1_000_000),
            ("max_notes_bytes", self.max_notes_bytes, 4 << 10, 64 * MIB),
            ("keep_ended", self.keep_ended, 0, 1_000_000),
            ("keep_ended_s", self.keep_ended_s, 1, 315_360_000),
            ("max_followers", self.max_followers, 1, 1_000_000),
            ("max_follow_s", self.max_follow_s, 1, 600),
            ("max_listeners", self.max_listeners, 1, 10_000),
            ("max_unstored", self.max_unstored, 16, 1_000_000),
            ("max_unstored_bytes", self.max_unstored_bytes, MIB, 16 << 30),
            ("max_deliveries", self.max_deliveries, 1, 50_000),
            ("delivery_timeout_s", self.delivery_timeout_s, 1, 3_600),
            ("delivery_attempts", self.delivery_attempts.into(), 1, 100),
            ("snapshot_records", self.snapshot_records, 16, 100_000_000),
            ("snapshot_bytes", self.snapshot_bytes, 64 << 10, 100 << 30),
            ("journal_timeout_ms", self.journal_timeout_ms, 100, 600_000),
            ("recovery_timeout_s", self.recovery_timeout_s, 1, 86_400),
        ]
    }
}

fn fault((key, value, low, high): (&'static str, u64, u64, u64)) -> Option<ConfigFault> {
    let outside = !(low..=high).contains(&value);
    outside.then(|| ConfigFault::new(key, format!("{value}: expected {low} to {high}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(DeskConfig::default().validate(), Ok(()));
    }

    #[test]
    fn every_value_out_of_range_is_named() {
        let config = DeskConfig { max_open: 0, delivery_attempts: 0, ..DeskConfig::default() };
        let keys: Vec<_> = config.validate().unwrap_err().into_iter().map(|f| f.key).collect();
        assert_eq!(keys, ["max_open", "delivery_attempts"]);
    }
}
