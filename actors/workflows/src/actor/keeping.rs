//! Keeping the log short: histories are packed, the index is stored as a snapshot, and records
//! that both contain are dropped. Ended runs are kept for a time and up to a number.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use synod_journal::{
    BlobError, BlobId, Health, JournalHealth, Position, PutBlob, SaveSnapshot, SnapshotError,
    SweepBlobs, Swept, Truncate, TruncateError, Truncated,
};
use synod_runtime::{Context, TaskFailure};
use tokio::time::Instant;

use super::WorkflowEngine;
use super::run::Surroundings;
use super::step::{Asked, Own, Step};
use super::utc;
use crate::config::WorkflowsConfig;
use crate::history::{Chunk, EngineEvent, Piece, write_piece};
use crate::index::{Index, Pack};
use crate::messages::{RunId, WorkflowsMessage};
use crate::records;

/// Bytes of a pack, but for one that a single record fills.
const PACK_BYTES: usize = 1 << 20;

/// Ended runs above the number that is kept before they are swept, as a share of that number.
const SLACK: u64 = 16;

/// Shortest time between sweeps by time, microseconds.
const SWEEP_US: i64 = 10_000_000;

const SECOND_US: i64 = 1_000_000;

/// How often it is looked whether old records can be let go of, and how old a snapshot may be then
/// when something was stored since.
const LOOK: Duration = Duration::from_secs(2);
const STALE: Duration = Duration::from_secs(600);

/// Snapshots that must contain a record before the log can do without it.
const OWED: u8 = 2;

/// How much has been stored since the last snapshot, and whether one is being made.
#[derive(Default)]
pub(super) struct Keeping {
    records: u64,
    bytes: u64,
    busy: bool,
    /// Snapshots to be made until the log holds no record that only this stream needs. A stream
    /// where little happens would else keep others' records from being dropped.
    owed: u8,
    /// When the last snapshot was begun.
    begun: Option<Instant>,
    /// The last position that the index contains.
    pub applied: Position,
    /// The blobs that the snapshot being saved names.
    live: HashSet<BlobId>,
    /// When runs were swept last, UTC microseconds.
    swept: i64,
}

impl Keeping {
    /// Begins to count anew, with what a recovery had to read.
    pub(super) fn restart(&mut self, records: u64, bytes: u64) {
        (self.records, self.bytes) = (records, bytes);
        self.owed = OWED;
    }

    pub(super) fn stored(&mut self, records: u64, bytes: u64) {
        self.records += records;
        self.bytes += bytes;
        self.owed = OWED;
    }

    /// Whether enough has been stored for another snapshot.
    fn is_due(&self, config: &WorkflowsConfig) -> bool {
        let enough = self.records >= config.snapshot_records || self.bytes >= config.snapshot_bytes;
        enough && !self.busy
    }

    /// Whether more snapshots are owed, and the last one is old or nothing was stored since.
    fn is_stale(&self, now: Instant) -> bool {
        let aged = |begun| now.duration_since(begun) >= STALE;
        let old = self.records == 0 || self.begun.is_none_or(aged);
        old && self.owed > 0 && !self.busy
    }

    fn begin(&mut self, now: Instant) {
        (self.records, self.bytes, self.busy) = (0, 0, true);
        self.begun = Some(now);
    }

    /// A snapshot is stored.
    fn saved(&mut self) {
        if self.records == 0 {
            self.owed = self.owed.saturating_sub(1);
        }
    }
}

/// A pack that is stored, and what is in it.
#[derive(Debug)]
pub(in crate::actor) struct StoredPack {
    pack: Pack,
    /// Each run's chunk, and how many records of it that is.
    chunks: Vec<(RunId, Chunk, usize)>,
}

/// Packs that are stored.
#[derive(Debug)]
pub(in crate::actor) struct Packed(Vec<StoredPack>);

/// A snapshot as bytes, and the blobs that it names.
#[derive(Debug)]
pub(in crate::actor) struct Snapshot {
    bytes: Bytes,
    live: HashSet<BlobId>,
}

/// A pack that is being written.
struct Writing {
    number: u32,
    bytes: Vec<u8>,
    chunks: Vec<(RunId, Chunk, usize)>,
}

impl Writing {
    fn new(number: u32) -> Self {
        Self { number, bytes: Vec::new(), chunks: Vec::new() }
    }

    /// Writes as many of these records as have room; how many that were.
    fn write(&mut self, run: RunId, pieces: &[Piece]) -> usize {
        let begin = self.bytes.len();
        let mut count = 0;
        for piece in pieces {
            let full = self.bytes.len() + piece.packed_size() > PACK_BYTES;
            if full && !self.bytes.is_empty() {
                break;
            }
            write_piece(&mut self.bytes, piece);
            count += 1;
        }
        if count > 0 {
            let bounded = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
            let (offset, length) = (bounded(begin), bounded(self.bytes.len() - begin));
            self.chunks.push((run, Chunk { pack: self.number, offset, length }, count));
        }
        count
    }
}

/// Puts the records of runs into packs, those of one run beside each other.
fn write_packs(runs: &[(RunId, Vec<Piece>)], first: u32) -> Vec<Writing> {
    let mut packs = Vec::new();
    let mut pack = Writing::new(first);
    for (run, pieces) in runs {
        let mut left = &pieces[..];
        while !left.is_empty() {
            let written = pack.write(*run, left);
            left = &left[written..];
            if !left.is_empty() {
                let next = Writing::new(pack.number + 1);
                packs.push(std::mem::replace(&mut pack, next));
            }
        }
    }
    packs.push(pack);
    packs.retain(|pack| !pack.chunks.is_empty());
    packs
}

async fn store_packs(around: &Surroundings, packs: Vec<Writing>) -> Option<Packed> {
    let mut stored = Vec::with_capacity(packs.len());
    for Writing { bytes, chunks, .. } in packs {
        let (live, bytes) = (bytes.len() as u64, Bytes::from(bytes));
        let put = PutBlob { owner: records::STREAM, bytes, expected: None };
        match around.journal.ask(put, around.journal_timeout).await {
            Ok(Ok(blob)) => stored.push(StoredPack { pack: Pack { blob, live }, chunks }),
            outcome => {
                tracing::warn!(?outcome, "a pack of histories was not stored");
                return None;
            }
        }
    }
    Some(Packed(stored))
}

impl WorkflowEngine {
    /// Notes that the index contains all up to `at`; packs histories when that is due.
    pub(super) fn keep(&mut self, at: Position, ctx: &mut Context<Self>) {
        self.keeping.applied = at;
        if self.keeping.is_due(&self.config) {
            self.pack(ctx);
        }
    }

    /// Looks from time to time whether the log could do without old records.
    pub(super) fn look_at_log(&mut self, ctx: &mut Context<Self>) {
        ctx.send_after(LOOK, WorkflowsMessage::Own(Step(Own::Look)));
        if self.is_quiet() && self.keeping.is_stale(ctx.now()) {
            let seen = |outcome| WorkflowsMessage::Own(Step(Own::Looked(outcome)));
            self.journal.ask_into(Health {}, self.journal_timeout(), &ctx.address(), seen);
        }
    }

    /// While nothing is under way, the index contains all that the log has of this stream.
    pub(super) fn looked(&mut self, health: Asked<JournalHealth>, ctx: &mut Context<Self>) {
        let Ok(health) = health else { return };
        let further = health.last > self.keeping.applied || self.keeping.owed == OWED;
        if further && self.is_quiet() && self.keeping.is_stale(ctx.now()) {
            self.keeping.applied = self.keeping.applied.max(health.last);
            self.pack(ctx);
        }
    }

    fn is_quiet(&self) -> bool {
        self.works() && self.flights.is_empty() && self.gathering.is_empty()
    }

    fn pack(&mut self, ctx: &mut Context<Self>) {
        self.keeping.begin(ctx.now());
        let recent = self.index.in_order().filter(|(_, entry)| !entry.trail.recent.is_empty());
        let runs: Vec<_> = recent.map(|(run, entry)| (run, entry.trail.recent.clone())).collect();
        let (first, around) = (self.index.next_pack(), self.surround(ctx));
        let work = async move {
            let write = move || write_packs(&runs, first);
            let packs = tokio::task::spawn_blocking(write).await;
            let packs = packs.inspect_err(|error| tracing::error!(%error, "no packs were written"));
            store_packs(&around, packs.ok()?).await
        };
        let packed = |outcome| WorkflowsMessage::Own(Step(Own::Packed(outcome)));
        if ctx.attach(work, packed).is_err() {
            self.keeping.busy = false;
        }
    }

    /// Takes the packed records out of memory, and makes a snapshot of the index as it is now.
    pub(super) fn packed(
        &mut self,
        outcome: Result<Option<Packed>, TaskFailure>,
        ctx: &mut Context<Self>,
    ) {
        let (Ok(Some(Packed(packs))), true) = (outcome, self.works()) else {
            self.keeping.busy = false;
            return;
        };
        for StoredPack { pack, chunks } in packs {
            self.index.packed(pack, &chunks);
        }
        let (index, at) = (self.index.clone(), self.keeping.applied);
        let encode = move || {
            let live = live_blobs(&index);
            records::encode_snapshot(&index).map(|bytes| Snapshot { bytes, live })
        };
        let work = async move {
            let encoded = tokio::task::spawn_blocking(encode).await;
            let encoded = encoded.inspect_err(|error| tracing::error!(%error, "no snapshot"));
            let encoded = encoded.ok()?;
            encoded.inspect_err(|error| tracing::error!(%error, "no snapshot of the runs")).ok()
        };
        let encoded = move |outcome| WorkflowsMessage::Own(Step(Own::Encoded { at, outcome }));
        if ctx.attach(work, encoded).is_err() {
            self.keeping.busy = false;
        }
    }

    pub(super) fn encoded(
        &mut self,
        at: Position,
        outcome: Result<Option<Snapshot>, TaskFailure>,
        ctx: &Context<Self>,
    ) {
        let Ok(Some(Snapshot { bytes, live })) = outcome else {
            self.keeping.busy = false;
            return;
        };
        self.keeping.live = live;
        let stream = records::STREAM;
        let save = SaveSnapshot { stream, at, version: records::SNAPSHOT_VERSION, bytes };
        let saved = move |outcome| WorkflowsMessage::Own(Step(Own::Saved { at, outcome }));
        self.journal.ask_into(save, self.journal_timeout(), &ctx.address(), saved);
    }

    pub(super) fn saved(
        &mut self,
        at: Position,
        outcome: Asked<Result<(), SnapshotError>>,
        ctx: &Context<Self>,
    ) {
        self.keeping.busy = false;
        let live = std::mem::take(&mut self.keeping.live);
        if !matches!(outcome, Ok(Ok(()))) {
            return tracing::warn!(?outcome, "a snapshot of the runs was not saved");
        }
        self.keeping.saved();
        let truncated = |outcome| WorkflowsMessage::Own(Step(Own::Truncated(outcome)));
        let swept = |outcome| WorkflowsMessage::Own(Step(Own::Swept(outcome)));
        let (within, address) = (self.journal_timeout(), ctx.address());
        self.journal.ask_into(Truncate { before: at }, within, &address, truncated);
        let sweep = SweepBlobs { owner: records::STREAM, live };
        self.journal.ask_into(sweep, within, &address, swept);
    }

    pub(super) fn truncated(&self, outcome: &Asked<Result<Truncated, TruncateError>>) {
        match outcome {
            Ok(Ok(Truncated { segments, first })) => {
                tracing::debug!(segments, %first, "old records of runs were dropped");
            }
            outcome => tracing::warn!(?outcome, "old records of runs were not dropped"),
        }
    }

    pub(super) fn swept(&self, outcome: &Asked<Result<Swept, BlobError>>) {
        match outcome {
            Ok(Ok(Swept { blobs, bytes })) => {
                tracing::debug!(blobs, bytes, "blobs of runs that nobody names were removed");
            }
            outcome => tracing::warn!(?outcome, "blobs of runs were not removed"),
        }
    }

    /// Forgets ended runs that are too many or too old, and what only they needed.
    pub(super) fn sweep(&mut self, ctx: &Context<Self>) {
        let now = utc(ctx);
        let (kept, most) = (self.index.ended().len() as u64, self.config.keep_ended);
        let too_many = kept > most + most / SLACK + 1;
        let oldest_kept = now.saturating_sub(seconds(self.config.keep_ended_s));
        let too_old = self.index.ended().first().is_some_and(|(at, _)| *at < oldest_kept);
        let due = now >= self.keeping.swept.saturating_add(SWEEP_US);
        let wanted = too_many || (too_old && due);
        if !wanted {
            return;
        }
        self.keeping.swept = now;
        let surplus = usize::try_from(kept.saturating_sub(most)).unwrap_or(usize::MAX);
        let ended = self.index.ended().iter().enumerate();
        let gone = ended.take_while(|(at, (ended, _))| *at < surplus || *ended < oldest_kept);
        let Some(through) = gone.last().map(|(_, end)| *end) else { return };
        let keys_before = now.saturating_sub(seconds(self.config.keep_keys_s));
        let is_free = |hash: &_| !self.starting.needs(hash) && !self.doomed.contains(hash);
        let definitions: Vec<_> = self.index.definitions.unused().filter(is_free).collect();
        self.doomed.extend(definitions.iter().copied());
        self.gather_engine(EngineEvent::Forgot { through, keys_before, definitions });
    }
}

fn seconds(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX / SECOND_US).saturating_mul(SECOND_US)
}

/// The blobs that the index names.
fn live_blobs(index: &Index) -> HashSet<BlobId> {
    let packs = index.packs().map(|(_, pack)| pack.blob);
    let texts = index.definitions.all().filter_map(|definition| definition.known.blob);
    let values = index.in_order().map(|(_, entry)| Arc::clone(entry));
    let values = values.flat_map(|entry| entry.blobs.clone());
    packs.chain(texts).chain(values).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::history::read_chunk;

    #[test]
    fn records_of_a_run_stay_in_order_over_packs() {
        let piece = |byte: u8| Piece { version: 1, bytes: vec![byte; 400_000].into() };
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let runs = [(one, (0..6).map(piece).collect()), (two, vec![piece(9)])];
        let packs = write_packs(&runs, 3);
        let numbers: Vec<_> = packs.iter().map(|pack| pack.number).collect();
        assert_eq!(numbers, [3, 4, 5, 6]);
        let mut read = Vec::new();
        for Writing { bytes, chunks, .. } in packs {
            let bytes = Bytes::from(bytes);
            for (run, chunk, count) in chunks {
                let pieces = read_chunk(&bytes, chunk).unwrap();
                assert_eq!(pieces.len(), count);
                read.extend(pieces.iter().map(|piece| (run, piece.bytes[0])));
            }
        }
        let expected: Vec<_> = (0..6).map(|n| (one, n)).chain([(two, 9)]).collect();
        assert_eq!(read, expected);
    }
}
