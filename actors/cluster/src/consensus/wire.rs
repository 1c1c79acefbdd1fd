//! What groups of two nodes say to each other, as bytes.
//!
//! ```text
//!  0  4  group          4  8  the disk that the caller believes the called node to have
//! 12  1  kind          13     body: for entries a head, then their commands as they are
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use synod_journal::{CodecError, RecordCodec};

use super::error::GroupError;
use super::group::{GroupId, StorageId};
use super::store::{EntryHead, decode_entry, encode_entry, log_id, plain};
use super::types::{EntryOf, Types, VoteOf};

/// Bytes before the body.
const HEAD: usize = 13;

/// What a node asks a group of another one.
#[derive(Debug)]
pub(super) enum GroupCall {
    Append(AppendEntriesRequest<Types>),
    Vote(VoteRequest<Types>),
    PreVote(VoteRequest<Types>),
    Transfer(TransferLeaderRequest<Types>),
}

/// To which group of which disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) group: GroupId,
    pub(super) storage: StorageId,
}

/// An answer, or why there is none.
pub(super) type Answered<T> = Result<T, GroupError>;
pub(super) type AppendAnswer = Answered<AppendEntriesResponse<Types>>;
pub(super) type VoteAnswer = Answered<VoteResponse<Types>>;
pub(super) type TransferAnswer = Answered<TransferLeaderResponse<Types>>;

#[derive(Serialize, Deserialize)]
struct AppendHead {
    vote: VoteOf,
    prev: Option<(u64, u64)>,
    commit: Option<(u64, u64)>,
    entries: Vec<(EntryHead, u32)>,
}

impl GroupCall {
    /// # Errors
    /// Those of the codec.
    pub(super) fn encode(&self, to: Target) -> Result<Bytes, CodecError> {
        match self {
            Self::Append(append) => encode_append(append, to),
            Self::Vote(vote) => framed(to, 1, vote),
            Self::PreVote(vote) => framed(to, 2, vote),
            Self::Transfer(transfer) => framed(to, 3, transfer),
        }
    }

    /// Never panics.
    ///
    /// # Errors
    /// [`CodecError::Decode`]
    pub(super) fn decode(bytes: &Bytes) -> Result<(Target, Self), CodecError> {
        let cut = || CodecError::Decode("a call of a group that is cut short".to_owned());
        let (head, body) = bytes.split_at_checked(HEAD).ok_or_else(cut)?;
        let group = u32::from_le_bytes(*head.first_chunk().ok_or_else(cut)?);
        let storage = head.get(4..).and_then(|rest| rest.first_chunk()).ok_or_else(cut)?;
        let storage = StorageId(u64::from_le_bytes(*storage));
        let call = match head[HEAD - 1] {
            0 => Self::Append(decode_append(bytes.slice(HEAD..))?),
            1 => Self::Vote(decoded(body)?),
            2 => Self::PreVote(decoded(body)?),
            3 => Self::Transfer(decoded(body)?),
            kind => {
                return Err(CodecError::Decode(format!("no call of a group is of kind {kind}")));
            }
        };
        Ok((Target { group: GroupId(group), storage }, call))
    }
}

fn put_head(bytes: &mut BytesMut, to: Target, kind: u8) {
    bytes.put_u32_le(to.group.0);
    bytes.put_u64_le(to.storage.0);
    bytes.put_u8(kind);
}

fn framed<T: Serialize>(to: Target, kind: u8, body: &T) -> Result<Bytes, CodecError> {
    let body = RecordCodec::encode(body)?;
    let mut bytes = BytesMut::with_capacity(HEAD + body.len());
    put_head(&mut bytes, to, kind);
    bytes.put_slice(&body);
    Ok(bytes.freeze())
}

fn decoded<T: DeserializeOwned>(body: &[u8]) -> Result<T, CodecError> {
    RecordCodec::decode(body)
}

fn encode_append(append: &AppendEntriesRequest<Types>, to: Target) -> Result<Bytes, CodecError> {
    let encoded: Result<Vec<_>, _> = append.entries.iter().map(encode_entry).collect();
    let encoded = encoded?;
    let head = AppendHead {
        vote: append.vote,
        prev: append.prev_log_id.as_ref().map(plain),
        commit: append.leader_commit.as_ref().map(plain),
        entries: encoded.iter().map(|(head, body)| (*head, body.len() as u32)).collect(),
    };
    let head = RecordCodec::encode(&head)?;
    let bodies: usize = encoded.iter().map(|(_, body)| body.len()).sum();
    let mut bytes = BytesMut::with_capacity(HEAD + 4 + head.len() + bodies);
    put_head(&mut bytes, to, 0);
    bytes.put_u32_le(head.len() as u32);
    bytes.put_slice(&head);
    encoded.iter().for_each(|(_, body)| bytes.put_slice(body));
    Ok(bytes.freeze())
}

fn decode_append(bytes: Bytes) -> Result<AppendEntriesRequest<Types>, CodecError> {
    let cut = || CodecError::Decode("entries that are cut short".to_owned());
    let length = u32::from_le_bytes(*bytes.first_chunk().ok_or_else(cut)?) as usize;
    let end = 4 + length;
    let head: AppendHead = RecordCodec::decode(bytes.get(4..end).ok_or_else(cut)?)?;
    let mut entries: Vec<EntryOf> = Vec::with_capacity(head.entries.len());
    let mut at = end;
    for (entry, length) in head.entries {
        let end = at + length as usize;
        if end > bytes.len() {
            return Err(cut());
        }
        entries.push(decode_entry(entry, bytes.slice(at..end))?);
        at = end;
    }
    Ok(AppendEntriesRequest {
        vote: head.vote,
        prev_log_id: head.prev.map(log_id),
        leader_commit: head.commit.map(log_id),
        entries,
    })
}

/// # Errors
/// Those of the codec.
pub(super) fn encode_answer<T: Serialize>(answer: &Answered<T>) -> Result<Bytes, CodecError> {
    RecordCodec::encode(answer)
}

/// # Errors
/// [`CodecError::Decode`]
pub(super) fn decode_answer<T: DeserializeOwned>(bytes: &[u8]) -> Result<Answered<T>, CodecError> {
    RecordCodec::decode(bytes)
}
