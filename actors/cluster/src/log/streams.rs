//! The pure machine of a work group: streams, snapshots and blobs with the journal's semantics.
//!
//! Positions are contiguous in a group, versions and epochs never go back. Of a stream it keeps
//! the records that its second newest snapshot doesn't contain; contents of snapshots and blobs
//! are pieces that the node keeps, and only named here.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use synod_journal::{
    BlobId, Contents, Epoch, Page, Partition, Position, ReadStream, StoredRecord, Stream,
};

use super::answer::{AppendRefusal, SnapshotRefusal, StreamsAnswer};
use super::command::{
    AppendCommand, Command, CommandRecord, PutCommand, RemoveCommand, SaveCommand,
};

/// How many snapshots of a stream are kept.
const KEPT: usize = 2;

/// Pieces that may wait to be named: those of several of the largest snapshots. What is dropped
/// beyond belongs to uploads that were given up.
const LOOSE: usize = 2_048;

/// What a record takes in memory beside its contents, as far as limits are concerned.
const RECORD_OVERHEAD: u64 = 128;

/// What a group may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamLimits {
    /// Streams.
    pub(crate) streams: u32,
    /// Bytes of records.
    pub(crate) tail_bytes: u64,
}

/// What the node has to do before a command counts as applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Keep a piece durably.
    Keep(Bytes),
    /// Pieces that are named no more may go.
    Sweep,
    /// Read these pieces and become what they hold.
    Adopt(Vec<BlobId>),
}

/// The state of a work group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Streams {
    pub(super) limits: StreamLimits,
    /// The position of the next record.
    pub(super) next: Position,
    /// By partition.
    pub(super) epochs: Vec<Epoch>,
    pub(super) streams: BTreeMap<Stream, StreamState>,
    pub(super) blobs: BTreeMap<Stream, BTreeMap<BlobId, Blob>>,
    pub(super) tail_bytes: u64,
    /// Pieces that no snapshot or blob names yet, the oldest first. They are part of the state: a
    /// member that gets it needs them for the command that will name them.
    pub(super) loose: VecDeque<BlobId>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StreamState {
    /// How many records it ever had.
    pub(super) version: u64,
    pub(super) records: VecDeque<Kept>,
    /// The oldest first.
    pub(super) snapshots: Vec<KeptSnapshot>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) position: Position,
    pub(super) partition: Partition,
    pub(super) epoch: Epoch,
    pub(super) kind: Arc<str>,
    pub(super) version: u16,
    pub(super) recorded_at_us: i64,
    pub(super) bytes: Bytes,
}

/// A stream's snapshot, by the pieces that hold it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct KeptSnapshot {
    pub(crate) at: Position,
    pub(crate) version: u16,
    pub(crate) pieces: Vec<BlobId>,
    pub(crate) bytes: u64,
}

/// A blob, by the pieces that hold it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Blob {
    pub(crate) pieces: Vec<BlobId>,
    pub(crate) bytes: u64,
    /// When it was last put, UTC microseconds.
    pub(crate) put_at_us: i64,
}

impl Streams {
    /// A group without a record.
    pub(crate) fn new(limits: StreamLimits) -> Self {
        Self {
            limits,
            next: Position(1),
            epochs: vec![Epoch(0); usize::from(Partition::COUNT)],
            streams: BTreeMap::new(),
            blobs: BTreeMap::new(),
            tail_bytes: 0,
            loose: VecDeque::new(),
        }
    }

    /// Applies a command, and says what the node has to do about it.
    pub(crate) fn apply(&mut self, command: Command) -> (StreamsAnswer, Option<Effect>) {
        match command {
            Command::Append(append) => (self.append(append), None),
            Command::Piece(bytes) => {
                self.loose.push_back(BlobId::of(&bytes));
                let extra = self.loose.len().saturating_sub(LOOSE);
                self.loose.drain(..extra);
                (StreamsAnswer::Done, Some(Effect::Keep(bytes)))
            }
            Command::PutBlob(put) => (self.put_blob(put), None),
            Command::SaveSnapshot(save) => {
                let answer = self.save_snapshot(save);
                let effect = matches!(answer, StreamsAnswer::Saved).then_some(Effect::Sweep);
                (answer, effect)
            }
            Command::RemoveBlobs(remove) => (self.remove_blobs(&remove), Some(Effect::Sweep)),
            Command::Adopt(adopt) if self.is_untouched() => {
                (StreamsAnswer::Done, Some(Effect::Adopt(adopt.pieces)))
            }
            Command::Adopt(_) => (StreamsAnswer::Done, None),
        }
    }

    fn append(&mut self, append: AppendCommand) -> StreamsAnswer {
        if let Err(refusal) = self.check(&append) {
            return StreamsAnswer::NotAppended(refusal);
        }
        let AppendCommand { stream, partition, epoch, recorded_at_us, records, .. } = append;
        let first = self.next;
        let state = self.streams.entry(stream).or_default();
        for CommandRecord { kind, version, partition: own, bytes } in records {
            let partition = own.unwrap_or(partition);
            let fence = &mut self.epochs[usize::from(partition.get())];
            *fence = (*fence).max(epoch);
            self.tail_bytes += bytes.len() as u64 + RECORD_OVERHEAD;
            let kind = match state.records.back() {
                Some(last) if *last.kind == *kind => Arc::clone(&last.kind),
                _ => kind.into(),
            };
            let position = self.next;
            self.next = position.next();
            state.version += 1;
            let kept = Kept { position, partition, epoch, kind, version, recorded_at_us, bytes };
            state.records.push_back(kept);
        }
        let last = self.next.previous();
        StreamsAnswer::Appended { first, last, version: state.version }
    }

    /// What the journal checks, in its order.
    fn check(&self, append: &AppendCommand) -> Result<(), AppendRefusal> {
        if self.tail_bytes >= self.limits.tail_bytes {
            return Err(AppendRefusal::TailFull);
        }
        for record in &append.records {
            let partition = record.partition.unwrap_or(append.partition);
            let current = self.epochs[usize::from(partition.get())];
            if append.epoch < current {
                return Err(AppendRefusal::Fenced { partition, current });
            }
        }
        // A snapshot alone makes no stream.
        let known = self.streams.get(&append.stream).filter(|state| state.version > 0);
        if known.is_none() && self.count() >= self.limits.streams as usize {
            return Err(AppendRefusal::TooManyStreams);
        }
        let found = known.map_or(0, |state| state.version);
        match append.expected {
            Some(expected) if expected != found => {
                Err(AppendRefusal::WrongExpected { expected, found })
            }
            _ => Ok(()),
        }
    }

    fn save_snapshot(&mut self, save: SaveCommand) -> StreamsAnswer {
        let last = self.last();
        if save.at > last {
            return StreamsAnswer::NotSaved(SnapshotRefusal::AheadOfLog { last });
        }
        let Ok(stream) = Stream::parse(&save.stream) else {
            return StreamsAnswer::Full(format!("`{}` is no name of a stream", save.stream));
        };
        if !self.streams.contains_key(&stream)
            && self.streams.len() >= 2 * self.limits.streams as usize
        {
            return StreamsAnswer::Full("the group has as many snapshots as it may".to_owned());
        }
        let state = self.streams.entry(stream).or_default();
        let newest = state.snapshots.last().map(|snapshot| snapshot.at);
        if let Some(newest) = newest.filter(|newest| save.at < *newest) {
            return StreamsAnswer::NotSaved(SnapshotRefusal::Outdated { newest });
        }
        if newest == Some(save.at) {
            state.snapshots.pop();
        }
        let SaveCommand { at, version, pieces, bytes, .. } = save;
        self.loose.retain(|piece| !pieces.contains(piece));
        state.snapshots.push(KeptSnapshot { at, version, pieces, bytes });
        let extra = state.snapshots.len().saturating_sub(KEPT);
        state.snapshots.drain(..extra);
        if let [covered, _] = state.snapshots.as_slice() {
            let covered = covered.at;
            while let Some(record) = state.records.pop_front_if(|next| next.position <= covered) {
                self.tail_bytes -= record.bytes.len() as u64 + RECORD_OVERHEAD;
            }
        }
        StreamsAnswer::Saved
    }

    fn put_blob(&mut self, put: PutCommand) -> StreamsAnswer {
        let PutCommand { owner, id, pieces, bytes, at_us } = put;
        let Ok(owner) = Stream::parse(&owner) else {
            return StreamsAnswer::Full(format!("`{owner}` is no name of a stream"));
        };
        self.loose.retain(|piece| !pieces.contains(piece));
        let owned = self.blobs.entry(owner).or_default();
        let blob = owned.entry(id).or_insert(Blob { pieces, bytes, put_at_us: at_us });
        blob.put_at_us = blob.put_at_us.max(at_us);
        StreamsAnswer::Put(id)
    }

    fn remove_blobs(&mut self, remove: &RemoveCommand) -> StreamsAnswer {
        let (mut blobs, mut bytes) = (0, 0);
        let owner = Stream::parse(&remove.owner).ok();
        if let Some(owned) = owner.and_then(|owner| self.blobs.get_mut(&owner)) {
            for id in &remove.ids {
                if owned.get(id).is_some_and(|blob| blob.put_at_us < remove.before_us)
                    && let Some(blob) = owned.remove(id)
                {
                    blobs += 1;
                    bytes += blob.bytes;
                }
            }
        }
        StreamsAnswer::Removed { blobs, bytes }
    }

    /// The position of the last record.
    pub(crate) fn last(&self) -> Position {
        self.next.previous()
    }

    /// The position of the first record that is kept, or will be.
    pub(crate) fn first(&self) -> Position {
        let firsts = self.streams.values().filter_map(|state| state.records.front());
        firsts.map(|record| record.position).min().unwrap_or(self.next)
    }

    /// How many streams there are.
    pub(crate) fn count(&self) -> usize {
        self.streams.values().filter(|state| state.version > 0).count()
    }

    /// Bytes of the records that are kept.
    pub(crate) fn tail_bytes(&self) -> u64 {
        self.tail_bytes
    }

    /// Which streams there are, with how many records each ever had, and where the partitions
    /// stand.
    pub(crate) fn contents(&self) -> Contents {
        let had = self.streams.iter().filter(|(_, state)| state.version > 0);
        let streams = had.map(|(stream, state)| (*stream, state.version));
        let epochs = self.epochs.clone();
        Contents { streams: streams.collect(), epochs, last: self.last() }
    }

    /// The blobs of an owner.
    pub(crate) fn owned(&self, owner: &Stream) -> Vec<BlobId> {
        self.blobs.get(owner).into_iter().flatten().map(|(id, _)| *id).collect()
    }

    /// Whether no record was ever stored.
    pub(crate) fn is_untouched(&self) -> bool {
        self.next == Position(1) && self.streams.is_empty()
    }

    /// A page of a stream.
    pub(crate) fn read(&self, read: &ReadStream) -> Page {
        let Some(state) = self.streams.get(&read.stream) else { return Page::default() };
        let begin = state.records.partition_point(|record| record.position <= read.after);
        let (mut records, mut bytes) = (Vec::new(), 0);
        for record in state.records.range(begin..) {
            if records.len() >= read.max_records as usize
                || (bytes >= read.max_bytes && !records.is_empty())
            {
                break;
            }
            bytes += record.bytes.len() as u64;
            records.push(record.stored(read.stream));
        }
        let more = begin + records.len() < state.records.len();
        let next = records.last().filter(|_| more).map(|record| record.position);
        Page { records, next }
    }

    /// A stream's newest snapshot.
    pub(crate) fn snapshot(&self, stream: &Stream) -> Option<&KeptSnapshot> {
        self.streams.get(stream)?.snapshots.last()
    }

    /// A blob of an owner.
    pub(crate) fn blob(&self, owner: &Stream, id: &BlobId) -> Option<&Blob> {
        self.blobs.get(owner)?.get(id)
    }

    /// The blobs of an owner that are not live and were last put before that time.
    pub(crate) fn dead(
        &self,
        owner: &Stream,
        live: &HashSet<BlobId>,
        before_us: i64,
    ) -> Vec<BlobId> {
        let owned = self.blobs.get(owner).into_iter().flatten();
        let dead = owned.filter(|(id, blob)| !live.contains(*id) && blob.put_at_us < before_us);
        dead.map(|(id, _)| *id).collect()
    }

    /// All pieces that are named.
    pub(crate) fn pieces(&self) -> BTreeSet<BlobId> {
        let snapshots = self.streams.values().flat_map(|state| &state.snapshots);
        let snapshots = snapshots.flat_map(|snapshot| &snapshot.pieces);
        let blobs = self.blobs.values().flat_map(BTreeMap::values).flat_map(|blob| &blob.pieces);
        snapshots.chain(blobs).chain(&self.loose).copied().collect()
    }
}

impl Kept {
    fn stored(&self, stream: Stream) -> StoredRecord {
        StoredRecord {
            position: self.position,
            partition: self.partition,
            stream,
            epoch: self.epoch,
            kind: (*self.kind).to_owned(),
            version: self.version,
            recorded_at_us: self.recorded_at_us,
            bytes: self.bytes.clone(),
        }
    }

    pub(super) fn weight(&self) -> u64 {
        self.bytes.len() as u64 + RECORD_OVERHEAD
    }
}
