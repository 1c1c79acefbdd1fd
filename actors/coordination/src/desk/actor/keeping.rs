//! Keeping the log short: snapshots, and dropping what they contain.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use synod_journal::{
    Health, JournalHealth, Position, SaveSnapshot, SnapshotError, Truncate, TruncateError,
    Truncated,
};
use synod_runtime::{Context, TaskFailure};
use tokio::time::Instant;

use super::Desk;
use super::own::{Asked, Event, Own};
use super::release::Release;
use crate::desk::conversation::Conversation;
use crate::desk::messages::DeskMessage;
use crate::desk::records::{self, SNAPSHOT_VERSION};
use crate::protocol::{Moment, Protocol};

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
}

impl Keeping {
    /// Begins to count anew, with what a recovery had to read.
    pub(super) fn restart(&mut self, records: u64, bytes: u64) {
        // An image that waited for an append is gone.
        (self.records, self.bytes, self.busy) = (records, bytes, false);
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
}

impl<P: Protocol> Desk<P> {
    /// Has a snapshot made of what the book says now, once it is stored, when enough was stored
    /// since the last one.
    pub(super) fn image_if_due(&mut self) {
        let Self { keeping, config, .. } = self;
        let enough =
            keeping.records >= config.snapshot_records || keeping.bytes >= config.snapshot_bytes;
        if keeping.busy || !enough || self.refusal.is_some() {
            return;
        }
        if let Some(releases) = self.queue.last_recorded() {
            self.keeping.begin();
            let (at, image) = self.book.image();
            releases.push(Release::Image(at, image));
        }
    }

    /// Looks from time to time whether the log could do without old records.
    pub(super) fn look_at_log(&mut self, ctx: &mut Context<Self>) {
        ctx.send_after(LOOK, DeskMessage::Own(Own(Event::Look)));
        if self.is_quiet() && self.keeping.is_stale(ctx.now()) {
            let seen = |outcome| DeskMessage::Own(Own(Event::Looked(outcome)));
            self.journal.ask_into(Health {}, self.journal_timeout(), &ctx.address(), seen);
        }
    }

    /// While nothing is under way, the book contains all that the log has of this stream.
    pub(super) fn looked(&mut self, health: Asked<JournalHealth>, ctx: &mut Context<Self>) {
        let Ok(health) = health else { return };
        if health.last > self.keeping.kept && self.is_quiet() && self.keeping.is_stale(ctx.now()) {
            self.keeping.begin();
            let (last, image) = self.book.image();
            self.keep(health.last, last, image, ctx);
        }
    }

    fn is_quiet(&self) -> bool {
        self.refusal.is_none() && self.flight.is_none() && self.queue.is_empty()
    }

    /// Makes a snapshot of what is stored up to `at`, beside the desk's own work: the image shares
    /// its conversations with the book.
    pub(super) fn keep(
        &mut self,
        at: Position,
        last: Moment,
        image: Vec<Arc<Conversation<P>>>,
        ctx: &mut Context<Self>,
    ) {
        (self.keeping.begun, self.keeping.kept) = (Some(ctx.now()), at);
        let encode = move || records::encode_snapshot(last, &image);
        let work = async move {
            match synod_runtime::beside(encode).await {
                Ok(Ok(snapshot)) => Some(snapshot),
                Ok(Err(error)) => {
                    tracing::error!(%error, "a snapshot of a desk can't be encoded");
                    None
                }
                Err(error) => {
                    tracing::error!(%error, "a snapshot of a desk was not encoded");
                    None
                }
            }
        };
        let encoded = move |outcome| DeskMessage::Own(Own(Event::Encoded { at, outcome }));
        if ctx.attach(work, encoded).is_err() {
            self.keeping.busy = false;
        }
    }

    pub(super) fn encoded(
        &mut self,
        at: Position,
        outcome: Result<Option<Bytes>, TaskFailure>,
        ctx: &Context<Self>,
    ) {
        let (Ok(Some(bytes)), Some(stream)) = (outcome, self.stream) else {
            self.keeping.busy = false;
            return;
        };
        let save = SaveSnapshot { stream, at, version: SNAPSHOT_VERSION, bytes };
        let saved = move |outcome| DeskMessage::Own(Own(Event::Saved { at, outcome }));
        self.journal.ask_into(save, self.journal_timeout(), &ctx.address(), saved);
    }

    pub(super) fn saved(
        &mut self,
        at: Position,
        outcome: Asked<Result<(), SnapshotError>>,
        ctx: &Context<Self>,
    ) {
        self.keeping.busy = false;
        match outcome {
            Ok(Ok(())) => {
                if self.keeping.records == 0 {
                    self.keeping.owed = self.keeping.owed.saturating_sub(1);
                }
                let truncated = |outcome| DeskMessage::Own(Own(Event::Truncated(outcome)));
                let truncate = Truncate { before: at };
                let within = self.journal_timeout();
                self.journal.ask_into(truncate, within, &ctx.address(), truncated);
            }
            outcome => tracing::warn!(?outcome, "a snapshot of a desk was not saved"),
        }
    }

    pub(super) fn truncated(&self, outcome: &Asked<Result<Truncated, TruncateError>>) {
        match outcome {
            Ok(Ok(Truncated { segments, first })) => {
                tracing::debug!(segments, %first, "old records of a desk were dropped");
            }
            outcome => tracing::warn!(?outcome, "old records of a desk were not dropped"),
        }
    }
}
