//! The journal's limits and times.

use serde::{Deserialize, Serialize};
use synod_runtime::ConfigFault;

use crate::frame::PAYLOAD_LIMIT;

/// What the journal may use of disk, memory and time. Every field is read at the start alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JournalConfig {
    /// Bytes of a segment, the file that the log grows by and is dropped by. 64 KiB to 4 GiB; at
    /// least twice `max_group_bytes`. Default 64 MiB.
    pub segment_bytes: u64,
    /// Bytes of the largest record's payload; what is larger belongs into a blob. 1 KiB to
    /// 16 MiB. Default 1 MiB.
    pub max_record_bytes: u64,
    /// Records in one append. 1 to 65,536. Default 4,096.
    pub max_append_records: u32,
    /// Bytes that are written and synced together, and so also of the largest append: at least
    /// `max_record_bytes` and 256 more. Default 4 MiB.
    pub max_group_bytes: u64,
    /// Appends that are synced together. 1 to 65,536. Default 4,096.
    pub max_group_appends: u32,
    /// Bytes that may wait for the disk; above it appends are refused. At least
    /// `max_group_bytes`. Default 64 MiB.
    pub max_pending_bytes: u64,
    /// Appends that may wait for the disk; above it appends are refused. 1 to 1,048,576.
    /// Default 65,536.
    pub max_pending_appends: u32,
    /// Streams that the log may have; the first append to one more is refused. 1 to 4,096.
    /// Default 1,024.
    pub max_streams: u32,
    /// Records of one page, whatever the reader asks for. 1 to 65,536. Default 4,096.
    pub max_page_records: u32,
    /// Bytes of one page, whatever the reader asks for; one record always fits. 1 KiB to 64 MiB.
    /// Default 4 MiB.
    pub max_page_bytes: u64,
    /// Bytes of one snapshot. 1 KiB to 4 GiB. Default 256 MiB.
    pub max_snapshot_bytes: u64,
    /// Bytes of one blob. 1 KiB to 4 GiB. Default 64 MiB.
    pub max_blob_bytes: u64,
    /// Seconds for which a sweep spares a blob after it was last put, since the record that will
    /// name it may still be on its way. 0 to a year. Default 3,600.
    pub blob_grace_s: u64,
    /// Reads, snapshots and blobs that run beside the log at once. 1 to 64. Default 4.
    pub concurrent_jobs: u32,
    /// Reads, snapshots and blobs that may wait to run; above it they are refused. 1 to 65,536.
    /// Default 1,024.
    pub max_waiting_jobs: u32,
    /// Bytes of the disk that are left to others: no segment is begun that would take them.
    /// Default 32 MiB.
    pub reserve_bytes: u64,
    /// Milliseconds between looks at a full disk. 10 to 3,600,000. Default 1,000.
    pub recheck_ms: u64,
    /// Seconds that opening may take, all records being read and checked (about a second for
    /// each GiB). 1 to 86,400. Default 600.
    pub open_timeout_s: u64,
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            max_record_bytes: 1 << 20,
            max_append_records: 4_096,
            max_group_bytes: 4 << 20,
            max_group_appends: 4_096,
            max_pending_bytes: 64 << 20,
            max_pending_appends: 65_536,
            max_streams: 1_024,
            max_page_records: 4_096,
            max_page_bytes: 4 << 20,
            max_snapshot_bytes: 256 << 20,
            max_blob_bytes: 64 << 20,
            blob_grace_s: 3_600,
            concurrent_jobs: 4,
            max_waiting_jobs: 1_024,
            reserve_bytes: 32 << 20,
            recheck_ms: 1_000,
            open_timeout_s: 600,
        }
    }
}

/// Room in a group for the head and the names of its largest record.
const FRAME_ALLOWANCE: u64 = 256;

impl JournalConfig {
    /// Checks every field against its range and its relation to the others.
    ///
    /// # Errors
    /// All faults at once, each with its key.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        let group_floor = self.max_record_bytes.saturating_add(FRAME_ALLOWANCE);
        let ranges = [
            ("segment_bytes", self.segment_bytes, 64 << 10, 4 << 30),
            ("max_record_bytes", self.max_record_bytes, 1 << 10, PAYLOAD_LIMIT as u64),
            ("max_append_records", self.max_append_records.into(), 1, 65_536),
            ("max_group_bytes", self.max_group_bytes, group_floor, self.segment_bytes / 2),
            ("max_group_appends", self.max_group_appends.into(), 1, 65_536),
            ("max_pending_bytes", self.max_pending_bytes, self.max_group_bytes, 1 << 40),
            ("max_pending_appends", self.max_pending_appends.into(), 1, 1 << 20),
            ("max_streams", self.max_streams.into(), 1, 4_096),
            ("max_page_records", self.max_page_records.into(), 1, 65_536),
            ("max_page_bytes", self.max_page_bytes, 1 << 10, 64 << 20),
            ("max_snapshot_bytes", self.max_snapshot_bytes, 1 << 10, 4 << 30),
            ("max_blob_bytes", self.max_blob_bytes, 1 << 10, 4 << 30),
            ("blob_grace_s", self.blob_grace_s, 0, 366 * 86_400),
            ("concurrent_jobs", self.concurrent_jobs.into(), 1, 64),
            ("max_waiting_jobs", self.max_waiting_jobs.into(), 1, 65_536),
            ("reserve_bytes", self.reserve_bytes, 0, 1 << 50),
            ("recheck_ms", self.recheck_ms, 10, 3_600_000),
            ("open_timeout_s", self.open_timeout_s, 1, 86_400),
        ];
        let faults: Vec<_> = ranges.into_iter().filter_map(outside).collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

/// The fault of a value outside its range, ends included.
fn outside((key, value, least, most): (&str, u64, u64, u64)) -> Option<ConfigFault> {
    if (least..=most).contains(&value) {
        return None;
    }
    let reason = format!("{value} is not between {least} and {most}");
    Some(ConfigFault { key: key.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(JournalConfig::default().validate(), Ok(()));
    }

    #[test]
    fn each_fault_names_its_key() {
        let config = JournalConfig { max_group_bytes: 1, recheck_ms: 0, ..Default::default() };
        let keys: Vec<_> = config.validate().err().unwrap_or_default();
        let keys: Vec<_> = keys.iter().map(|fault| fault.key.as_str()).collect();
        assert_eq!(keys, ["max_group_bytes", "recheck_ms"]);
    }
}
