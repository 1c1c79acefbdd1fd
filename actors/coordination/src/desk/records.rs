//! What is stored: records and snapshots, in shapes that are frozen once released.
//!
//! A record is an input with what the desk added to it (who, when, by which seed) and what was told
//! of it; the state follows from the inputs. What a protocol stores inside has a version of its
//! own, [`Protocol::VERSION`]. A record that is too large for the journal goes in pieces before the
//! last, in the same append: a log has all of them or none.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use synod_journal::{
    Codec, CodecError, Record, RecordCodec, RecordKind, StoredRecord, Stream, Versioned,
};
use synod_runtime::Principal;

use super::conversation::{Conversation, Identity};
use super::id::partition_of;
use super::messages::NumberedNote;
use crate::protocol::{ConversationId, Dispatch, Heard, Moment, Note, Protocol};

/// The version of snapshots that are written.
pub(super) const SNAPSHOT_VERSION: u16 = 1;

const OPENED: RecordKind = RecordKind::new("coordination.opened");
const STEPPED: RecordKind = RecordKind::new("coordination.stepped");
const WOKEN: RecordKind = RecordKind::new("coordination.woken");
const HEARD: RecordKind = RecordKind::new("coordination.heard");
const SETTLED: RecordKind = RecordKind::new("coordination.settled");
const FORGOTTEN: RecordKind = RecordKind::new("coordination.forgotten");
const DESK: RecordKind = RecordKind::new("coordination.desk");
const PIECE: RecordKind = RecordKind::new("coordination.piece");

/// The codec of snapshots: up to 4 GiB.
type SnapshotCodec = Codec<{ 4 << 30 }>;

/// The stream of a protocol's desk; none when the protocol's name can't be a stream's.
pub(super) fn stream<P: Protocol>() -> Option<Stream> {
    Stream::parse(&format!("coordination.{}", P::KIND)).ok()
}

/// What happened. `told` is what was told of it, or nothing where that was too much to be stored;
/// it then follows from the input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum EntryV1 {
    /// The desk went to work.
    Began { at: Moment },
    /// A conversation was opened.
    Opened {
        id: ConversationId,
        by: Principal,
        at: Moment,
        seed: u64,
        key: Option<String>,
        version: u16,
        setup: Bytes,
        told: Option<Vec<Note>>,
    },
    /// It was told something.
    Stepped {
        id: ConversationId,
        by: Principal,
        at: Moment,
        version: u16,
        input: Bytes,
        told: Option<Vec<Note>>,
    },
    /// Its time had come.
    Woken { id: ConversationId, at: Moment, told: Option<Vec<Note>> },
    /// An agent answered, or did not.
    Heard { id: ConversationId, at: Moment, about: u64, heard: Heard, told: Option<Vec<Note>> },
    /// An agent took a notice, or it was given up for a reason.
    Settled { id: ConversationId, at: Moment, number: u64, lost: Option<String> },
    /// These ended long ago.
    Forgotten { at: Moment, ids: Vec<ConversationId> },
}

impl Versioned for EntryV1 {
    const KIND: RecordKind = DESK;
    const VERSION: u16 = 1;
    type Previous = Self;
}

/// A record that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RecordError {
    /// Its bytes are not of the shape that its kind and version have.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// It is of a kind that no version of this program wrote.
    #[error("unknown kind of record '{0}'")]
    UnknownKind(String),
    /// The protocol does not know the version of what is inside.
    #[error("{what} of version {found}; this program knows {known} and what its protocol reads")]
    UnknownVersion {
        /// What it is.
        what: &'static str,
        /// Its version.
        found: u16,
        /// The version of the program.
        known: u16,
    },
    /// What was taken when it was recorded is not taken any more.
    #[error("an input of {id} that was taken is refused now: {reason}")]
    Refused {
        /// Of which conversation.
        id: ConversationId,
        /// Why.
        reason: String,
    },
}

impl EntryV1 {
    fn kind(&self) -> RecordKind {
        match self {
            Self::Began { .. } => DESK,
            Self::Opened { .. } => OPENED,
            Self::Stepped { .. } => STEPPED,
            Self::Woken { .. } => WOKEN,
            Self::Heard { .. } => HEARD,
            Self::Settled { .. } => SETTLED,
            Self::Forgotten { .. } => FORGOTTEN,
        }
    }

    fn id(&self) -> Option<ConversationId> {
        match self {
            Self::Began { .. } | Self::Forgotten { .. } => None,
            Self::Opened { id, .. }
            | Self::Stepped { id, .. }
            | Self::Woken { id, .. }
            | Self::Heard { id, .. }
            | Self::Settled { id, .. } => Some(*id),
        }
    }

    fn told(&mut self) -> Option<&mut Option<Vec<Note>>> {
        match self {
            Self::Opened { told, .. }
            | Self::Stepped { told, .. }
            | Self::Woken { told, .. }
            | Self::Heard { told, .. } => Some(told),
            Self::Began { .. } | Self::Settled { .. } | Self::Forgotten { .. } => None,
        }
    }

    /// The same with what was told of it.
    pub(super) fn telling(mut self, notes: &[NumberedNote]) -> Self {
        if let Some(told) = self.told() {
            *told = Some(notes.iter().map(|numbered| numbered.note.clone()).collect());
        }
        self
    }

    /// The records of it, each with at most `piece` bytes inside. What was told is left out when
    /// there would be more than `most` bytes with it.
    ///
    /// # Errors
    /// What serde or the limit of the codec refuses.
    pub(super) fn encode(&mut self, piece: usize, most: usize) -> Result<Vec<Record>, CodecError> {
        let mut bytes = RecordCodec::encode(self)?;
        if bytes.len() > most
            && let Some(told) = self.told()
        {
            *told = None;
            bytes = RecordCodec::encode(self)?;
        }
        let record = |kind, bytes| match self.id() {
            None => Record::new(kind, Self::VERSION, bytes),
            Some(id) => Record::new(kind, Self::VERSION, bytes).in_partition(partition_of(id)),
        };
        let mut records = Vec::with_capacity(1);
        while bytes.len() > piece.max(1) {
            records.push(record(PIECE, bytes.split_to(piece.max(1))));
        }
        records.push(record(self.kind(), bytes));
        Ok(records)
    }
}

/// Reads the records of a stream in their order.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pieces: Vec<u8>,
}

impl Reader {
    /// What a record says; none when it is a piece of one that comes later.
    ///
    /// # Errors
    /// The record is not one that this program wrote.
    pub(super) fn read(&mut self, stored: &StoredRecord) -> Result<Option<EntryV1>, RecordError> {
        let StoredRecord { kind, version, bytes, .. } = stored;
        if kind == PIECE.as_str() {
            self.pieces.extend_from_slice(bytes);
            return Ok(None);
        }
        let known = [OPENED, STEPPED, WOKEN, HEARD, SETTLED, FORGOTTEN, DESK];
        if !known.iter().any(|known| known.as_str() == kind) {
            return Err(RecordError::UnknownKind(kind.clone()));
        }
        if self.pieces.is_empty() {
            return Ok(Some(<EntryV1 as Versioned>::decode(*version, bytes)?));
        }
        let mut whole = std::mem::take(&mut self.pieces);
        whole.extend_from_slice(bytes);
        Ok(Some(<EntryV1 as Versioned>::decode(*version, &whole)?))
    }
}

/// The setup in these bytes.
pub(super) fn setup<P: Protocol>(version: u16, bytes: &[u8]) -> Result<P::Setup, RecordError> {
    if version == P::VERSION {
        return Ok(RecordCodec::decode(bytes)?);
    }
    P::setup_of(version, bytes).ok_or(unknown::<P>("a setup", version))
}

/// The input in these bytes.
pub(super) fn input<P: Protocol>(version: u16, bytes: &[u8]) -> Result<P::Input, RecordError> {
    if version == P::VERSION {
        return Ok(RecordCodec::decode(bytes)?);
    }
    P::input_of(version, bytes).ok_or(unknown::<P>("an input", version))
}

fn unknown<P: Protocol>(what: &'static str, found: u16) -> RecordError {
    RecordError::UnknownVersion { what, found, known: P::VERSION }
}

#[derive(Serialize, Deserialize)]
struct SnapshotV1 {
    /// The version of the states inside.
    version: u16,
    last: Moment,
    conversations: Vec<ConversationV1>,
}

#[derive(Serialize, Deserialize)]
struct ConversationV1 {
    id: ConversationId,
    by: Principal,
    opened_at: Moment,
    key: Option<String>,
    digest: [u8; 32],
    state: Bytes,
    notes: Vec<NumberedNote>,
    last_note: u64,
    ended_at: Option<Moment>,
    outbox: Vec<Dispatch>,
}

/// A book as bytes.
pub(super) fn encode_snapshot<P: Protocol>(
    last: Moment,
    conversations: &[std::sync::Arc<Conversation<P>>],
) -> Result<Bytes, CodecError> {
    let kept = conversations.iter().map(|conversation| {
        let Conversation { id, by, opened_at, key, digest, .. } = &**conversation;
        Ok(ConversationV1 {
            id: *id,
            by: by.clone(),
            opened_at: *opened_at,
            key: key.clone(),
            digest: *digest,
            state: SnapshotCodec::encode(&conversation.state)?,
            notes: conversation.notes.iter().cloned().collect(),
            last_note: conversation.last_note,
            ended_at: conversation.ended_at,
            outbox: conversation.outbox.values().cloned().collect(),
        })
    });
    let conversations = kept.collect::<Result<_, CodecError>>()?;
    SnapshotCodec::encode(&SnapshotV1 { version: P::VERSION, last, conversations })
}

/// A conversation without its notes, and its notes.
type Restored<P> = (Conversation<P>, Vec<NumberedNote>);

/// The conversations in these bytes, and when the last thing in them happened.
pub(super) fn decode_snapshot<P: Protocol>(
    version: u16,
    bytes: &[u8],
) -> Result<(Moment, Vec<Restored<P>>), RecordError> {
    if version != SNAPSHOT_VERSION {
        let what = "a snapshot of the desk";
        return Err(RecordError::UnknownVersion { what, found: version, known: SNAPSHOT_VERSION });
    }
    let snapshot: SnapshotV1 = SnapshotCodec::decode(bytes)?;
    let conversations = snapshot.conversations.into_iter().map(|kept| {
        let ConversationV1 { id, by, opened_at, key, digest, .. } = kept;
        let state = match snapshot.version == P::VERSION {
            true => SnapshotCodec::decode(&kept.state)?,
            false => P::state_of(snapshot.version, &kept.state)
                .ok_or(unknown::<P>("a state", snapshot.version))?,
        };
        let identity = Identity { id, by, opened_at, key, digest };
        let mut conversation = Conversation::new(identity, state);
        conversation.ended_at = kept.ended_at;
        conversation.last_note = kept.last_note;
        conversation.outbox =
            kept.outbox.into_iter().map(|dispatch| (dispatch.number, dispatch)).collect();
        Ok((conversation, kept.notes))
    });
    Ok((snapshot.last, conversations.collect::<Result<_, RecordError>>()?))
}
