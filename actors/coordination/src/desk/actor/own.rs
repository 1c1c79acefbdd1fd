//! What a desk tells itself.

use bytes::Bytes;
use synod_agents::Envelope;
use synod_journal::{
    AppendError, Committed, JournalHealth, Position, SnapshotError, TruncateError, Truncated,
};
use synod_runtime::{AskError, TaskFailure};

use crate::protocol::ConversationId;

/// A message of a desk to itself.
#[derive(Debug)]
pub struct Own(pub(super) Event);

/// An answer that was asked for, or nobody gave.
pub(super) type Asked<T> = Result<T, AskError>;

/// What came of an envelope: an answer, none because none was asked for, or why it did not arrive.
pub(super) type Delivery = Result<Option<Envelope>, String>;

/// What has happened.
#[derive(Debug)]
pub(super) enum Event {
    /// Time to wake conversations, or to forget some.
    Wake,
    /// Time to ask the journal whether it takes appends again.
    Recheck,
    /// How the journal is.
    Rechecked(Asked<JournalHealth>),
    /// The append of this number has an outcome.
    Appended { append: u64, outcome: Asked<Result<Committed, AppendError>> },
    /// An envelope of this round has an outcome.
    Delivered { round: u64, id: ConversationId, number: u64, outcome: Delivery },
    /// Time to try again to hand over what was not taken.
    Redeliver { round: u64, id: ConversationId, number: u64 },
    /// The wait of this follower is over.
    FollowOver { id: ConversationId, ticket: u64 },
    /// Time to look whether old records can be let go of.
    Look,
    /// How far the log is.
    Looked(Asked<JournalHealth>),
    /// A snapshot has been encoded, or not.
    Encoded { at: Position, outcome: Result<Option<Bytes>, TaskFailure> },
    /// A snapshot has been stored, or not.
    Saved { at: Position, outcome: Asked<Result<(), SnapshotError>> },
    /// Old records have been dropped, or not.
    Truncated(Asked<Result<Truncated, TruncateError>>),
}
