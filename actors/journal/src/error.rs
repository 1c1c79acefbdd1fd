//! What the journal could not do, and what state was left.

use std::io;

use crate::names::{Epoch, Partition, Position, Stream};

/// Why an append isn't known to be durable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The partition has a newer owner. Nothing was stored, and nothing will be at this epoch.
    #[error("partition {partition} is at epoch {current}")]
    Fenced {
        /// Whose epoch was too low.
        partition: Partition,
        /// The epoch it is at.
        current: Epoch,
    },
    /// This log doesn't hold the partition. Nothing was stored.
    #[error("this log does not own the partition")]
    NotOwner,
    /// The disk or the quorum failed while the append was under way: it may be there after the
    /// next start, and may not. Rebuild from the log.
    #[error("it is unknown whether the append was stored")]
    OutcomeUnknown,
    /// The stream isn't at the version that was expected. Nothing was stored.
    #[error("stream {stream} is at version {found}, not {expected}")]
    WrongExpected {
        /// Which stream.
        stream: Stream,
        /// The version that the append expected.
        expected: u64,
        /// The version that it has, appends under way included.
        found: u64,
    },
    /// No room on the disk. Nothing was stored; appends are taken again once there is room.
    #[error("disk full: {0}")]
    DiskFull(String),
    /// A write or a sync failed earlier. Nothing was stored, nor will be before a restart.
    #[error("the log takes no more before a restart: {0}")]
    Failed(String),
    /// A record or the append as a whole is over a limit. Nothing was stored.
    #[error("{what} of {found} is over the limit of {limit}")]
    TooLarge {
        /// What was too large.
        what: &'static str,
        /// How large it was.
        found: u64,
        /// What is allowed.
        limit: u64,
    },
    /// More is waiting for the disk than the limits allow. Nothing was stored; try again.
    #[error("too much is waiting for the disk")]
    Overloaded,
    /// An append without records, or to one stream more than allowed. Nothing was stored.
    #[error("invalid append: {0}")]
    Invalid(&'static str),
}

/// Why a page couldn't be read. Reading changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// A record that was sound at the start isn't any more.
    #[error("damaged record in {file} at offset {offset}")]
    Damaged {
        /// The segment's file.
        file: String,
        /// Where the frame begins.
        offset: u64,
    },
    /// The segment was dropped by a truncation while it was read; read again.
    #[error("the records were truncated away while they were read")]
    Truncated,
    /// The disk failed.
    #[error("cannot read the log: {0}")]
    Io(String),
    /// Too many reads are waiting; try again.
    #[error("too many reads are waiting")]
    Overloaded,
}

/// Why a snapshot couldn't be saved or loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// It is over the limit. Nothing was changed.
    #[error("a snapshot of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// What is allowed.
        limit: u64,
    },
    /// It claims a position that the log hasn't committed. Nothing was changed.
    #[error("a snapshot at {at} is ahead of the log, which ends at {last}")]
    AheadOfLog {
        /// What it claims.
        at: Position,
        /// The last committed position.
        last: Position,
    },
    /// It is older than one that is already there. Nothing was changed.
    #[error("a snapshot at {at} is older than the one at {newest}")]
    Outdated {
        /// What was to be saved.
        at: Position,
        /// What is there.
        newest: Position,
    },
    /// No snapshot of the stream is sound, and records that would replace them were truncated.
    #[error("no snapshot of {stream} is sound: {reason}")]
    Damaged {
        /// Which stream.
        stream: Stream,
        /// What was wrong with the newest.
        reason: String,
    },
    /// No room on the disk. The snapshots that were there still are.
    #[error("disk full: {0}")]
    DiskFull(String),
    /// The disk failed. The snapshots that were there still are.
    #[error("cannot reach the snapshot: {0}")]
    Io(String),
    /// Too many jobs are waiting; try again.
    #[error("too many jobs are waiting")]
    Overloaded,
}

/// Why a blob couldn't be stored or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// It is over the limit. Nothing was stored.
    #[error("a blob of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// What is allowed.
        limit: u64,
    },
    /// The bytes to be stored aren't those that were announced. Nothing was stored.
    #[error("the content has hash {found}, not {expected}")]
    WrongHash {
        /// What was announced.
        expected: String,
        /// What the bytes have.
        found: String,
    },
    /// The stored bytes aren't those that were put. The file stays for inspection.
    #[error("blob {id} is damaged in {file}")]
    Damaged {
        /// Which blob.
        id: String,
        /// Its file.
        file: String,
    },
    /// No room on the disk. Nothing was stored.
    #[error("disk full: {0}")]
    DiskFull(String),
    /// The disk failed. After a put it is unknown whether the blob is durable.
    #[error("cannot reach the blob: {0}")]
    Io(String),
    /// Too many jobs are waiting; try again.
    #[error("too many jobs are waiting")]
    Overloaded,
}

/// Why segments couldn't be dropped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TruncateError {
    /// The disk failed. Some of the segments may be gone, the oldest first.
    #[error("cannot remove segments: {0}")]
    Io(String),
    /// Too many jobs are waiting; try again.
    #[error("too many jobs are waiting")]
    Overloaded,
}

/// Why the journal couldn't be opened. The folder was left as it is.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another journal of this one, has the folder.
    #[error(
        "{folder} is in use by process {}; stop it, or give this node a folder of its own",
        pid.map_or("unknown".to_owned(), |pid| pid.to_string())
    )]
    InUse {
        /// Which folder.
        folder: String,
        /// The holder's process id, when it could be read.
        pid: Option<u32>,
    },
    /// Records that were acknowledged are no longer sound.
    #[error("{0}")]
    Damaged(Box<Damage>),
    /// The log was written by a newer program.
    #[error("{file} has format {found}; this program knows up to {supported}")]
    NewerFormat {
        /// Which file.
        file: String,
        /// Its format.
        found: u32,
        /// The newest that this program knows.
        supported: u32,
    },
    /// The disk failed.
    #[error("cannot {action} {file}: {cause}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file.
        file: String,
        /// What came of it.
        cause: io::Error,
    },
}

impl OpenError {
    /// Whether opening fails again until somebody mends what is wrong. What may pass by itself,
    /// such as a full disk, is worth a retry, and so is a lock that this very process still has.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::InUse { pid, .. } => *pid != Some(std::process::id()),
            Self::Damaged(_) | Self::NewerFormat { .. } => true,
            Self::Io { cause, .. } => matches!(
                cause.kind(),
                io::ErrorKind::PermissionDenied
                    | io::ErrorKind::NotFound
                    | io::ErrorKind::NotADirectory
                    | io::ErrorKind::IsADirectory
                    | io::ErrorKind::AlreadyExists
                    | io::ErrorKind::ReadOnlyFilesystem
            ),
        }
    }

    /// Whether the system refused because the disk or the quota is used up.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let full = |kind| matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        matches!(self, Self::Io { cause, .. } if full(cause.kind()))
    }
}

/// Where an acknowledged record stopped being sound, and what can be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "damaged log: {file} at offset {offset}, where record {position} should stand: {reason}. \
     Nothing was changed. Restore the folder from a backup or a replica. To give up record \
     {position} and all after it instead: keep a copy, {}, and remove the segments after it and \
     the file `mark` beside it",
    self.cut()
)]
pub struct Damage {
    /// The segment's file.
    pub file: String,
    /// Where the record should begin; 0 when the segment's header isn't sound.
    pub offset: u64,
    /// Which record should stand there.
    pub position: Position,
    /// How it is known that this isn't merely the unfinished end of the log.
    pub reason: String,
}

impl Damage {
    /// How to give up the rest of the file.
    fn cut(&self) -> String {
        match self {
            Self { file, offset: 0, .. } => format!("remove {file}"),
            Self { file, offset, .. } => {
                format!("cut the file there (truncate -s {offset} {file})")
            }
        }
    }
}
