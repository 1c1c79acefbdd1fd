//! A work group's state as bytes: heads first, then the records' contents as they are.

use std::collections::{BTreeMap, VecDeque};

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use synod_journal::{BlobId, Codec, CodecError, Epoch, Partition, Position, Stream};

use super::streams::{Blob, Kept, KeptSnapshot, StreamLimits, StreamState, Streams};

/// Bytes of the heads of an image.
const HEAD_LIMIT: usize = 1 << 30;

type HeadCodec = Codec<HEAD_LIMIT>;

#[derive(Serialize, Deserialize)]
struct ImageHead {
    next: Position,
    /// Runs: how many partitions, which epoch.
    epochs: Vec<(u16, Epoch)>,
    streams: Vec<StreamHead>,
    blobs: Vec<(String, BTreeMap<BlobId, Blob>)>,
    loose: VecDeque<BlobId>,
}

#[derive(Serialize, Deserialize)]
struct StreamHead {
    name: String,
    version: u64,
    snapshots: Vec<KeptSnapshot>,
    records: Vec<RecordHead>,
}

#[derive(Serialize, Deserialize)]
struct RecordHead {
    position: Position,
    partition: Partition,
    epoch: Epoch,
    kind: String,
    version: u16,
    recorded_at_us: i64,
    length: u32,
}

impl Streams {
    /// The state as bytes.
    ///
    /// # Errors
    /// Those of the codec.
    pub(crate) fn encode(&self) -> Result<Bytes, CodecError> {
        let runs = self.epochs.chunk_by(|one, other| one == other);
        let runs = runs.filter_map(|run| Some((u16::try_from(run.len()).ok()?, *run.first()?)));
        let streams = self.streams.iter().map(|(name, state)| StreamHead {
            name: name.as_str().to_owned(),
            version: state.version,
            snapshots: state.snapshots.clone(),
            records: state.records.iter().map(record_head).collect(),
        });
        let blobs = self.blobs.iter().map(|(owner, owned)| (owner.to_string(), owned.clone()));
        let head = ImageHead {
            next: self.next,
            epochs: runs.collect(),
            streams: streams.collect(),
            blobs: blobs.collect(),
            loose: self.loose.clone(),
        };
        let head = HeadCodec::encode(&head)?;
        let records = || self.streams.values().flat_map(|state| &state.records);
        let contents: usize = records().map(|record| record.bytes.len()).sum();
        let mut bytes = BytesMut::with_capacity(8 + head.len() + contents);
        bytes.put_u64_le(head.len() as u64);
        bytes.put_slice(&head);
        records().for_each(|record| bytes.put_slice(&record.bytes));
        Ok(bytes.freeze())
    }

    /// The state that these bytes hold. Never panics.
    ///
    /// # Errors
    /// [`CodecError::Decode`]
    pub(crate) fn decode(bytes: &Bytes, limits: StreamLimits) -> Result<Self, CodecError> {
        let wrong = |what: &str| CodecError::Decode(format!("a state with {what}"));
        let length = bytes.first_chunk::<8>().ok_or_else(|| wrong("no head"))?;
        let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let end = length.checked_add(8).filter(|end| *end <= bytes.len());
        let end = end.ok_or_else(|| wrong("a head that is cut short"))?;
        let head: ImageHead = HeadCodec::decode(&bytes[8..end])?;
        let runs = head.epochs.iter();
        let epochs = runs.flat_map(|(run, epoch)| std::iter::repeat_n(*epoch, usize::from(*run)));
        let epochs: Vec<_> = epochs.take(usize::from(Partition::COUNT) + 1).collect();
        if epochs.len() != usize::from(Partition::COUNT) {
            return Err(wrong("other than 4096 partitions"));
        }
        let (next, loose) = (head.next, head.loose);
        let mut state = Self { next, epochs, loose, ..Self::new(limits) };
        let mut contents = Contents { bytes, at: end };
        for stream in head.streams {
            let name = named(&stream.name)?;
            let kept = contents.take(stream.records)?;
            state.tail_bytes += kept.iter().map(Kept::weight).sum::<u64>();
            let (version, snapshots) = (stream.version, stream.snapshots);
            state.streams.insert(name, StreamState { version, records: kept, snapshots });
        }
        for (owner, owned) in head.blobs {
            state.blobs.insert(named(&owner)?, owned);
        }
        if contents.at != bytes.len() {
            return Err(wrong("bytes after its records"));
        }
        Ok(state)
    }
}

struct Contents<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl Contents<'_> {
    fn take(&mut self, heads: Vec<RecordHead>) -> Result<VecDeque<Kept>, CodecError> {
        let mut kept: VecDeque<Kept> = VecDeque::with_capacity(heads.len());
        for head in heads {
            let end = self.at + head.length as usize;
            if end > self.bytes.len() {
                return Err(CodecError::Decode("a state that is cut short".to_owned()));
            }
            // A copy, so that one small record doesn't hold on to the whole state.
            let bytes = Bytes::copy_from_slice(&self.bytes[self.at..end]);
            self.at = end;
            let kind = match kept.back() {
                Some(last) if *last.kind == *head.kind => last.kind.clone(),
                _ => head.kind.into(),
            };
            let RecordHead { position, partition, epoch, version, recorded_at_us, .. } = head;
            kept.push_back(Kept {
                position,
                partition,
                epoch,
                kind,
                version,
                recorded_at_us,
                bytes,
            });
        }
        Ok(kept)
    }
}

fn record_head(record: &Kept) -> RecordHead {
    RecordHead {
        position: record.position,
        partition: record.partition,
        epoch: record.epoch,
        kind: (*record.kind).to_owned(),
        version: record.version,
        recorded_at_us: record.recorded_at_us,
        length: record.bytes.len() as u32,
    }
}

fn named(name: &str) -> Result<Stream, CodecError> {
    Stream::parse(name).map_err(|error| CodecError::Decode(error.to_string()))
}
