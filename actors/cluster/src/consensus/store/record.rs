//! The records of a group's log.

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use synod_journal::{CodecError, Record, RecordCodec, RecordKind};

use super::entry;
use crate::consensus::types::{EntryOf, SnapshotMeta, VoteOf};

pub(super) const OPENED: RecordKind = RecordKind::new("raft.opened");
pub(super) const VOTE: RecordKind = RecordKind::new("raft.vote");
pub(super) const PART: RecordKind = RecordKind::new("raft.part");
pub(super) const ENTRY: RecordKind = RecordKind::new("raft.entry");
pub(super) const TRUNCATED: RecordKind = RecordKind::new("raft.truncated");
pub(super) const PURGED: RecordKind = RecordKind::new("raft.purged");

/// The version of all of them, and of what is saved.
pub(super) const VERSION: u16 = 1;

/// The records of an entry: parts no larger than a record may be.
///
/// # Errors
/// Those of the codec.
pub(super) fn entry(entry: &EntryOf, record_bytes: usize) -> Result<Vec<Record>, CodecError> {
    let bytes = entry::whole(entry)?;
    if bytes.len() <= record_bytes {
        return Ok(vec![Record::new(ENTRY, VERSION, bytes)]);
    }
    let parts = bytes.len().div_ceil(record_bytes);
    let part = |number: usize| {
        let begin = number * record_bytes;
        let end = (begin + record_bytes).min(bytes.len());
        let kind = if number + 1 == parts { ENTRY } else { PART };
        Record::new(kind, VERSION, bytes.slice(begin..end))
    };
    Ok((0..parts).map(part).collect())
}

/// The record of a vote.
///
/// # Errors
/// Those of the codec.
pub(super) fn vote(vote: &VoteOf) -> Result<Record, CodecError> {
    Ok(Record::new(VOTE, VERSION, RecordCodec::encode(vote)?))
}

/// Entries from this index on are no more.
pub(super) fn truncated(from: u64) -> Record {
    Record::new(TRUNCATED, VERSION, from.to_le_bytes().to_vec())
}

/// Entries up to this log id are no longer needed.
pub(super) fn purged(id: (u64, u64)) -> Record {
    let bytes = [id.0.to_le_bytes(), id.1.to_le_bytes()].concat();
    Record::new(PURGED, VERSION, bytes)
}

/// What the journal's snapshot of a group holds: its state, and what of its log stands before it.
#[derive(Clone, Debug)]
pub(in crate::consensus) struct Saved {
    pub(in crate::consensus) vote: Option<VoteOf>,
    pub(in crate::consensus) meta: SnapshotMeta,
    pub(in crate::consensus) state: Bytes,
}

#[derive(Serialize, Deserialize)]
struct SavedHead {
    vote: Option<VoteOf>,
    meta: SnapshotMeta,
}

impl Saved {
    pub(in crate::consensus) const VERSION: u16 = VERSION;

    /// # Errors
    /// Those of the codec.
    pub(in crate::consensus) fn encode(&self) -> Result<Bytes, CodecError> {
        let head = SavedHead { vote: self.vote, meta: self.meta.clone() };
        let head = RecordCodec::encode(&head)?;
        let mut bytes = BytesMut::with_capacity(4 + head.len() + self.state.len());
        bytes.put_u32_le(head.len() as u32);
        bytes.put_slice(&head);
        bytes.put_slice(&self.state);
        Ok(bytes.freeze())
    }

    /// # Errors
    /// [`CodecError::Decode`]
    pub(in crate::consensus) fn decode(bytes: &Bytes) -> Result<Self, CodecError> {
        let cut = || CodecError::Decode("a saved state that is cut short".to_owned());
        let length = bytes.first_chunk::<4>().ok_or_else(cut)?;
        let end = 4 + u32::from_le_bytes(*length) as usize;
        let head = bytes.get(4..end).ok_or_else(cut)?;
        let SavedHead { vote, meta } = RecordCodec::decode(head)?;
        Ok(Self { vote, meta, state: bytes.slice(end..) })
    }
}
