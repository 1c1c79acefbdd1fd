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

#[cfg(test)]
mod tests {
    use synod_journal::{Epoch, Partition, Position};

    use super::*;
    use crate::sync::clock::HybridClock;
    use crate::sync::{DocumentLimits, Edit, Scalar};

    /// What version 1 writes.
    const BEGUN: &str = "07";
    const WRITTEN: &str = "05626f61726408757365723a616e6e";
    const SNAPSHOT: &str = "070105626f617264";
    /// And behind either: the delta.
    const DELTA: &str = "0107010105040702016201010107030163020300070401640302016d\
                         0705016100fc01000100000179";

    fn document() -> (SharedDocument, Delta) {
        let (mut document, mut clock) = (SharedDocument::default(), HybridClock::new(0));
        let edits = [
            Edit::Set { key: "a".into(), value: Scalar::text("x") },
            Edit::Put { key: "b".into(), value: Scalar::Int(-1) },
            Edit::Count { key: "c".into(), by: 3 },
            Edit::Include { key: "d".into(), member: Scalar::Bytes(Bytes::from_static(b"m")) },
            Edit::Set { key: "a".into(), value: Scalar::text("y") },
        ];
        let limits = DocumentLimits::default();
        let delta = document.edit(ReplicaId(7), &edits, &mut clock, 1, &limits).unwrap();
        (document, delta)
    }

    fn written() -> WrittenV1 {
        WrittenV1 { document: "board".into(), by: "user:ann".into(), delta: document().1 }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn stored(kind: &str, bytes: Bytes) -> StoredRecord {
        StoredRecord {
            position: Position(1),
            partition: Partition::from_low_bits(0),
            stream: STREAM,
            epoch: Epoch(0),
            kind: kind.into(),
            version: 1,
            recorded_at_us: 0,
            bytes,
        }
    }

    #[test]
    fn what_is_written_is_what_version_1_wrote() {
        assert_eq!(hex(&begun(ReplicaId(7)).unwrap().bytes), BEGUN);
        assert_eq!(hex(&written().to_record().unwrap().bytes), format!("{WRITTEN}{DELTA}"));
        let name = "board".to_owned();
        let kept = snapshot(ReplicaId(7), [(&name, &document().0)].into_iter()).unwrap();
        assert_eq!(hex(&kept), format!("{SNAPSHOT}{DELTA}"));
        let read = read_snapshot(1, &kept).unwrap();
        assert_eq!(read.documents, [(name, document().0.whole())]);
    }

    #[test]
    fn records_come_back_and_damaged_ones_are_errors() {
        let bytes = written().to_record().unwrap().bytes;
        let back = read(&stored("shared.written", bytes.clone())).unwrap();
        assert_eq!(back, Event::Written(written()));
        for cut in 0..bytes.len() {
            assert!(read(&stored("shared.written", bytes.slice(..cut))).is_err());
        }
        assert!(matches!(read(&stored("shared.other", bytes)), Err(RecordError::Kind(_))));
        assert!(read_snapshot(2, &[]).is_err());
    }
}
