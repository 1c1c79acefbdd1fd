//! What an append must satisfy to be taken.

use crate::config::JournalConfig;
use crate::error::AppendError;
use crate::frame;
use crate::heads::Heads;
use crate::messages::{Append, Expected};
use crate::names::Partition;

/// The bytes of an append's frames, within the limits.
pub(super) fn measure(config: &JournalConfig, append: &Append) -> Result<u64, AppendError> {
    let records = append.records.len() as u64;
    if records == 0 {
        return Err(AppendError::Invalid("it has no records"));
    }
    within("number of records", records, config.max_append_records.into())?;
    let mut bytes = 0;
    for record in &append.records {
        let payload = record.bytes.len();
        within("record", payload as u64, config.max_record_bytes)?;
        bytes += frame::length(&append.stream, record.kind.as_str(), payload) as u64;
    }
    within("append", bytes, config.max_group_bytes)?;
    Ok(bytes)
}

/// Refuses an append whose epoch is below that of a partition concerned.
pub(super) fn check_epochs(heads: &Heads, append: &Append) -> Result<(), AppendError> {
    for partition in partitions(append) {
        let current = heads.epoch(partition);
        if append.epoch < current {
            return Err(AppendError::Fenced { partition, current });
        }
    }
    Ok(())
}

/// Refuses an append to a stream that isn't where it was expected, or that is one too many.
pub(super) fn check_version(
    heads: &Heads,
    max_streams: u32,
    append: &Append,
) -> Result<(), AppendError> {
    let version = heads.version(&append.stream);
    if version.is_none() && heads.streams() >= max_streams as usize {
        return Err(AppendError::Invalid("the log has as many streams as it may have"));
    }
    let found = version.unwrap_or(0);
    match append.expected {
        Expected::Exact(expected) if expected != found => {
            Err(AppendError::WrongExpected { stream: append.stream, expected, found })
        }
        Expected::Exact(_) | Expected::Any => Ok(()),
    }
}

/// The partitions of an append's records.
pub(super) fn partitions(append: &Append) -> impl Iterator<Item = Partition> + '_ {
    append.records.iter().map(|record| record.partition.unwrap_or(append.partition))
}

fn within(what: &'static str, found: u64, limit: u64) -> Result<(), AppendError> {
    if found <= limit { Ok(()) } else { Err(AppendError::TooLarge { what, found, limit }) }
}
