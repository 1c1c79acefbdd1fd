//! Reading the state from the journal: at the start, and whenever an append has failed.

use std::collections::HashSet;

use synod_journal::{
    Append, AppendBounds, AppendError, Committed, Epoch, Expected, Health, JournalHealth,
    LoadSnapshot, Position, ReadStream,
};
use synod_runtime::{ActorError, Context};

use super::commit::{Failed, append_options};
use super::release::{Release, answer_all};
use super::step::{Asked, Own, Step};
use super::{RECHECK, TaskEngine};
use crate::error::{CancelError, SubmitError};
use crate::machine::{Book, Command, EngineEvent, Input};
use crate::messages::{EnginePhase, TasksMessage};
use crate::records;
use crate::task::Moment;

/// Records of a page.
const PAGE_RECORDS: u32 = 4_096;

/// Bytes of a page.
const PAGE_BYTES: u64 = 4 << 20;

impl TaskEngine {
    /// Makes the machine know what the log says.
    async fn recover(&mut self) -> Result<(), ActorError> {
        let (mut book, mut after) = self.load_snapshot().await?;
        let mut records = 0;
        let mut bytes = 0;
        loop {
            let page = ReadStream {
                stream: records::STREAM,
                after,
                max_records: PAGE_RECORDS,
                max_bytes: PAGE_BYTES,
            };
            let page = self.journal.ask(page, self.journal_timeout()).await??;
            for record in &page.records {
                book.replay(&records::decode(record)?)?;
                bytes += record.bytes.len() as u64;
            }
            records += page.records.len() as u64;
            match page.next {
                Some(next) => after = next,
                None => break,
            }
        }
        tracing::info!(records, tasks = book.tasks.len(), "the task engine has read its log");
        self.keeping.restart(records, bytes);
        self.machine.rebuild(book);
        Ok(())
    }

    async fn load_snapshot(&mut self) -> Result<(Book, Position), ActorError> {
        let load = LoadSnapshot { stream: records::STREAM };
        let Some(snapshot) = self.journal.ask(load, self.journal_timeout()).await?? else {
            return Ok((Book::default(), Position::START));
        };
        let (version, bytes) = (snapshot.version, snapshot.bytes);
        let decode = move || records::decode_snapshot(version, &bytes);
        let book = synod_runtime::beside(decode).await??;
        Ok((book, snapshot.at))
    }

    /// Goes to work from what the log says, or says why not.
    ///
    /// An older incarnation, or this one before a failure, may have appends under way that are not
    /// on the disk yet and would be after the log was read. So a record is appended first: the
    /// journal takes appends in order, and once this one is stored, so is all that came before it.
    pub(super) async fn open(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let health = self.journal.ask(Health {}, self.journal_timeout()).await?;
        self.gathering.effects.bounds = AppendBounds::within(health.limits);
        let opened = self.append_opened(self.now(ctx)).await;
        self.recover().await?;
        self.settle_waiters(ctx);
        match opened {
            Ok(committed) => {
                self.head.version = committed.stream_version;
                self.begin(self.now(ctx));
            }
            Err(failed) => {
                self.refuse(failed.reason);
                ctx.send_after(RECHECK, TasksMessage::Own(Step::recheck()));
            }
        }
        Ok(())
    }

    async fn append_opened(&mut self, now: Moment) -> Result<Committed, Failed> {
        let record = records::encode_engine(&EngineEvent::Opened { at: now.utc });
        let record =
            record.map_err(|error| Failed { reason: error.to_string(), by_itself: false })?;
        let mut epoch = Epoch(self.machine.book().epoch);
        loop {
            let append = Append {
                partition: records::ENGINE_PARTITION,
                stream: records::STREAM,
                expected: Expected::Any,
                epoch,
                records: vec![record.clone()],
            };
            let within = self.journal_timeout();
            match self.journal.ask_with(append, within, append_options()).await? {
                // Which epoch it is at is in the log, which has not been read yet.
                Err(AppendError::Fenced { current, .. }) if current > epoch => epoch = current,
                outcome => return Ok(outcome?),
            }
        }
    }

    fn begin(&mut self, now: Moment) {
        self.step(now, Input::Begin);
        self.reason = None;
        self.phase = match self.drain {
            None => EnginePhase::Running,
            Some(_) => EnginePhase::Draining,
        };
    }

    /// Stops accepting and dispatching.
    fn refuse(&mut self, reason: String) {
        tracing::warn!(reason, "the task engine refuses work");
        self.machine.suspend();
        self.unreleased();
        self.phase = EnginePhase::Refusing;
        self.reason = Some(reason);
    }

    /// An append has failed: whoever waits for it learns so, and the state is read anew, because
    /// the machine has run ahead of what is stored.
    pub(super) async fn fail(
        &mut self,
        failed: &Failed,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        self.carry_out_prompt(ctx);
        let mut never_sent = HashSet::new();
        for release in self.unreleased() {
            if let Release::Command(Command::Dispatch(dispatch)) = &release {
                never_sent.insert(dispatch.work);
            }
            self.revoke(release, &failed.reason);
        }
        for command in self.machine.running() {
            if let Command::Cancel { agent, work } = command
                && !never_sent.contains(&work)
            {
                self.cancel_at_agent(agent, work);
            }
        }
        self.hand_back_executions(&failed.reason, ctx);
        self.refuse(failed.reason.clone());
        let now = ctx.now();
        let again = self.faulty.replace(now).is_some_and(|last| now - last < RECHECK);
        if failed.by_itself && !again {
            // The journal takes the rest. A fault that comes back at once waits like any other.
            return self.open(ctx).await;
        }
        self.recover().await?;
        self.settle_waiters(ctx);
        ctx.send_after(RECHECK, TasksMessage::Own(Step::recheck()));
        Ok(())
    }

    /// Gives who waits for a release the error instead, and takes back what it would have done.
    fn revoke(&mut self, release: Release, reason: &str) {
        let reason = || reason.to_owned();
        match release {
            // An earlier task that it names may be one that was not stored either.
            Release::Submitted(
                reply,
                Ok(_) | Err(SubmitError::InFlight { .. } | SubmitError::IdempotencyConflict { .. }),
            ) => {
                reply.send(Err(SubmitError::Unavailable { reason: reason() }));
            }
            Release::Submitted(reply, refused) => reply.send(refused),
            Release::Cancelled(reply, Ok(_)) => {
                reply.send(Err(CancelError::Unavailable { reason: reason() }));
            }
            Release::Cancelled(reply, Err(error)) => reply.send(Err(error)),
            Release::Status(replies, Some(status), _) => {
                self.waiters.put_back(status.task_id, replies);
            }
            Release::Command(Command::Dispatch(dispatch)) => {
                self.machine.undispatch(dispatch.agent);
            }
            Release::Command(Command::Executed(ending)) => {
                self.revoke_execution(*ending, &reason())
            }
            // What they would have shown or told may not be so; the askers learn that they get no
            // answer.
            Release::Status(..) | Release::Page(..) | Release::Stats(..) | Release::Command(_) => {}
        }
    }

    /// Answers who waits for a task that, as is known now, has ended or was never accepted.
    fn settle_waiters(&mut self, ctx: &Context<Self>) {
        for task in self.waiters.tasks() {
            let known = self.machine.book().task(task);
            if known.is_some_and(|task| task.is_open()) {
                continue;
            }
            let replies = self.waiters.take(task);
            match self.machine.status(task) {
                Some((status, Some(blob), _)) => {
                    self.load_result(replies, Box::new(status), blob, ctx);
                }
                known => answer_all(replies, known.map(|(status, ..)| status)),
            }
        }
    }

    pub(super) fn recheck(&self, ctx: &Context<Self>) {
        let health = |outcome| TasksMessage::Own(Step(Own::Rechecked(outcome)));
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
        if let Ok(JournalHealth { accepting, reason, .. }) = health {
            if accepting {
                return self.open(ctx).await;
            }
            self.reason = reason.or(self.reason.take());
        }
        ctx.send_after(RECHECK, TasksMessage::Own(Step::recheck()));
        Ok(())
    }
}
