//! What is stored: records and snapshots, in shapes that are frozen once released.
//!
//! A record is what one batch did to one task, under the kind that says most about it:
//! `task.accepted`, `task.ended` or else `task.changed`; or something that happened to the engine,
//! `tasks.engine`; or what an agent saved in an execution that its caller keeps, `tasks.saved`.
//! Changing a shape means a new version whose `Previous` is the old one, see [`Versioned`];
//! `tests/golden` holds the bytes of every version that was ever written.

mod events;
mod saved;
mod snapshot;
mod snapshot_v2;
mod specs;
#[cfg(test)]
mod tests;
mod v1;
mod v2;
mod v3;

pub(crate) use snapshot::{SNAPSHOT_VERSION, decode_snapshot, encode_snapshot};

use synod_journal::{Codec, CodecError, Partition, Record, RecordCodec, RecordKind, StoredRecord};
use synod_journal::{Stream, Versioned};

use self::saved::SavedStateV1;
use self::v1::{EngineRecordV1, TaskRecordV1};
use self::v2::TaskRecordV2;
use self::v3::TaskRecordV3;
use crate::machine::{EngineEvent, Event, SavedState, TaskRecord};
use crate::task::{TaskId, partition_of};

/// The stream of the task engine.
pub(crate) const STREAM: Stream = Stream::new("tasks");

/// Where records of the engine itself go.
pub(crate) const ENGINE_PARTITION: Partition = Partition::from_low_bits(0);

const ACCEPTED: RecordKind = RecordKind::new("task.accepted");
const CHANGED: RecordKind = RecordKind::new("task.changed");
const ENDED: RecordKind = RecordKind::new("task.ended");
const ENGINE: RecordKind = RecordKind::new("tasks.engine");
const SAVED: RecordKind = RecordKind::new("tasks.saved");

/// The codec of snapshots: up to 4 GiB.
type SnapshotCodec = Codec<{ 4 << 30 }>;

/// What a stored record says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Decoded {
    Task(TaskRecord),
    Engine(EngineEvent),
    Saved(SavedState),
}

/// A record that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    /// Its bytes are not of the shape that its kind and version have.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// It is of a kind that no version of this program wrote.
    #[error("unknown kind of record '{0}'")]
    UnknownKind(String),
    /// It holds a value that this program does not know.
    #[error("unknown {what}: {found}")]
    UnknownValue {
        /// What it is a value of.
        what: &'static str,
        /// The value.
        found: String,
    },
}

/// The record of what a batch did to a task.
pub(crate) fn encode(record: &TaskRecord) -> Result<Record, CodecError> {
    let says = |wanted: fn(&Event) -> bool| record.entries.iter().any(|entry| wanted(&entry.event));
    let kind = if says(|event| matches!(event, Event::Accepted { .. })) {
        ACCEPTED
    } else if says(|event| matches!(event, Event::Ended(_))) {
        ENDED
    } else {
        CHANGED
    };
    let bytes = RecordCodec::encode(&TaskRecordV3::from(record))?;
    Ok(Record::new(kind, TaskRecordV3::VERSION, bytes).in_partition(partition_of(record.task)))
}

/// The record of something that happened to the engine.
pub(crate) fn encode_engine(event: &EngineEvent) -> Result<Record, CodecError> {
    EngineRecordV1::from(*event).to_record()
}

/// The record of what an agent saved in an execution that its caller keeps.
pub(crate) fn encode_saved(saved: &SavedState) -> Result<Record, CodecError> {
    let bytes = RecordCodec::encode(&SavedStateV1::from(saved))?;
    Ok(Record::new(SAVED, SavedStateV1::VERSION, bytes))
}

/// Reads a stored record of any version.
pub(crate) fn decode(stored: &StoredRecord) -> Result<Decoded, RecordError> {
    let StoredRecord { kind, version, bytes, .. } = stored;
    let of_task = [ACCEPTED, CHANGED, ENDED].iter().any(|known| known.as_str() == kind);
    if of_task {
        let record = <TaskRecordV3<'static> as Versioned>::decode(*version, bytes)?;
        return Ok(Decoded::Task(record.try_into()?));
    }
    if kind == ENGINE.as_str() {
        let record = <EngineRecordV1 as Versioned>::decode(*version, bytes)?;
        return Ok(Decoded::Engine(record.into()));
    }
    if kind == SAVED.as_str() {
        let record = <SavedStateV1<'static> as Versioned>::decode(*version, bytes)?;
        return Ok(Decoded::Saved(record.into()));
    }
    Err(RecordError::UnknownKind(kind.clone()))
}

impl Versioned for TaskRecordV1<'static> {
    const KIND: RecordKind = CHANGED;
    const VERSION: u16 = 1;
    type Previous = Self;
}

impl Versioned for TaskRecordV2<'static> {
    const KIND: RecordKind = CHANGED;
    const VERSION: u16 = 2;
    type Previous = TaskRecordV1<'static>;
}

impl Versioned for TaskRecordV3<'static> {
    const KIND: RecordKind = CHANGED;
    const VERSION: u16 = 3;
    type Previous = TaskRecordV2<'static>;
}

impl Versioned for EngineRecordV1 {
    const KIND: RecordKind = ENGINE;
    const VERSION: u16 = 1;
    type Previous = Self;
}

impl Versioned for SavedStateV1<'static> {
    const KIND: RecordKind = SAVED;
    const VERSION: u16 = 1;
    type Previous = Self;
}

/// The id whose bytes these are.
fn id(bytes: [u8; 16]) -> TaskId {
    TaskId::from_bytes(bytes)
}
