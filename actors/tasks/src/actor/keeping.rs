//! Keeping the log short: snapshots, dropping what they contain, sweeping blobs nobody names.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use synod_journal::{
    BlobError, BlobId, Health, JournalHealth, Position, SaveSnapshot, SnapshotError, SweepBlobs,
    Swept, Truncate, TruncateError, Truncated,
};
use synod_runtime::{Context, TaskFailure};
use tokio::time::Instant;

use super::TaskEngine;
use super::step::{Asked, Own, Step};
use crate::config::TasksConfig;
use crate::machine::Book;
use crate::messages::{EnginePhase, TasksMessage};
use crate::records;
use crate::task::{Body, Part, Task, Verdict};

/// How often it is looked whether old records can be let go of, and how old a snapshot may be then.
const LOOK: Duration = Duration::from_secs(60);
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
    /// The last position that a snapshot was made at.
    kept: Position,
    /// The blobs that the snapshot being saved names.
    live: HashSet<BlobId>,
}

/// A snapshot as bytes, and the blobs that it names.
#[derive(Debug)]
pub(super) struct EncodedSnapshot {
    bytes: Bytes,
    live: HashSet<BlobId>,
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

    /// Whether the last snapshot is old, and more are owed.
    fn is_stale(&self, now: Instant) -> bool {
        let old = self.begun.is_none_or(|begun| now.duration_since(begun) >= STALE);
        old && self.owed > 0 && !self.busy
    }

    fn begin(&mut self) {
        (self.records, self.bytes, self.busy) = (0, 0, true);
    }

    /// Whether enough has been stored for another snapshot; if so, it counts as begun.
    pub(super) fn is_due(&mut self, config: &TasksConfig) -> bool {
        let enough = self.records >= config.snapshot_records || self.bytes >= config.snapshot_bytes;
        let due = enough && !self.busy;
        if due {
            self.begin();
        }
        due
    }
}

impl TaskEngine {
    /// Looks from time to time whether the log could do without old records.
    pub(super) fn look_at_log(&mut self, ctx: &mut Context<Self>) {
        ctx.send_after(LOOK, TasksMessage::Own(Step(Own::Look)));
        if self.is_quiet() && self.keeping.is_stale(ctx.now()) {
            let seen = |outcome| TasksMessage::Own(Step(Own::Looked(outcome)));
            self.journal.ask_into(Health {}, self.journal_timeout(), &ctx.address(), seen);
        }
    }

    /// While nothing is under way, the book contains all that the log has of this stream.
    pub(super) fn looked(&mut self, health: Asked<JournalHealth>, ctx: &mut Context<Self>) {
        let Ok(health) = health else { return };
        if health.last > self.keeping.kept && self.is_quiet() && self.keeping.is_stale(ctx.now()) {
            self.keeping.begin();
            self.keep(health.last, self.machine.book().clone(), ctx);
        }
    }

    fn is_quiet(&self) -> bool {
        let works = matches!(self.phase, EnginePhase::Running | EnginePhase::Draining);
        works && self.flights.is_empty() && self.gathering.is_empty()
    }

    /// Makes a snapshot of what is stored up to `at`, beside the engine's own work: the book
    /// shares its tasks with the machine's, so it cost no more than their pointers to take.
    pub(super) fn keep(&mut self, at: Position, book: Book, ctx: &mut Context<Self>) {
        (self.keeping.begun, self.keeping.kept) = (Some(ctx.now()), at);
        let encode = move || {
            let encoded = records::encode_snapshot(&book);
            let live = live_blobs(&book);
            encoded.map(|bytes| EncodedSnapshot { bytes, live })
        };
        let work = async move {
            match synod_runtime::beside(encode).await {
                Ok(Ok(snapshot)) => Some(snapshot),
                Ok(Err(error)) => {
                    tracing::error!(%error, "a snapshot of the tasks can't be encoded");
                    None
                }
                Err(error) => {
                    tracing::error!(%error, "a snapshot of the tasks was not encoded");
                    None
                }
            }
        };
        let encoded = move |outcome| TasksMessage::Own(Step(Own::Encoded { at, outcome }));
        if ctx.attach(work, encoded).is_err() {
            self.keeping.busy = false;
        }
    }

    pub(super) fn encoded(
        &mut self,
        at: Position,
        outcome: Result<Option<EncodedSnapshot>, TaskFailure>,
        ctx: &Context<Self>,
    ) {
        let Ok(Some(EncodedSnapshot { bytes, live })) = outcome else {
            self.keeping.busy = false;
            return;
        };
        self.keeping.live = live;
        let stream = records::STREAM;
        let save = SaveSnapshot { stream, at, version: records::SNAPSHOT_VERSION, bytes };
        let saved = move |outcome| TasksMessage::Own(Step(Own::Saved { at, outcome }));
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
        match outcome {
            Ok(Ok(())) => {
                if self.keeping.records == 0 {
                    self.keeping.owed = self.keeping.owed.saturating_sub(1);
                }
                let truncated = |outcome| TasksMessage::Own(Step(Own::Truncated(outcome)));
                let swept = |outcome| TasksMessage::Own(Step(Own::Swept(outcome)));
                let within = self.journal_timeout();
                let truncate = Truncate { before: at };
                self.journal.ask_into(truncate, within, &ctx.address(), truncated);
                let sweep = SweepBlobs { owner: records::STREAM, live };
                self.journal.ask_into(sweep, within, &ctx.address(), swept);
            }
            Ok(Err(error)) => tracing::warn!(%error, "a snapshot of the tasks was not saved"),
            Err(error) => tracing::warn!(%error, "a snapshot of the tasks was not saved"),
        }
    }

    pub(super) fn truncated(&self, outcome: Asked<Result<Truncated, TruncateError>>) {
        match outcome {
            Ok(Ok(Truncated { segments, first })) => {
                tracing::debug!(segments, %first, "old records of tasks were dropped");
            }
            outcome => tracing::warn!(?outcome, "old records of tasks were not dropped"),
        }
    }

    pub(super) fn swept(&self, outcome: Asked<Result<Swept, BlobError>>) {
        match outcome {
            Ok(Ok(Swept { blobs, bytes })) => {
                tracing::debug!(blobs, bytes, "blobs that nobody names were removed");
            }
            outcome => tracing::warn!(?outcome, "blobs that nobody names were not removed"),
        }
    }
}

/// The blobs that tasks name.
fn live_blobs(book: &Book) -> HashSet<BlobId> {
    let tasks = book.by_sequence.values().filter_map(|id| book.task(*id));
    tasks.flat_map(bodies).filter_map(Body::blob).map(|blob| BlobId(blob.hash)).collect()
}

fn bodies(task: &Task) -> impl Iterator<Item = &Body> {
    let result = match &task.verdict {
        Some(Verdict::Completed(body)) => Some(body),
        _ => None,
    };
    std::iter::once(&task.input).chain(task.parts.iter().filter_map(Part::output)).chain(result)
}
