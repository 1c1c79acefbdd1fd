//! Entries as bytes: a head, then the command as it is.

use bytes::{BufMut, Bytes, BytesMut};
use openraft::EntryPayload;
use openraft::entry::RaftEntry;
use serde::{Deserialize, Serialize};
use synod_journal::{CodecError, RecordCodec};

use crate::consensus::types::{EntryOf, LogId, MembershipOf, Proposal};

/// What kind of entry it is, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::consensus) struct EntryHead {
    pub(in crate::consensus) id: (u64, u64),
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    Blank,
    Command,
    Membership,
}

/// A log id as a term and an index.
pub(in crate::consensus) fn plain(id: &LogId) -> (u64, u64) {
    (**id.committed_leader_id(), id.index)
}

/// The log id of a term and an index.
pub(in crate::consensus) fn log_id((term, index): (u64, u64)) -> LogId {
    LogId::new(term.into(), index)
}

/// The head and the body of an entry apart.
///
/// # Errors
/// Those of the codec.
pub(in crate::consensus) fn encode_entry(
    entry: &EntryOf,
) -> Result<(EntryHead, Bytes), CodecError> {
    let id = plain(&entry.log_id);
    let (kind, body) = match &entry.payload {
        EntryPayload::Blank => (Kind::Blank, Bytes::new()),
        EntryPayload::Normal(proposal) => (Kind::Command, proposal.0.clone()),
        EntryPayload::Membership(membership) => {
            (Kind::Membership, RecordCodec::encode(membership)?)
        }
    };
    Ok((EntryHead { id, kind }, body))
}

/// The entry of a head and a body.
///
/// # Errors
/// [`CodecError::Decode`]
pub(in crate::consensus) fn decode_entry(
    head: EntryHead,
    body: Bytes,
) -> Result<EntryOf, CodecError> {
    let payload = match head.kind {
        Kind::Blank => EntryPayload::Blank,
        Kind::Command => EntryPayload::Normal(Proposal(body)),
        Kind::Membership => EntryPayload::Membership(RecordCodec::decode::<MembershipOf>(&body)?),
    };
    Ok(EntryOf::new(log_id(head.id), payload))
}

/// An entry in one piece, as the journal holds it.
///
/// # Errors
/// Those of the codec.
pub(super) fn whole(entry: &EntryOf) -> Result<Bytes, CodecError> {
    let (head, body) = encode_entry(entry)?;
    let head = RecordCodec::encode(&head)?;
    let mut bytes = BytesMut::with_capacity(1 + head.len() + body.len());
    // A head is three small numbers: at most 19 bytes.
    bytes.put_u8(head.len() as u8);
    bytes.put_slice(&head);
    bytes.put_slice(&body);
    Ok(bytes.freeze())
}

/// The entry that these bytes hold.
///
/// # Errors
/// [`CodecError::Decode`]
pub(super) fn from_whole(bytes: &Bytes) -> Result<EntryOf, CodecError> {
    let cut = || CodecError::Decode("an entry that is cut short".to_owned());
    let length = usize::from(*bytes.first().ok_or_else(cut)?);
    let head = bytes.get(1..=length).ok_or_else(cut)?;
    decode_entry(RecordCodec::decode(head)?, bytes.slice(1 + length..))
}
