//! Reading the state from the journal: at the start, and whenever an append has failed.

use std::sync::Arc;

use bytes::Bytes;
use synod_journal::{
    Append, AppendBounds, AppendError, Committed, Expected, Health, JournalHealth, LoadSnapshot,
    Position, ReadStream,
};
use synod_runtime::{ActorError, Context};
use synod_tasks::EnginePhase;

use super::commit::{Failed, append_options};
use super::deliveries::Deliveries;
use super::queue::Queue;
use super::run::blob;
use super::seats::Seats;
use super::step::{Asked, Own, Step};
use super::stored::Release;
use super::{RECHECK, WorkflowEngine, utc};
use crate::error::{DefineError, StartError};
use crate::history::{EngineEvent, Handle, Piece};
use crate::index::Index;
use crate::json::Json;
use crate::messages::{RunId, RunState, WorkflowsMessage};
use crate::records::{self, Decoded};

/// Records of a page.
const PAGE_RECORDS: u32 = 4_096;

/// Bytes of a page.
const PAGE_BYTES: u64 = 4 << 20;

impl WorkflowEngine {
    /// Makes the index what the log says.
    async fn recover(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let (mut index, mut after) = self.load_snapshot().await?;
        self.keeping.applied = after;
        let (mut count, mut bytes) = (0, 0);
        loop {
            let page = ReadStream {
                stream: records::STREAM,
                after,
                max_records: PAGE_RECORDS,
                max_bytes: PAGE_BYTES,
            };
            let page = self.journal.ask(page, self.journal_timeout()).await??;
            for record in &page.records {
                match records::decode(record)? {
                    Decoded::Engine(event) => index.apply_engine(&event),
                    Decoded::Run(run) => {
                        // The record alone is kept, not the page that it came with.
                        let bytes = Bytes::copy_from_slice(&record.bytes);
                        index.apply(&run, Piece { version: record.version, bytes })?;
                    }
                }
                self.keeping.applied = record.position;
                bytes += record.bytes.len() as u64;
            }
            count += page.records.len() as u64;
            match page.next {
                Some(next) => after = next,
                None => break,
            }
        }
        tracing::info!(records = count, runs = index.len(), "the workflow engine has read its log");
        self.keeping.restart(count, bytes);
        self.index = index;
        self.read_texts(ctx).await?;
        self.read_results(ctx).await;
        Ok(())
    }

    async fn load_snapshot(&mut self) -> Result<(Index, Position), ActorError> {
        let load = LoadSnapshot { stream: records::STREAM };
        let Some(snapshot) = self.journal.ask(load, self.journal_timeout()).await?? else {
            return Ok((Index::default(), Position::START));
        };
        let (version, bytes) = (snapshot.version, snapshot.bytes);
        let decode = move || records::decode_snapshot(version, &bytes);
        let index = synod_runtime::beside(decode).await??;
        Ok((index, snapshot.at))
    }

    /// Reads the definitions that are too large for a record, and puts all into the library.
    async fn read_texts(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let around = self.surround(ctx);
        let known: Vec<_> =
            self.index.definitions.all().map(|definition| Arc::clone(&definition.known)).collect();
        for known in known {
            let text = match known.blob {
                Some(id) if known.text.is_empty() => {
                    let text = blob(&around, id).await?;
                    self.index.definitions.fill(&known.hash, text.clone());
                    text
                }
                _ => known.text.clone(),
            };
            self.library.add(known.hash, text, None);
        }
        Ok(())
    }

    /// Reads the results that are too large for a record, and lets runs look at all. One that is
    /// not there is made again.
    async fn read_results(&mut self, ctx: &mut Context<Self>) {
        let around = self.surround(ctx);
        for (scope, id) in self.index.results.in_blobs().collect::<Vec<_>>() {
            match blob(&around, id).await.map(Json::stored) {
                Ok(Ok(output)) => self.index.results.fill(&scope, output),
                outcome => {
                    tracing::warn!(%id, ?outcome, "a kept result can't be read");
                    self.index.results.forget(&scope);
                }
            }
        }
        self.cache.replace(self.index.results.clone());
    }

    /// Goes to work from what the log says, or says why not.
    ///
    /// An older incarnation, or this one before a failure, may have appends under way that are not
    /// on the disk yet and would be after the log was read. So a record is appended first: the
    /// journal takes appends in order, and once this one is stored, so is all that came before it.
    pub(super) async fn open(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let health = self.journal.ask(Health {}, self.journal_timeout()).await?;
        self.head.bounds = AppendBounds::within(health.limits);
        self.around = None;
        let opened = self.append_opened(utc(ctx)).await;
        self.recover(ctx).await?;
        self.settle_waiters(ctx);
        match opened {
            Ok(committed) => {
                self.head.version = committed.stream_version;
                self.begin_work(ctx);
            }
            Err(failed) => {
                self.refuse(failed.reason);
                ctx.send_after(RECHECK, WorkflowsMessage::Own(Step(Own::Recheck)));
            }
        }
        Ok(())
    }

    async fn append_opened(&mut self, at: i64) -> Result<Committed, Failed> {
        let record = records::encode_engine(&EngineEvent::Opened { at });
        let record =
            record.map_err(|error| Failed { reason: error.to_string(), by_itself: false })?;
        loop {
            let append = Append {
                partition: records::ENGINE_PARTITION,
                stream: records::STREAM,
                expected: Expected::Any,
                epoch: self.head.epoch,
                records: vec![record.clone()],
            };
            match self.journal.ask_with(append, self.journal_timeout(), append_options()).await? {
                Err(AppendError::Fenced { current, .. }) if current > self.head.epoch => {
                    self.head.epoch = current;
                }
                outcome => return Ok(outcome?),
            }
        }
    }

    /// Goes on with all runs that are open.
    fn begin_work(&mut self, ctx: &mut Context<Self>) {
        self.reason = None;
        self.phase = match self.drain {
            None => EnginePhase::Running,
            Some(_) => EnginePhase::Draining,
        };
        self.gather_engine(EngineEvent::Began { at: utc(ctx) });
        let open: Vec<_> = self
            .index
            .open_runs()
            .map(|(run, entry)| (run, entry.standing.state, self.has_ended_child(&entry.handles)))
            .collect();
        for (run, state, has_ended_child) in open {
            match state {
                RunState::Pending => self.enqueue(run),
                RunState::Waiting | RunState::Paused if !has_ended_child => self.park(run),
                _ => _ = self.seat_stored(run, false, ctx),
            }
        }
    }

    /// Whether a child that a run waits for is not under way: the run was not told of its end, or
    /// it was not started yet.
    fn has_ended_child(&self, handles: &[Handle]) -> bool {
        let is_open = |child: &RunId| self.index.run(*child).is_some_and(|entry| entry.is_open());
        handles.iter().any(|handle| match handle {
            Handle::Child(child) => !is_open(child),
            _ => false,
        })
    }

    /// Stops accepting and deciding.
    fn refuse(&mut self, reason: String) {
        tracing::warn!(reason, "the workflow engine refuses work");
        self.phase = EnginePhase::Refusing;
        self.reason = Some(reason);
    }

    /// An append has failed: whoever waits for it learns so, and the state is read anew. Runs have
    /// decided ahead of what is stored, so they begin again from there.
    pub(super) async fn fail(
        &mut self,
        failed: Failed,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        for release in self.unreleased() {
            revoke(release, &failed.reason);
        }
        self.starting.refuse(&failed.reason);
        for name in self.seats.names() {
            ctx.stop_child(&name);
        }
        self.seats = Seats::after(&self.seats);
        (self.queue, self.deliveries) = (Queue::default(), Deliveries::default());
        self.wakes.clear();
        self.doomed.clear();
        self.refuse(failed.reason);
        let now = ctx.now();
        let again = self.faulty.replace(now).is_some_and(|last| now - last < RECHECK);
        if failed.by_itself && !again {
            // The journal takes the rest. A fault that comes back at once waits like any other.
            return self.open(ctx).await;
        }
        self.recover(ctx).await?;
        self.settle_waiters(ctx);
        ctx.send_after(RECHECK, WorkflowsMessage::Own(Step(Own::Recheck)));
        Ok(())
    }

    /// Answers who waits for a run that, as is known now, has ended or was never accepted.
    fn settle_waiters(&mut self, ctx: &mut Context<Self>) {
        for run in self.waiters.runs() {
            if !self.index.run(run).is_some_and(|entry| entry.is_open()) {
                let waiters = self.waiters.take(run);
                self.show_all(run, waiters, ctx);
            }
        }
    }

    pub(super) fn recheck(&self, ctx: &Context<Self>) {
        let health = |outcome| WorkflowsMessage::Own(Step(Own::Rechecked(outcome)));
        self.journal.ask_into(Health {}, self.journal_timeout(), &ctx.address(), health);
    }

    /// Goes to work again once the journal takes appends: from what the log says by then, as an
    /// append whose outcome was unknown may have been stored.
    pub(super) async fn rechecked(
        &mut self,
        health: Asked<JournalHealth>,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        if self.phase != EnginePhase::Refusing {
            return Ok(());
        }
        match health {
            Ok(health) if health.accepting => return self.open(ctx).await,
            // Another may hold it up by now than the one that did first.
            Ok(health) => self.reason = health.reason.or(self.reason.take()),
            Err(error) => self.reason = Some(format!("the journal gives no answer: {error}")),
        }
        ctx.send_after(RECHECK, WorkflowsMessage::Own(Step(Own::Recheck)));
        Ok(())
    }
}

/// Gives who waits for a release the error instead.
fn revoke(release: Release, reason: &str) {
    let unavailable = || DefineError::Unavailable { reason: reason.to_owned() };
    match release {
        // The run that it names may be one that was not stored either.
        Release::Started(reply, _) => {
            reply.send(Err(StartError::Unavailable { reason: reason.to_owned() }));
        }
        Release::Defined(reply, _) => reply.send(Err(unavailable())),
        Release::Forgotten(reply) => reply.send(Err(unavailable())),
        // What they would have shown may not be so; the askers learn that they get no answer.
        Release::Engine(_)
        | Release::Run(_)
        | Release::Awaited(..)
        | Release::Page(..)
        | Release::Stats(..) => {}
    }
}
