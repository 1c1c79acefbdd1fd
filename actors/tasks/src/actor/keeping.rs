//! Keeping the log short: snapshots, dropping what they contain, sweeping blobs nobody names.

use std::collections::HashSet;

use bytes::Bytes;
use synod_journal::{
    BlobError, BlobId, Position, SaveSnapshot, SnapshotError, SweepBlobs, Swept, Truncate,
    TruncateError, Truncated,
};
use synod_runtime::{Context, TaskFailure};

use super::TaskEngine;
use super::step::{Asked, Own, Step};
use crate::config::TasksConfig;
use crate::machine::Book;
use crate::messages::TasksMessage;
use crate::records;
use crate::task::{Body, Part, Task, Verdict};

/// How much has been stored since the last snapshot, and whether one is being made.
#[derive(Default)]
pub(super) struct Keeping {
    records: u64,
    bytes: u64,
    busy: bool,
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
    }

    pub(super) fn stored(&mut self, records: u64, bytes: u64) {
        self.records += records;
        self.bytes += bytes;
    }

    /// Whether enough has been stored for another snapshot; if so, it counts as begun.
    pub(super) fn is_due(&mut self, config: &TasksConfig) -> bool {
        let enough = self.records >= config.snapshot_records || self.bytes >= config.snapshot_bytes;
        let due = enough && !self.busy;
        if due {
            *self = Self { busy: true, ..Self::default() };
        }
        due
    }
}

impl TaskEngine {
    /// Makes a snapshot of what is stored up to `at`, beside the engine's own work: the book
    /// shares its tasks with the machine's, so it cost no more than their pointers to take.
    pub(super) fn keep(&mut self, at: Position, book: Book, ctx: &mut Context<Self>) {
        let encode = move || {
            let encoded = records::encode_snapshot(&book);
            let live = live_blobs(&book);
            encoded.map(|bytes| EncodedSnapshot { bytes, live })
        };
        let work = async move {
            match tokio::task::spawn_blocking(encode).await {
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
