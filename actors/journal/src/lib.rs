//! The durable log of a node: append, read, snapshot and truncate by stream, with group commit.
//!
//! ```text
//!  families ─ Append, ReadStream, SaveSnapshot, PutBlob ... ─▶ JournalActor (one for each folder)
//!
//!  folder/
//!    LOCK                              held by the one process that has it
//!    log/00000000000000000001.segment  records, named by the first position; `frame.rs`
//!    log/mark                          up to where the log is known to be synced; `mark.rs`
//!    snapshots/tasks-0000000...42.snapshot   the last two of each stream; `snapshots.rs`
//!    blobs/tasks/ba7816bf8f01cf...     contents by owner and sha256; `blob.rs`
//! ```
//!
//! An append's records are all on the disk when it is answered, or none will ever be read. The
//! message contract is the seam that a replicated log implements as well; callers therefore handle
//! [`AppendError::NotOwner`] and [`AppendError::OutcomeUnknown`] on one node too.
//!
//! Invariants:
//! - Never is an append answered, or a record shown to a reader, before it is synced.
//! - Never is more than one commit group unsynced, so a crash can tear only the last one, none of
//!   which was acknowledged; it is cut off as a whole (`recovery/mod.rs` has the exact rules).
//! - Never is a log opened in which an acknowledged record isn't sound, and never is it changed.
//! - Never is an append accepted again after a failed sync before a restart, as nobody knows what
//!   the disk has. After a full disk it is, once there is room and what was begun is taken back.
//! - Never does a version of a stream or an epoch of a partition go back, through crash, restart
//!   or truncation.
//! - Never is a record dropped that isn't in the two snapshots its stream keeps.
//!
//! Metrics: `synod_journal_appends_total`, `_records_total`, `_bytes_total`, `_syncs_total`,
//! `synod_journal_sync_seconds`, `synod_journal_batch_appends`, `synod_journal_accepting`.

mod actor;
mod blob;
mod bounds;
mod catalog;
mod codec;
mod commit;
mod config;
pub mod disk;
mod error;
mod frame;
mod heads;
mod mark;
mod messages;
mod names;
mod page;
mod recovery;
mod segment;
mod share;
pub mod simulated;
mod snapshots;
mod spare;
mod store;
#[cfg(test)]
mod test_log;
mod window;
mod writer;

pub use actor::{Event, JournalActor, OpenFaults};
pub use blob::BlobId;
pub use bounds::AppendBounds;
pub use codec::{Codec, CodecError, RECORD_LIMIT, RecordCodec, Versioned};
pub use config::JournalConfig;
pub use error::{
    AppendError, BlobError, Damage, OpenError, ReadError, SnapshotError, TruncateError,
};
pub use messages::{
    Append, AppendLimits, Committed, Contents, Expected, GetBlob, Health, JournalHealth,
    JournalMessage, ListBlobs, LoadSnapshot, Page, PutBlob, ReadStream, Record, SaveSnapshot,
    Snapshot, StoredRecord, Survey, SweepBlobs, Swept, Truncate, Truncated,
};
pub use names::{
    Epoch, InvalidName, Partition, Position, RECORD_KIND_LIMIT, RecordKind, STREAM_NAME_LIMIT,
    Stream,
};
pub use share::PartitionShare;
pub use simulated::SimulatedDisk;
