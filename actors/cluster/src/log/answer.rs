//! What a work group's machine says to a command, as it can be passed on.

use serde::{Deserialize, Serialize};
use synod_journal::{
    AppendError, BlobId, Committed, Epoch, Partition, Position, SnapshotError, Stream, Swept,
};

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StreamsAnswer {
    /// Nothing that anybody asked for.
    Done,
    /// The place of the records.
    Appended { first: Position, last: Position, version: u64 },
    /// No records were stored.
    NotAppended(AppendRefusal),
    /// The snapshot is kept.
    Saved,
    /// It is not.
    NotSaved(SnapshotRefusal),
    /// The blob is stored.
    Put(BlobId),
    /// So much was removed.
    Removed { blobs: u64, bytes: u64 },
    /// A limit of the group is reached.
    Full(String),
}

/// Why records were not stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AppendRefusal {
    /// The partition has a newer owner.
    Fenced { partition: Partition, current: Epoch },
    /// The stream is elsewhere.
    WrongExpected { expected: u64, found: u64 },
    /// The log has as many streams as it may.
    TooManyStreams,
    /// The streams keep as many records as they may.
    TailFull,
}

/// Why a snapshot was not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SnapshotRefusal {
    AheadOfLog { last: Position },
    Outdated { newest: Position },
}

impl AppendRefusal {
    pub(crate) fn into_error(self, stream: Stream) -> AppendError {
        match self {
            Self::Fenced { partition, current } => AppendError::Fenced { partition, current },
            Self::WrongExpected { expected, found } => {
                AppendError::WrongExpected { stream, expected, found }
            }
            Self::TooManyStreams => {
                AppendError::Invalid("the log has as many streams as it may have")
            }
            Self::TailFull => AppendError::Overloaded,
        }
    }
}

impl SnapshotRefusal {
    pub(crate) fn into_error(self, at: Position) -> SnapshotError {
        match self {
            Self::AheadOfLog { last } => SnapshotError::AheadOfLog { at, last },
            Self::Outdated { newest } => SnapshotError::Outdated { at, newest },
        }
    }
}

impl StreamsAnswer {
    pub(crate) fn committed(self, stream: Stream) -> Result<Committed, AppendError> {
        match self {
            Self::Appended { first, last, version } => {
                Ok(Committed { first, last, stream_version: version })
            }
            Self::NotAppended(refusal) => Err(refusal.into_error(stream)),
            _ => Err(AppendError::OutcomeUnknown),
        }
    }

    pub(crate) fn swept(&self) -> Swept {
        match self {
            Self::Removed { blobs, bytes } => Swept { blobs: *blobs, bytes: *bytes },
            _ => Swept::default(),
        }
    }
}
