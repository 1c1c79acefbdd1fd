//! What shared state writes to the journal. Released shapes are frozen.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use synod_journal::{Codec, CodecError, Record, RecordKind, StoredRecord, Stream, Versioned};

use super::document::{Delta, SharedDocument};
use super::dots::ReplicaId;

/// The stream of a node's own writes.
pub(super) const STREAM: Stream = Stream::new("coordination.shared");
/// The version of the snapshot that is written.
pub(super) const SNAPSHOT_VERSION: u16 = 1;
/// Most bytes of a snapshot: all documents at four times their limit, as concurrent writes allow.
const SNAPSHOT_LIMIT: usize = 160 << 20;

/// A replica began on this disk, under this name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct BegunV1 {
    replica: ReplicaId,
}

impl Versioned for BegunV1 {
    const KIND: RecordKind = RecordKind::new("shared.begun");
    const VERSION: u16 = 1;
    type Previous = Self;
}

/// This replica wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct WrittenV1 {
    pub(super) document: String,
    /// On whose behalf, as a principal prints itself.
    pub(super) by: String,
    pub(super) delta: Delta,
}

impl Versioned for WrittenV1 {
    const KIND: RecordKind = RecordKind::new("shared.written");
    const VERSION: u16 = 1;
    type Previous = Self;
}

/// All documents, with what others wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct SnapshotV1 {
    pub(super) replica: ReplicaId,
    pub(super) documents: Vec<(String, Delta)>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Event {
    Begun(ReplicaId),
    Written(WrittenV1),
}

/// A record or snapshot that can't be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecordError {
    #[error(transparent)]
    Codec(#[from] CodecError),
    #[error("a write in the stream of shared state: {0}")]
    Delta(#[from] super::document::DeltaFault),
    #[error("unknown record '{0}' in the stream of shared state")]
    Kind(String),
}

pub(super) fn begun(replica: ReplicaId) -> Result<Record, CodecError> {
    BegunV1 { replica }.to_record()
}

pub(super) fn read(record: &StoredRecord) -> Result<Event, RecordError> {
    let (version, bytes) = (record.version, &record.bytes);
    if record.kind == BegunV1::KIND.as_str() {
        return Ok(Event::Begun(BegunV1::decode(version, bytes)?.replica));
    }
    if record.kind == WrittenV1::KIND.as_str() {
        return Ok(Event::Written(WrittenV1::decode(version, bytes)?));
    }
    Err(RecordError::Kind(record.kind.clone()))
}

pub(super) fn snapshot<'a>(
    replica: ReplicaId,
    documents: impl Iterator<Item = (&'a String, &'a SharedDocument)>,
) -> Result<Bytes, CodecError> {
    let documents = documents.map(|(name, document)| (name.clone(), document.whole())).collect();
    Codec::<SNAPSHOT_LIMIT>::encode(&SnapshotV1 { replica, documents })
}

pub(super) fn read_snapshot(version: u16, bytes: &[u8]) -> Result<SnapshotV1, RecordError> {
    if version != SNAPSHOT_VERSION {
        return Err(RecordError::Kind(format!("snapshot version {version}")));
    }
    Ok(Codec::<SNAPSHOT_LIMIT>::decode(bytes)?)
}
