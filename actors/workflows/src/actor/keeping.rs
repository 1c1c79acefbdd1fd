//! Keeping the log short: histories are packed, the index is stored as a snapshot, and records
//! that both contain are dropped. Ended runs are kept for a time and up to a number.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use synod_journal::{
    BlobError, BlobId, Health, JournalHealth, Position, SaveSnapshot, SnapshotError, SweepBlobs,
    Swept, Truncate, TruncateError, Truncated,
};
use synod_runtime::{Context, TaskFailure};
use tokio::time::Instant;

use super::WorkflowEngine;
use super::step::{Asked, Own, Step};
use super::utc;
use crate::config::WorkflowsConfig;
use crate::history::EngineEvent;
use crate::index::Index;
use crate::messages::WorkflowsMessage;
use crate::records;

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
    /// Packs that the snapshot before it names and this one doesn't: should this one turn out
    /// damaged, that one is read.
    pub retired: HashSet<BlobId>,
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

    pub(super) fn begin(&mut self, now: Instant) {
        (self.records, self.bytes, self.busy) = (0, 0, true);
        self.begun = Some(now);
    }

    /// It came to nothing.
    pub(super) fn give_up(&mut self) {
        self.busy = false;
    }

    /// A snapshot is stored.
    fn saved(&mut self) {
        self.retired.clear();
        if self.records == 0 {
            self.owed = self.owed.saturating_sub(1);
        }
    }
}

/// A snapshot as bytes, and the blobs that it names.
#[derive(Debug)]
pub(in crate::actor) struct Snapshot {
    bytes: Bytes,
    live: HashSet<BlobId>,
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

    /// Makes a snapshot of the index as it is now.
    pub(super) fn snapshot(&mut self, ctx: &mut Context<Self>) {
        let (index, at) = (self.index.clone(), self.keeping.applied);
        let encode = move || {
            let live = live_blobs(&index);
            records::encode_snapshot(&index).map(|bytes| Snapshot { bytes, live })
        };
        let work = async move {
            let encoded = synod_runtime::beside(encode).await;
            let encoded = encoded.inspect_err(|error| tracing::error!(%error, "no snapshot"));
            let encoded = encoded.ok()?;
            encoded.inspect_err(|error| tracing::error!(%error, "no snapshot of the runs")).ok()
        };
        let encoded = move |outcome| WorkflowsMessage::Own(Step(Own::Encoded { at, outcome }));
        if ctx.attach(work, encoded).is_err() {
            self.keeping.give_up();
        }
    }

    pub(super) fn encoded(
        &mut self,
        at: Position,
        outcome: Result<Option<Snapshot>, TaskFailure>,
        ctx: &Context<Self>,
    ) {
        let Ok(Some(Snapshot { bytes, live })) = outcome else {
            self.keeping.give_up();
            return;
        };
        self.keeping.live = live;
        self.keeping.live.extend(&self.keeping.retired);
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
        self.keeping.give_up();
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

/// So many seconds in microseconds.
pub(super) fn seconds(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX / SECOND_US).saturating_mul(SECOND_US)
}

/// The blobs that the index names.
fn live_blobs(index: &Index) -> HashSet<BlobId> {
    let packs = index.packs().map(|(_, pack)| pack.blob);
    let texts = index.definitions.all().filter_map(|definition| definition.known.blob);
    let values = index.in_order().map(|(_, entry)| Arc::clone(entry));
    let values = values.flat_map(|entry| entry.blobs.clone());
    let results = index.results.in_blobs().map(|(_, blob)| blob);
    packs.chain(texts).chain(values).chain(results).collect()
}
