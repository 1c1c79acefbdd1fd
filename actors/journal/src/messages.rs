//! What the journal can be asked: the seam that a replicated log implements as well.

use std::collections::HashSet;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use synod_runtime::{Ask, Request, requests};

use crate::actor::Event;
use crate::blob::BlobId;
use crate::error::{AppendError, BlobError, ReadError, SnapshotError, TruncateError};
use crate::frame;
use crate::names::{
    Epoch, Partition, Position, RECORD_KIND_LIMIT, RecordKind, STREAM_NAME_LIMIT, Stream,
};

/// All that a journal understands.
#[derive(Debug)]
pub enum JournalMessage {
    /// Store records.
    Append(Request<Append>),
    /// Read a stream.
    ReadStream(Request<ReadStream>),
    /// Keep a stream's state.
    SaveSnapshot(Request<SaveSnapshot>),
    /// Get a stream's state.
    LoadSnapshot(Request<LoadSnapshot>),
    /// Drop segments.
    Truncate(Request<Truncate>),
    /// Store a blob.
    PutBlob(Request<PutBlob>),
    /// Read a blob.
    GetBlob(Request<GetBlob>),
    /// Remove blobs that their owner no longer names.
    SweepBlobs(Request<SweepBlobs>),
    /// Tell which blobs an owner has.
    ListBlobs(Request<ListBlobs>),
    /// Tell what the journal holds.
    Survey(Request<Survey>),
    /// Tell how the journal is.
    Health(Request<Health>),
    /// What the journal tells itself: work beside it has ended, or it is time to look again.
    Event(Event),
}

requests!(JournalMessage {
    Append(Append),
    ReadStream(ReadStream),
    SaveSnapshot(SaveSnapshot),
    LoadSnapshot(LoadSnapshot),
    Truncate(Truncate),
    PutBlob(PutBlob),
    GetBlob(GetBlob),
    SweepBlobs(SweepBlobs),
    ListBlobs(ListBlobs),
    Survey(Survey),
    Health(Health),
});

/// Something that happened, as its family encoded it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it tells.
    pub kind: RecordKind,
    /// The version of its shape.
    pub version: u16,
    /// The partition it belongs to, when not the append's.
    pub partition: Option<Partition>,
    /// Its contents.
    pub bytes: Bytes,
}

impl Record {
    /// Bytes that a record takes in the log beside its contents, at most.
    pub const OVERHEAD: u64 = (frame::HEAD_BYTES + STREAM_NAME_LIMIT + RECORD_KIND_LIMIT) as u64;

    /// Bytes that it takes in the log, at most.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.bytes.len() + Self::OVERHEAD as usize
    }

    /// A record in the append's own partition.
    #[must_use]
    pub fn new(kind: RecordKind, version: u16, bytes: impl Into<Bytes>) -> Self {
        Self { kind, version, partition: None, bytes: bytes.into() }
    }

    /// The same record in a partition of its own.
    #[must_use]
    pub fn in_partition(self, partition: Partition) -> Self {
        Self { partition: Some(partition), ..self }
    }
}

/// A record as the log holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// Its place in the log.
    pub position: Position,
    /// The partition it belongs to.
    pub partition: Partition,
    /// The stream it belongs to.
    pub stream: Stream,
    /// The owner's epoch when it was accepted.
    pub epoch: Epoch,
    /// What it tells.
    pub kind: String,
    /// The version of its shape.
    pub version: u16,
    /// When it was accepted, UTC microseconds.
    pub recorded_at_us: i64,
    /// Its contents.
    pub bytes: Bytes,
}

/// What an append expects of its stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    /// Nothing.
    #[default]
    Any,
    /// That so many records were ever appended to it, those under way included.
    Exact(u64),
}

/// Stores records, all or none. The answer comes when they are on the disk.
#[derive(Clone, Debug)]
pub struct Append {
    /// The partition of the records that name none.
    pub partition: Partition,
    /// The stream they go to.
    pub stream: Stream,
    /// What the stream is expected to be at.
    pub expected: Expected,
    /// The owner's epoch; it must not be below that of any partition concerned, and raises them.
    pub epoch: Epoch,
    /// The records, in order.
    pub records: Vec<Record>,
}

impl Ask for Append {
    type Reply = Result<Committed, AppendError>;
}

/// Where an append stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The position of its first record.
    pub first: Position,
    /// The position of its last record.
    pub last: Position,
    /// How many records the stream has had with it.
    pub stream_version: u64,
}

/// Reads a stream in the order of its records. Shows what is on the disk, never what is under way.
#[derive(Clone, Copy, Debug)]
pub struct ReadStream {
    /// Which stream.
    pub stream: Stream,
    /// The position to go on after; [`Position::START`] for all.
    pub after: Position,
    /// The most records of the page.
    pub max_records: u32,
    /// The most bytes of the page's contents; one record is given whatever its size.
    pub max_bytes: u64,
}

impl Ask for ReadStream {
    type Reply = Result<Page, ReadError>;
}

/// Some records of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The records, in order.
    pub records: Vec<StoredRecord>,
    /// What to go on after; `None` when the stream had no more.
    pub next: Option<Position>,
}

/// Keeps a stream's state, so that the records up to it may be dropped. The last two are kept.
#[derive(Clone, Debug)]
pub struct SaveSnapshot {
    /// Which stream.
    pub stream: Stream,
    /// The last position that the state contains; it must be committed.
    pub at: Position,
    /// The version of the state's shape.
    pub version: u16,
    /// The state.
    pub bytes: Bytes,
}

impl Ask for SaveSnapshot {
    type Reply = Result<(), SnapshotError>;
}

/// Gets a stream's newest sound snapshot; `None` means that the log holds the whole stream.
#[derive(Clone, Copy, Debug)]
pub struct LoadSnapshot {
    /// Which stream.
    pub stream: Stream,
}

impl Ask for LoadSnapshot {
    type Reply = Result<Option<Snapshot>, SnapshotError>;
}

/// A stream's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The last position that it contains.
    pub at: Position,
    /// The version of its shape.
    pub version: u16,
    /// The state.
    pub bytes: Bytes,
}

/// Drops whole segments before a position. A segment stays while a stream has a record in it that
/// its second newest snapshot doesn't contain, so that a damaged newest one can be replaced.
#[derive(Clone, Copy, Debug)]
pub struct Truncate {
    /// Segments whose last record is before this may go.
    pub before: Position,
}

impl Ask for Truncate {
    type Reply = Result<Truncated, TruncateError>;
}

/// What a truncation left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncated {
    /// How many segments were dropped.
    pub segments: u32,
    /// The first position that is still there.
    pub first: Position,
}

/// Stores bytes under their hash. What the owner already has isn't written again.
#[derive(Clone, Debug)]
pub struct PutBlob {
    /// The stream whose records name it. Each owner keeps, and sweeps, its own.
    pub owner: Stream,
    /// The bytes.
    pub bytes: Bytes,
    /// The hash that they must have, when the sender knows it.
    pub expected: Option<BlobId>,
}

impl Ask for PutBlob {
    type Reply = Result<BlobId, BlobError>;
}

/// Reads a blob and checks it against its hash; `None` when its owner has none.
#[derive(Clone, Copy, Debug)]
pub struct GetBlob {
    /// Whose it is.
    pub owner: Stream,
    /// Its hash.
    pub id: BlobId,
}

impl Ask for GetBlob {
    type Reply = Result<Option<Bytes>, BlobError>;
}

/// Removes the owner's blobs that it no longer names, except those put within the grace time.
#[derive(Clone, Debug)]
pub struct SweepBlobs {
    /// Whose they are; no other owner's are touched.
    pub owner: Stream,
    /// All that it still names.
    pub live: HashSet<BlobId>,
}

impl Ask for SweepBlobs {
    type Reply = Result<Swept, BlobError>;
}

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many blobs.
    pub blobs: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// Asks which blobs an owner has, in no particular order.
#[derive(Clone, Copy, Debug)]
pub struct ListBlobs {
    /// Whose.
    pub owner: Stream,
}

impl Ask for ListBlobs {
    type Reply = Result<Vec<BlobId>, BlobError>;
}

/// Asks what the journal holds: which streams there are and where the partitions stand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Survey {}

impl Ask for Survey {
    type Reply = Contents;
}

/// What a journal holds, as it is on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Each stream with how many records it ever had, by name.
    pub streams: Vec<(Stream, u64)>,
    /// The epoch of each partition, by number.
    pub epochs: Vec<Epoch>,
    /// The position of the last record.
    pub last: Position,
}

/// Asks how the journal is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Health {}

impl Ask for Health {
    type Reply = JournalHealth;
}

/// How the journal is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalHealth {
    /// Whether appends are taken.
    pub accepting: bool,
    /// Why not.
    pub reason: Option<String>,
    /// The first position that the log still has, or will have.
    pub first: Position,
    /// The last position on the disk.
    pub last: Position,
    /// Segments on the disk.
    pub segments: u64,
    /// Bytes in them that are used.
    pub bytes: u64,
    /// Streams that were ever appended to.
    pub streams: u64,
    /// Appends that wait for the disk.
    pub pending: u64,
    /// Appends committed since the start.
    pub appends: u64,
    /// Records committed since the start.
    pub records: u64,
    /// Syncs since the start, one for each group of appends.
    pub syncs: u64,
    /// Bytes of an unfinished group that the start cut off.
    pub cut_bytes: u64,
    /// What one append may hold.
    pub limits: AppendLimits,
}

/// What one append may hold. Whoever gathers records for an append gathers within this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendLimits {
    /// Its records.
    pub records: u32,
    /// Bytes of each record's contents.
    pub record_bytes: u64,
    /// Bytes of all its records: their contents, and for each at most [`Record::OVERHEAD`] more.
    pub bytes: u64,
}
