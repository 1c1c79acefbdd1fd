//! Reading the state from the journal: at the start, and whenever an append has failed.

use synod_journal::{
    Append, AppendError, Committed, Expected, Health, JournalHealth, LoadSnapshot, Position,
    ReadStream,
};
use synod_runtime::{ActorError, Context};

use super::commit::{DESK_PARTITION, Failed, append_options};
use super::own::{Asked, Event, Own};
use super::{Desk, RECHECK};
use crate::desk::book::Book;
use crate::desk::messages::DeskMessage;
use crate::desk::records::{EntryV1, Reader};
use crate::protocol::{Moment, Protocol};

/// Records of a page.
const PAGE_RECORDS: u32 = 4_096;

/// Bytes of a page.
const PAGE_BYTES: u64 = 4 << 20;

impl<P: Protocol> Desk<P> {
    /// Makes the book what the log says.
    async fn recover(&mut self) -> Result<(), ActorError> {
        let stream = self.stream()?;
        let (mut book, mut after) = self.load_snapshot().await?;
        let (mut reader, mut records, mut bytes) = (Reader::default(), 0, 0);
        loop {
            let (max_records, max_bytes) = (PAGE_RECORDS, PAGE_BYTES);
            let page = ReadStream { stream, after, max_records, max_bytes };
            let page = self.journal.ask(page, self.journal_timeout()).await??;
            for record in &page.records {
                if let Some(entry) = reader.read(record)? {
                    book.replay(entry)?;
                }
                bytes += record.bytes.len() as u64;
            }
            records += page.records.len() as u64;
            match page.next {
                Some(next) => after = next,
                None => break,
            }
        }
        let (protocol, open) = (P::KIND, book.open_count());
        tracing::info!(protocol, records, open, "a desk has read its log");
        if book.diverged > 0 {
            let inputs = book.diverged;
            tracing::warn!(protocol, inputs, "this program would have told something else of them");
        }
        self.keeping.restart(records, bytes);
        self.time.not_before(book.last);
        self.book = book;
        Ok(())
    }

    async fn load_snapshot(&mut self) -> Result<(Book<P>, Position), ActorError> {
        let load = LoadSnapshot { stream: self.stream()? };
        let Some(snapshot) = self.journal.ask(load, self.journal_timeout()).await?? else {
            return Ok((Book::new(&self.config), Position::START));
        };
        let (config, version, bytes) = (self.config.clone(), snapshot.version, snapshot.bytes);
        let decode = move || Book::restore(&config, version, &bytes);
        let book = synod_runtime::beside(decode).await??;
        Ok((book, snapshot.at))
    }

    /// Goes to work for the first time.
    ///
    /// A log that never had a record gets none: a record of a protocol that nobody uses would keep
    /// those of all others from being dropped. Should an append of an older incarnation still come
    /// after this look, the first of this one is refused for it, and the log is read anew.
    pub(super) async fn begin(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let health = self.journal.ask(Health {}, self.journal_timeout()).await?;
        if !health.accepting || !self.is_unused().await? {
            return self.open_log(ctx).await;
        }
        (self.limits, self.refusal) = (health.limits, None);
        Ok(())
    }

    /// Whether the log has nothing of this desk, and never had.
    async fn is_unused(&mut self) -> Result<bool, ActorError> {
        let stream = self.stream()?;
        let (after, max_bytes) = (Position::START, PAGE_BYTES);
        let first = ReadStream { stream, after, max_records: 1, max_bytes };
        let page = self.journal.ask(first, self.journal_timeout()).await??;
        if !page.records.is_empty() {
            return Ok(false);
        }
        let load = LoadSnapshot { stream };
        Ok(self.journal.ask(load, self.journal_timeout()).await??.is_none())
    }

    /// Goes to work from what the log says, or says why not.
    ///
    /// An older incarnation, or this one before a failure, may have an append under way that is not
    /// on the disk yet and would be after the log was read. So a record is appended first: the
    /// journal takes appends in order, and once this one is stored, so is all that came before it.
    pub(super) async fn open_log(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        self.limits = self.journal.ask(Health {}, self.journal_timeout()).await?.limits;
        let at = self.now(ctx);
        let began = self.append_began(at).await?;
        self.recover().await?;
        let book = &self.book;
        self.followers.forsake(|id| book.get(id).is_some());
        match began {
            Ok(committed) => {
                self.head.version = committed.stream_version;
                self.refusal = None;
                self.resume_all(ctx);
            }
            Err(failed) => {
                self.refuse(failed.reason);
                ctx.send_after(RECHECK, DeskMessage::Own(Own(Event::Recheck)));
            }
        }
        Ok(())
    }

    async fn append_began(&mut self, at: Moment) -> Result<Result<Committed, Failed>, ActorError> {
        let (piece, most) = self.most();
        let records = EntryV1::Began { at }.encode(piece, most)?;
        let stream = self.stream()?;
        loop {
            let append = Append {
                partition: DESK_PARTITION,
                stream,
                expected: Expected::Any,
                epoch: self.head.epoch,
                records: records.clone(),
            };
            let within = self.journal_timeout();
            let outcome = self.journal.ask_with(append, within, append_options()).await;
            return Ok(match outcome {
                Ok(Err(AppendError::Fenced { current, .. })) if current > self.head.epoch => {
                    self.head.epoch = current;
                    continue;
                }
                Ok(outcome) => outcome.map_err(Failed::from),
                Err(error) => Err(Failed::from(error)),
            });
        }
    }

    /// Takes nothing that would have to be stored from now on.
    fn refuse(&mut self, reason: String) {
        tracing::warn!(protocol = P::KIND, reason, "a desk refuses work");
        self.refusal = Some(reason);
    }

    /// An append has failed: whoever waits for it learns so, and the state is read anew, because
    /// the book has run ahead of what is stored.
    pub(super) async fn fail(
        &mut self,
        failed: Failed,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        // What was not sent is certain not to be stored.
        let unsent = Failed { is_unknown: false, ..failed.clone() };
        let flight = self.flight.take().map(|flight| flight.releases).unwrap_or_default();
        flight.into_iter().for_each(|release| release.revoke(&failed));
        self.queue.take().for_each(|release| release.revoke(&unsent));
        self.recall_all(ctx);
        self.refuse(failed.reason);
        let now = ctx.now();
        let again = self.faulty.replace(now).is_some_and(|last| now - last < RECHECK);
        if failed.by_itself && !again {
            // The journal takes the rest. A fault that comes back at once waits like any other.
            return self.open_log(ctx).await;
        }
        self.recover().await?;
        let book = &self.book;
        self.followers.forsake(|id| book.get(id).is_some());
        ctx.send_after(RECHECK, DeskMessage::Own(Own(Event::Recheck)));
        Ok(())
    }

    /// What was gathered can't be stored, through no fault of the journal. What is under way may be
    /// all the same.
    pub(super) async fn fail_by_itself(
        &mut self,
        reason: String,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        self.fail(Failed { reason, is_unknown: true, by_itself: true }, ctx).await
    }

    pub(super) fn recheck(&self, ctx: &Context<Self>) {
        let health = |outcome| DeskMessage::Own(Own(Event::Rechecked(outcome)));
        self.journal.ask_into(Health {}, self.journal_timeout(), &ctx.address(), health);
    }

    /// Goes to work again once the journal takes appends: from what the log says by then, as an
    /// append whose outcome was unknown may have been stored.
    pub(super) async fn rechecked(
        &mut self,
        health: Asked<JournalHealth>,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        if self.refusal.is_none() {
            return Ok(());
        }
        if let Ok(JournalHealth { accepting, reason, .. }) = health {
            if accepting {
                return self.open_log(ctx).await;
            }
            self.refusal = reason.or(self.refusal.take());
        }
        ctx.send_after(RECHECK, DeskMessage::Own(Own(Event::Recheck)));
        Ok(())
    }
}
