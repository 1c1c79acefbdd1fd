//! What is stored: records and snapshots, in shapes that are frozen once released.
//!
//! A record is what one decision did to one run, `run.events`, something that happened to the
//! engine, `workflows.engine`, or a result that is kept for other runs, `workflows.results`.
//! Changing a shape means a new version whose `Previous` is the old one, see [`Versioned`];
//! `tests/golden` holds the bytes of every version that was ever written.

mod codes;
mod decode;
mod encode;
mod engine;
mod events;
mod results;
mod snapshot;
#[cfg(test)]
mod tests;
mod v1;
mod v2;

pub(crate) use decode::Blobs;
pub(crate) use engine::{encode_engine, text_blob};
pub(crate) use snapshot::{SNAPSHOT_VERSION, decode_snapshot, encode_snapshot};

use bytes::Bytes;
use synod_journal::{
    BlobId, CodecError, Partition, Record, RecordCodec, RecordKind, StoredRecord, Stream, Versioned,
};
use synod_tasks::partition_of;
use uuid::Uuid;

use self::decode::Decoder;
use self::encode::Encoder;
use self::events::RunRecordV2;
use self::results::ResultV1;
use self::v1::{EngineRecordV1, RunRecordV1};
use crate::history::{EngineEvent, Piece, RunRecord};

/// The stream of the workflow engine.
pub(crate) const STREAM: Stream = Stream::new("workflows");

/// Where records of the engine itself go.
pub(crate) const ENGINE_PARTITION: Partition = Partition::from_low_bits(0);

const EVENTS: RecordKind = RecordKind::new("run.events");
const ENGINE: RecordKind = RecordKind::new("workflows.engine");
const RESULTS: RecordKind = RecordKind::new("workflows.results");

/// What a stored record says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Decoded {
    Run(RunRecord),
    Engine(EngineEvent),
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

fn unknown(what: &'static str, found: impl ToString) -> RecordError {
    RecordError::UnknownValue { what, found: found.to_string() }
}

/// A record as it is to be stored, and the blobs that are to be stored before it.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub piece: Piece,
    pub blobs: Vec<(BlobId, Bytes)>,
}

/// Encodes what a decision did to a run. Values above `inline` bytes go to blobs.
pub(crate) fn encode(record: &RunRecord, inline: usize) -> Result<Encoded, CodecError> {
    if !record.events.iter().all(events::is_first) {
        return encode_second(record, inline);
    }
    let mut encoder = Encoder::new(inline);
    let stored = RunRecordV1 {
        run: record.run.into_bytes(),
        at: record.at,
        note: record.note.map(Into::into),
        standing: record.standing.into(),
        opened: record.opened.iter().map(Into::into).collect(),
        closed: record.closed.iter().map(Into::into).collect(),
        events: record.events.iter().map(|event| encoder.event(event)).collect(),
    };
    let bytes = RecordCodec::encode(&stored)?;
    Ok(Encoded { piece: Piece { version: RunRecordV1::VERSION, bytes }, blobs: encoder.blobs })
}

/// The same in version 2.
fn encode_second(record: &RunRecord, inline: usize) -> Result<Encoded, CodecError> {
    let mut encoder = Encoder::new(inline);
    let stored = RunRecordV2 {
        run: record.run.into_bytes(),
        at: record.at,
        note: record.note.map(Into::into),
        standing: record.standing.into(),
        opened: record.opened.iter().map(Into::into).collect(),
        closed: record.closed.iter().map(Into::into).collect(),
        events: record.events.iter().map(|event| encoder.second(event)).collect(),
    };
    let bytes = RecordCodec::encode(&stored)?;
    Ok(Encoded { piece: Piece { version: RunRecordV2::VERSION, bytes }, blobs: encoder.blobs })
}

/// The record that holds this piece of a run.
pub(crate) fn run_record(run: Uuid, piece: &Piece) -> Record {
    let record = Record::new(EVENTS, piece.version, piece.bytes.clone());
    record.in_partition(partition_of(run))
}

/// Reads what a decision did to a run. A value in a blob that is not among `blobs` is `null`; all
/// that are named are in [`RunRecord::blobs`].
pub(crate) fn decode_run(piece: &Piece, blobs: &Blobs) -> Result<RunRecord, RecordError> {
    let stored = <RunRecordV2 as Versioned>::decode(piece.version, &piece.bytes)?;
    let run = Uuid::from_bytes(stored.run);
    let mut decoder = Decoder::new(run, blobs);
    let events = stored.events.into_iter().map(|event| decoder.second(event));
    let events = events.collect::<Result<_, RecordError>>()?;
    Ok(RunRecord {
        run,
        at: stored.at,
        note: stored.note.map(TryInto::try_into).transpose()?,
        standing: stored.standing.try_into()?,
        opened: stored.opened.into_iter().map(Into::into).collect(),
        closed: stored.closed.into_iter().map(Into::into).collect(),
        events,
        blobs: decoder.named,
    })
}

/// Reads a stored record of any version, without the values that are in blobs.
pub(crate) fn decode(stored: &StoredRecord) -> Result<Decoded, RecordError> {
    let StoredRecord { kind, version, bytes, .. } = stored;
    if kind == EVENTS.as_str() {
        let piece = Piece { version: *version, bytes: bytes.clone() };
        return Ok(Decoded::Run(decode_run(&piece, &Blobs::default())?));
    }
    if kind == ENGINE.as_str() {
        let record = <EngineRecordV1 as Versioned>::decode(*version, bytes)?;
        return Ok(Decoded::Engine(record.try_into()?));
    }
    if kind == RESULTS.as_str() {
        let result = <ResultV1 as Versioned>::decode(*version, bytes)?.try_into()?;
        return Ok(Decoded::Engine(EngineEvent::Kept(Box::new(result))));
    }
    Err(RecordError::UnknownKind(kind.clone()))
}

impl Versioned for RunRecordV1 {
    const KIND: RecordKind = EVENTS;
    const VERSION: u16 = 1;
    type Previous = Self;
}

impl Versioned for RunRecordV2 {
    const KIND: RecordKind = EVENTS;
    const VERSION: u16 = 2;
    type Previous = RunRecordV1;
}

impl Versioned for EngineRecordV1 {
    const KIND: RecordKind = ENGINE;
    const VERSION: u16 = 1;
    type Previous = Self;
}
