//! An open journal at work.

use std::time::Duration;

use synod_runtime::{Context, Priority, Reply, Request};

use super::JournalActor;
use super::desk::{Desk, Work};
use super::event::{Duty, Event, News};
use super::jobs::Jobs;
use crate::catalog::Catalog;
use crate::commit::{Acceptance, Command, CommittedGroup, GroupCommit, Input, WriteFault};
use crate::config::JournalConfig;
use crate::error::{AppendError, BlobError, ReadError, SnapshotError, TruncateError};
use crate::messages::{
    AppendLimits, Committed, Contents, JournalHealth, JournalMessage, LoadSnapshot, Page,
    ReadStream, SaveSnapshot, SweepBlobs, Truncate, Truncated,
};
use crate::writer::Written;

type AppendReply = Reply<Result<Committed, AppendError>>;

/// What an incarnation has once it is open.
pub(super) struct Running {
    config: JournalConfig,
    incarnation: u64,
    machine: GroupCommit<AppendReply>,
    catalog: Catalog,
    desk: Desk,
    jobs: Jobs,
    /// What was last said about whether appends are taken.
    told: Acceptance,
    /// Why none are taken from the start.
    shortage: Option<String>,
    /// When the room on a full disk was last looked at (RFC 3339).
    looked: String,
    totals: Totals,
}

/// Counts since the start.
#[derive(Default)]
struct Totals {
    appends: u64,
    records: u64,
    syncs: u64,
    cut_bytes: u64,
}

impl Running {
    pub(super) fn new(
        config: JournalConfig,
        incarnation: u64,
        (machine, catalog, desk, jobs): (GroupCommit<AppendReply>, Catalog, Desk, Jobs),
        (cut_bytes, shortage): (u64, Option<String>),
    ) -> Self {
        let totals = Totals { cut_bytes, ..Totals::default() };
        let (told, looked) = (Acceptance::Open, String::new());
        Self { config, incarnation, machine, catalog, desk, jobs, told, shortage, looked, totals }
    }

    /// Says that it is open, and whether it takes appends.
    pub(super) fn begin(&mut self, ctx: &mut Context<JournalActor>) {
        let health = self.health();
        tracing::info!(
            first = health.first.0,
            last = health.last.0,
            segments = health.segments,
            bytes = health.bytes,
            streams = health.streams,
            "the journal is open"
        );
        metrics::gauge!("synod_journal_accepting").set(1.0);
        ctx.describe("accepting");
        if let Some(reason) = self.shortage.take() {
            self.full(reason, ctx);
            self.tell(ctx);
        }
    }

    pub(super) fn handle(&mut self, message: JournalMessage, ctx: &mut Context<JournalActor>) {
        match message {
            JournalMessage::Append(request) => {
                let (append, token) = request.into_parts();
                let now_us = now_us(ctx);
                self.step(Input::Append { token, append, now_us }, ctx);
            }
            JournalMessage::ReadStream(request) => self.read(request, ctx),
            JournalMessage::SaveSnapshot(request) => self.save_snapshot(request, ctx),
            JournalMessage::LoadSnapshot(request) => self.load_snapshot(request, ctx),
            JournalMessage::Truncate(request) => self.truncate(request, ctx),
            JournalMessage::PutBlob(request) => {
                let (put, reply) = request.into_parts();
                let refusal = Err(BlobError::Overloaded);
                self.jobs.run(ctx, reply, refusal, move |store| store.blobs.put(&put));
            }
            JournalMessage::GetBlob(request) => {
                let (get, reply) = request.into_parts();
                let refusal = Err(BlobError::Overloaded);
                self.jobs.run(ctx, reply, refusal, move |store| store.blobs.get(get.owner, get.id));
            }
            JournalMessage::SweepBlobs(request) => self.sweep_blobs(request, ctx),
            JournalMessage::ListBlobs(request) => {
                let (list, reply) = request.into_parts();
                let refusal = Err(BlobError::Overloaded);
                self.jobs.run(ctx, reply, refusal, move |store| store.blobs.list(list.owner));
            }
            JournalMessage::Survey(request) => request.answer(self.contents()),
            JournalMessage::Health(request) => request.answer(self.health()),
            JournalMessage::Event(event) => self.hear(event, ctx),
        }
    }

    /// Begins a group of what waits.
    pub(super) fn flush(&mut self, ctx: &mut Context<JournalActor>) {
        self.step(Input::Flush { now_us: now_us(ctx) }, ctx);
    }

    /// Waits for the disk. What nobody has answered by then tells its asker that it is unknown.
    pub(super) async fn close(self) {
        self.desk.close().await;
    }

    fn hear(&mut self, event: Event, ctx: &mut Context<JournalActor>) {
        if event.incarnation != self.incarnation {
            return;
        }
        match event.news {
            News::Written(result) => self.written(result, ctx),
            News::Probed(result) => self.probed(result, ctx),
            News::Recheck => {
                let probed = self.desk.perform(Work::Probe, || duty(ctx, self.incarnation));
                if let Some(News::Probed(result)) = probed {
                    self.probed(result, ctx);
                }
            }
            News::JobEnded => self.jobs.ended(),
        }
    }

    fn written(&mut self, result: Result<Written, WriteFault>, ctx: &mut Context<JournalActor>) {
        let result = result.map(|written| {
            self.totals.syncs += 1;
            metrics::counter!("synod_journal_syncs_total").increment(1);
            metrics::histogram!("synod_journal_sync_seconds").record(written.sync);
        });
        self.step(Input::Done { result, now_us: now_us(ctx) }, ctx);
        self.tell(ctx);
    }

    fn probed(&mut self, result: Result<(), WriteFault>, ctx: &mut Context<JournalActor>) {
        match result {
            Ok(()) => self.step(Input::SpaceBack, ctx),
            Err(WriteFault::Full(reason)) => {
                self.full(reason, ctx);
                self.recheck_later(ctx);
            }
            Err(fault) => self.step(Input::Done { result: Err(fault), now_us: now_us(ctx) }, ctx),
        }
        self.tell(ctx);
    }

    /// The disk is full, or full still: what is told of the room is what was seen last.
    fn full(&mut self, reason: String, ctx: &mut Context<JournalActor>) {
        let result = Err(WriteFault::Full(reason));
        self.step(Input::Done { result, now_us: now_us(ctx) }, ctx);
    }

    fn recheck_later(&self, ctx: &mut Context<JournalActor>) {
        let event = Event { incarnation: self.incarnation, news: News::Recheck };
        let after = Duration::from_millis(self.config.recheck_ms);
        ctx.send_after(after, JournalMessage::Event(event));
    }

    /// Steps the machine and does what it wants. A writer in the actor's turn is done at once, and
    /// its news are the next input; a batch of messages bounds how deep that goes.
    fn step(&mut self, input: Input<AppendReply>, ctx: &mut Context<JournalActor>) {
        if let Input::Done { result: Err(WriteFault::Full(_)), .. } = &input {
            self.looked = format!("{:.0}", ctx.system().clock().utc());
        }
        let mut commands = Vec::new();
        self.machine.step(input, &mut commands);
        for command in commands {
            match command {
                Command::Answer(reply, answer) => reply.send(answer),
                Command::Committed(group) => self.committed(&group),
                Command::Write(group) => {
                    let work = Work::Commit(group);
                    let news = self.desk.perform(work, || duty(ctx, self.incarnation));
                    if let Some(News::Written(result)) = news {
                        self.written(result, ctx);
                    }
                }
            }
        }
    }

    fn committed(&mut self, group: &CommittedGroup) {
        group.enter(&mut self.catalog);
        self.totals.appends += group.appends;
        self.totals.records += group.records;
        metrics::counter!("synod_journal_appends_total").increment(group.appends);
        metrics::counter!("synod_journal_records_total").increment(group.records);
        metrics::counter!("synod_journal_bytes_total").increment(group.bytes);
        metrics::histogram!("synod_journal_batch_appends").record(group.appends as f64);
    }

    /// Says when appends are taken no longer, or again.
    fn tell(&mut self, ctx: &mut Context<JournalActor>) {
        let now = self.machine.acceptance();
        // How much room there is on a full disk is no news.
        if std::mem::discriminant(now) == std::mem::discriminant(&self.told) {
            return;
        }
        match now {
            Acceptance::Open => {
                tracing::info!("the disk has room again, appends are taken");
                ctx.describe("accepting");
            }
            Acceptance::Full(reason) => {
                tracing::error!(reason, "the disk is full, no appends are taken");
                ctx.describe(format!("not accepting: {reason}"));
            }
            Acceptance::Failed(reason) => {
                tracing::error!(reason, "no appends are taken before a restart");
                ctx.describe(format!("not accepting before a restart: {reason}"));
            }
        }
        let accepting = matches!(now, Acceptance::Open);
        metrics::gauge!("synod_journal_accepting").set(if accepting { 1.0 } else { 0.0 });
        self.told = now.clone();
        if matches!(self.told, Acceptance::Full(_)) {
            self.recheck_later(ctx);
        }
    }

    fn read(&mut self, request: Request<ReadStream>, ctx: &mut Context<JournalActor>) {
        let (mut read, reply) = request.into_parts();
        read.max_records = read.max_records.clamp(1, self.config.max_page_records);
        read.max_bytes = read.max_bytes.min(self.config.max_page_bytes);
        let plan = self.catalog.plan(&read.stream, read.after, read.max_records as usize);
        if plan.pieces.is_empty() {
            return reply.send(Ok(Page::default()));
        }
        let refusal = Err(ReadError::Overloaded);
        self.jobs.run(ctx, reply, refusal, move |store| store.read(&read, &plan));
    }

    fn save_snapshot(&mut self, request: Request<SaveSnapshot>, ctx: &mut Context<JournalActor>) {
        let (save, reply) = request.into_parts();
        let (at, last) = (save.at, self.machine.last());
        if at > last {
            return reply.send(Err(SnapshotError::AheadOfLog { at, last }));
        }
        let refusal = Err(SnapshotError::Overloaded);
        self.jobs.run(ctx, reply, refusal, move |store| store.snapshots.save(&save));
    }

    fn load_snapshot(&mut self, request: Request<LoadSnapshot>, ctx: &mut Context<JournalActor>) {
        let (LoadSnapshot { stream }, reply) = request.into_parts();
        let version = self.machine.heads().version(&stream).unwrap_or(0);
        let all = self.catalog.holds_all(&stream, version);
        let refusal = Err(SnapshotError::Overloaded);
        self.jobs.run(ctx, reply, refusal, move |store| store.snapshots.load(&stream, all));
    }

    fn truncate(&mut self, request: Request<Truncate>, ctx: &mut Context<JournalActor>) {
        let (Truncate { before }, reply) = request.into_parts();
        if self.jobs.is_full() {
            return reply.send(Err(TruncateError::Overloaded));
        }
        let snapshots = &self.jobs.store().snapshots;
        let dropped = self.catalog.droppable(before, |stream| snapshots.covered_twice(stream));
        self.catalog.drop_oldest(dropped.len());
        let segments = u32::try_from(dropped.len()).unwrap_or(u32::MAX);
        let truncated = Truncated { segments, first: self.catalog.first() };
        let refusal = Err(TruncateError::Overloaded);
        self.jobs.run(ctx, reply, refusal, move |store| store.remove(&dropped).map(|()| truncated));
    }

    fn sweep_blobs(&mut self, request: Request<SweepBlobs>, ctx: &mut Context<JournalActor>) {
        let (sweep, reply) = request.into_parts();
        let grace_us = i64::try_from(self.config.blob_grace_s * 1_000_000).unwrap_or(i64::MAX);
        let before_us = now_us(ctx).saturating_sub(grace_us);
        let refusal = Err(BlobError::Overloaded);
        self.jobs.run(ctx, reply, refusal, move |store| store.blobs.sweep(&sweep, before_us));
    }

    fn contents(&self) -> Contents {
        let heads = self.machine.heads();
        Contents { streams: heads.by_name(), epochs: heads.epochs(), last: self.machine.last() }
    }

    fn health(&self) -> JournalHealth {
        let reason = match self.machine.acceptance() {
            Acceptance::Open => None,
            Acceptance::Full(reason) => {
                Some(format!("disk full: {reason} (looked at {})", self.looked))
            }
            Acceptance::Failed(reason) => Some(format!("stopped before a restart: {reason}")),
        };
        JournalHealth {
            accepting: reason.is_none(),
            reason,
            first: self.catalog.first(),
            last: self.machine.last(),
            segments: self.catalog.segments() as u64,
            bytes: self.catalog.bytes(),
            streams: self.machine.heads().streams() as u64,
            pending: self.machine.waiting() as u64,
            appends: self.totals.appends,
            records: self.totals.records,
            syncs: self.totals.syncs,
            cut_bytes: self.totals.cut_bytes,
            limits: AppendLimits {
                records: self.config.max_append_records,
                record_bytes: self.config.max_record_bytes,
                bytes: self.config.max_group_bytes,
            },
        }
    }
}

fn now_us(ctx: &Context<JournalActor>) -> i64 {
    ctx.system().clock().utc().as_microsecond()
}

/// The duty to report through a slot reserved now; `None` when the mailbox has no slot left.
fn duty(ctx: &Context<JournalActor>, incarnation: u64) -> Option<Duty> {
    let permit = ctx.address().reserve().ok()?;
    // What is on the disk is answered before more is taken.
    Some(Duty::new(permit.with_priority(Priority::Critical), incarnation))
}
