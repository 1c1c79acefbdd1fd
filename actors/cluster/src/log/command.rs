//! What a work group's log holds: commands, and how they become bytes.
//!
//! ```text
//!  0  1  tag
//!  1  4  length of the head, little-endian
//!  5     head (bincode), then contents as they are: records, or a piece of a blob
//! ```
//!
//! Contents are sliced out, never copied: what came in one piece over the network is kept as it is.

use bytes::{BufMut, Bytes, BytesMut};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use synod_journal::{
    Append, BlobId, CodecError, Epoch, Expected, Partition, Position, RecordCodec, Stream,
};

/// Bytes before the head.
const PREFIX: usize = 5;

/// What a work group is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Store records.
    Append(AppendCommand),
    /// Keep a piece of a blob or a snapshot that a later command will name.
    Piece(Bytes),
    /// Make pieces a blob of an owner.
    PutBlob(PutCommand),
    /// Make pieces a stream's newest snapshot.
    SaveSnapshot(SaveCommand),
    /// Forget blobs of an owner, but those put since.
    RemoveBlobs(RemoveCommand),
    /// Take over the state that pieces hold, if there is none yet.
    Adopt(AdoptCommand),
}

/// Records to be stored, all or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AppendCommand {
    pub(crate) stream: Stream,
    pub(crate) partition: Partition,
    pub(crate) expected: Option<u64>,
    pub(crate) epoch: Epoch,
    pub(crate) recorded_at_us: i64,
    pub(crate) records: Vec<CommandRecord>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommandRecord {
    pub(crate) kind: String,
    pub(crate) version: u16,
    pub(crate) partition: Option<Partition>,
    pub(crate) bytes: Bytes,
}

/// A blob whose pieces are there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PutCommand {
    pub(crate) owner: String,
    pub(crate) id: BlobId,
    pub(crate) pieces: Vec<BlobId>,
    pub(crate) bytes: u64,
    pub(crate) at_us: i64,
}

/// A snapshot whose pieces are there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SaveCommand {
    pub(crate) stream: String,
    pub(crate) at: Position,
    pub(crate) version: u16,
    pub(crate) pieces: Vec<BlobId>,
    pub(crate) bytes: u64,
}

/// Blobs that their owner no longer names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RemoveCommand {
    pub(crate) owner: String,
    pub(crate) ids: Vec<BlobId>,
    pub(crate) before_us: i64,
}

/// The state of a node that was alone until now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AdoptCommand {
    pub(crate) pieces: Vec<BlobId>,
}

#[derive(Serialize, Deserialize)]
struct AppendHead {
    stream: String,
    partition: Partition,
    expected: Option<u64>,
    epoch: Epoch,
    recorded_at_us: i64,
    records: Vec<RecordHead>,
}

#[derive(Serialize, Deserialize)]
struct RecordHead {
    kind: String,
    version: u16,
    partition: Option<Partition>,
    length: u32,
}

/// Encodes an append as it was asked for, without a detour over a [`Command`].
///
/// # Errors
/// Those of the codec.
pub(crate) fn encode_append(append: &Append, recorded_at_us: i64) -> Result<Bytes, CodecError> {
    let records = append.records.iter().map(|record| RecordHead {
        kind: record.kind.as_str().to_owned(),
        version: record.version,
        partition: record.partition,
        length: record.bytes.len() as u32,
    });
    let head = AppendHead {
        stream: append.stream.as_str().to_owned(),
        partition: append.partition,
        expected: match append.expected {
            Expected::Any => None,
            Expected::Exact(version) => Some(version),
        },
        epoch: append.epoch,
        recorded_at_us,
        records: records.collect(),
    };
    framed(0, &head, append.records.iter().map(|record| &record.bytes))
}

impl Command {
    /// Encodes it.
    ///
    /// # Errors
    /// Those of the codec.
    pub(crate) fn encode(&self) -> Result<Bytes, CodecError> {
        match self {
            Self::Append(append) => {
                let records = append.records.iter().map(|record| RecordHead {
                    kind: record.kind.clone(),
                    version: record.version,
                    partition: record.partition,
                    length: record.bytes.len() as u32,
                });
                let head = AppendHead {
                    stream: append.stream.as_str().to_owned(),
                    partition: append.partition,
                    expected: append.expected,
                    epoch: append.epoch,
                    recorded_at_us: append.recorded_at_us,
                    records: records.collect(),
                };
                framed(0, &head, append.records.iter().map(|record| &record.bytes))
            }
            Self::Piece(bytes) => framed(1, &(), [bytes]),
            Self::PutBlob(put) => framed(2, put, []),
            Self::SaveSnapshot(save) => framed(3, save, []),
            Self::RemoveBlobs(remove) => framed(4, remove, []),
            Self::Adopt(adopt) => framed(5, adopt, []),
        }
    }

    /// Decodes what [`Command::encode`] or [`encode_append`] made. Never panics.
    ///
    /// # Errors
    /// [`CodecError::Decode`]
    pub(crate) fn decode(bytes: &Bytes) -> Result<Self, CodecError> {
        let wrong = |what: &str| CodecError::Decode(format!("a command with {what}"));
        let prefix = bytes.get(..PREFIX).ok_or_else(|| wrong("no head"))?;
        let length = u32::from_le_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
        let end = PREFIX + length;
        if end > bytes.len() {
            return Err(wrong("a head that is cut short"));
        }
        let (head, contents) = (&bytes[PREFIX..end], bytes.slice(end..));
        if prefix[0] > 1 && !contents.is_empty() {
            return Err(wrong("contents that it can't have"));
        }
        Ok(match prefix[0] {
            0 => Self::Append(decode_append(head, contents)?),
            1 => Self::Piece(contents),
            2 => Self::PutBlob(decoded(head)?),
            3 => Self::SaveSnapshot(decoded(head)?),
            4 => Self::RemoveBlobs(decoded(head)?),
            5 => Self::Adopt(decoded(head)?),
            _ => return Err(wrong("a tag that is not known")),
        })
    }
}

fn decode_append(head: &[u8], contents: Bytes) -> Result<AppendCommand, CodecError> {
    let head: AppendHead = decoded(head)?;
    let mut records = Vec::with_capacity(head.records.len());
    let mut at = 0;
    for record in head.records {
        let end = at + record.length as usize;
        if end > contents.len() {
            return Err(CodecError::Decode("an append that is cut short".to_owned()));
        }
        let RecordHead { kind, version, partition, .. } = record;
        records.push(CommandRecord { kind, version, partition, bytes: contents.slice(at..end) });
        at = end;
    }
    if at != contents.len() {
        return Err(CodecError::Decode("an append with bytes after its records".to_owned()));
    }
    let invalid = |error: synod_journal::InvalidName| CodecError::Decode(error.to_string());
    Ok(AppendCommand {
        stream: Stream::parse(&head.stream).map_err(invalid)?,
        partition: head.partition,
        expected: head.expected,
        epoch: head.epoch,
        recorded_at_us: head.recorded_at_us,
        records,
    })
}

fn decoded<T: DeserializeOwned>(head: &[u8]) -> Result<T, CodecError> {
    RecordCodec::decode(head)
}

fn framed<'a, H: Serialize>(
    tag: u8,
    head: &H,
    contents: impl IntoIterator<Item = &'a Bytes> + Clone,
) -> Result<Bytes, CodecError> {
    let head = RecordCodec::encode(head)?;
    let length: usize = contents.clone().into_iter().map(Bytes::len).sum();
    let mut bytes = BytesMut::with_capacity(PREFIX + head.len() + length);
    bytes.put_u8(tag);
    bytes.put_u32_le(head.len() as u32);
    bytes.put_slice(&head);
    contents.into_iter().for_each(|content| bytes.put_slice(content));
    Ok(bytes.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use synod_journal::{Record, RecordKind};

    #[test]
    fn an_append_reads_as_it_was_asked_for() {
        const KIND: RecordKind = RecordKind::new("test.happened");
        let other = Record::new(KIND, 2, &b"two"[..]).in_partition(Partition::from_low_bits(7));
        let append = Append {
            partition: Partition::from_low_bits(3),
            stream: Stream::new("tasks"),
            expected: Expected::Exact(5),
            epoch: Epoch(9),
            records: vec![Record::new(KIND, 1, &b"one"[..]), other],
        };
        let bytes = encode_append(&append, 11).unwrap();
        let command = Command::decode(&bytes).unwrap();
        assert_eq!(command.encode().unwrap(), bytes);
        let Command::Append(decoded) = command else { panic!("{command:?}") };
        assert_eq!((decoded.stream, decoded.expected), (append.stream, Some(5)));
        assert_eq!(decoded.records[1].partition, Some(Partition::from_low_bits(7)));
        assert_eq!(&decoded.records[0].bytes[..], b"one");
    }

    proptest! {
        #[test]
        fn no_bytes_panic_the_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Command::decode(&Bytes::from(bytes));
        }

        #[test]
        fn a_piece_survives_the_way(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let command = Command::Piece(bytes.into());
            prop_assert_eq!(Command::decode(&command.encode().unwrap()).unwrap(), command);
        }
    }
}
