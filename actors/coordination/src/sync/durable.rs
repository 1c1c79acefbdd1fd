//! What must last: this node's writes go through the journal before they count elsewhere, several
//! in one append, and come back from it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::Rng;
use synod_journal::{
    Append, AppendError, Committed, Expected, Health, JournalMessage, LoadSnapshot, Partition,
    Position, ReadStream, Record, SaveSnapshot, Survey, Truncate, Versioned,
};
use synod_runtime::{ActorError, Address, AskError, Context, Reply, Request};

use super::actor::{SharedState, Step, Stepped, print, utc_ms};
use super::document::{Delta, SharedDocument};
use super::dots::ReplicaId;
use super::error::SharedError;
use super::messages::{SharedChange, SharedMessage, WriteShared, Written};
use super::records::{self, Event, SNAPSHOT_VERSION, STREAM, WrittenV1};
use super::replica::Replica;

/// How long the journal may take for anything.
const JOURNAL_TIMEOUT: Duration = Duration::from_secs(10);
/// Records since the last snapshot after which another one is made at once.
const SNAPSHOT_RECORDS: u64 = 10_000;
/// Snapshots that must contain a record before the journal drops it.
const OWED: u8 = 2;
/// Most writes that wait for the journal.
const MAX_WAITING: usize = 8192;
/// Writes in one append. They have about as many bytes as one write may have.
const BATCH: usize = 512;
/// Records of one page while replaying, and their bytes.
const PAGE_RECORDS: u32 = 1_024;
const PAGE_BYTES: u64 = 4 << 20;

/// A write that the journal does not have yet.
#[derive(Debug)]
pub(super) struct Waiting {
    written: WrittenV1,
    /// What it changes, for those who listen.
    keys: Vec<String>,
    record: Record,
    answer: Written,
    reply: Reply<Result<Written, SharedError>>,
}

impl SharedState {
    pub(super) fn write(
        &mut self,
        request: Request<WriteShared>,
        ctx: &Context<Self>,
    ) -> Result<(), ActorError> {
        let (WriteShared { document, edits }, reply) = request.into_parts();
        if self.gathered.len() >= MAX_WAITING {
            reply.send(Err(SharedError::Busy(MAX_WAITING)));
            return Ok(());
        }
        let replica = self.replica()?;
        let delta = match replica.edit(utc_ms(ctx), &document, &edits) {
            Ok(delta) => delta,
            Err(refusal) => {
                reply.send(Err(refusal.into()));
                return Ok(());
            }
        };
        let fingerprint = replica.documents.get(&document).map_or(0, SharedDocument::fingerprint);
        let answer = Written { fingerprint: print(fingerprint) };
        if delta.is_empty() {
            // Nothing was there to remove.
            reply.send(Ok(answer));
            return Ok(());
        }
        let by = ctx.metadata().principal().to_string();
        let written = WrittenV1 { document, by, delta };
        let record = written.to_record().map_err(|error| ActorError::new(error.to_string()))?;
        self.made += 1;
        let keys: BTreeSet<_> = edits.iter().map(|edit| edit.key().to_owned()).collect();
        let keys = keys.into_iter().collect();
        self.gathered.push_back(Waiting { written, keys, record, answer, reply });
        self.append(ctx)
    }

    /// Gives the journal what has been gathered, unless it has something in hand.
    fn append(&mut self, ctx: &Context<Self>) -> Result<(), ActorError> {
        if !self.writing.is_empty() || self.gathered.is_empty() {
            return Ok(());
        }
        let mut bytes = 0;
        while self.writing.len() < BATCH
            && bytes < self.config.delta_bytes
            && let Some(waiting) = self.gathered.pop_front()
        {
            bytes += waiting.record.weight();
            self.writing.push(waiting);
        }
        self.send_append(ctx)
    }

    fn send_append(&mut self, ctx: &Context<Self>) -> Result<(), ActorError> {
        let mut records = Vec::new();
        if self.version == 0 {
            let begun = records::begun(self.replica()?.id);
            records.push(begun.map_err(|error| ActorError::new(error.to_string()))?);
        }
        records.extend(self.writing.iter().map(|waiting| waiting.record.clone()));
        let append = Append {
            partition: Partition::from_low_bits(0),
            stream: STREAM,
            // An append of before, of which nobody knew what became, must not come in between.
            expected: Expected::Exact(self.version),
            epoch: self.epoch,
            records,
        };
        self.append += 1;
        let number = self.append;
        self.journal.ask_into(append, JOURNAL_TIMEOUT, &ctx.address(), move |answer| {
            SharedMessage::Own(Step(Stepped::Appended(number, answer)))
        });
        Ok(())
    }

    pub(super) async fn appended(
        &mut self,
        number: u64,
        answer: Result<Result<Committed, AppendError>, AskError>,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        if number != self.append {
            tracing::debug!(number, "an answer to an append of an incarnation before this one");
            return Ok(());
        }
        let error = match answer {
            Ok(Ok(committed)) => return self.committed(committed, ctx),
            // The writes are the node's own: the epoch is learnt here, not defended.
            Ok(Err(AppendError::Fenced { current, .. })) if current > self.epoch => {
                self.epoch = current;
                return self.send_append(ctx);
            }
            Ok(Err(error @ AppendError::OutcomeUnknown)) => {
                SharedError::OutcomeUnknown(error.to_string())
            }
            Ok(Err(error)) => SharedError::NotDurable(error.to_string()),
            Err(error @ (AskError::Full | AskError::Closed | AskError::Refused)) => {
                SharedError::NotDurable(error.to_string())
            }
            Err(error) => SharedError::OutcomeUnknown(error.to_string()),
        };
        tracing::warn!(%error, "the journal did not take writes of shared state");
        for waiting in self.writing.drain(..) {
            waiting.reply.send(Err(error.clone()));
        }
        // Those that came after were made on top of these.
        for waiting in self.gathered.drain(..) {
            waiting.reply.send(Err(SharedError::NotDurable("a write before it was not".into())));
        }
        self.rebuild(ctx).await
    }

    fn committed(&mut self, committed: Committed, ctx: &Context<Self>) -> Result<(), ActorError> {
        let done = std::mem::take(&mut self.writing);
        self.version = committed.stream_version;
        self.last = self.last.max(committed.last);
        self.unsaved += done.len() as u64;
        self.owed = OWED;
        self.stored += done.len() as u64;
        let mut news: BTreeMap<String, SharedDocument> = BTreeMap::new();
        let limits = self.config.limits();
        for Waiting { written, keys, answer, reply, .. } in done {
            reply.send(Ok(answer));
            let WrittenV1 { document, by, delta } = written;
            let change = SharedChange { document: document.clone(), keys, by };
            self.listeners.lock().publish(&change);
            // Several writes of one document travel as one.
            if let Err(error) = news.entry(document).or_default().merge(&delta, &limits) {
                tracing::debug!(%error, "a write is left to the next round");
            }
        }
        // What held back before goes first.
        self.release();
        self.with(ctx, |replica, around, out| {
            for (document, delta) in news {
                replica.push(around, document, delta.whole(), out);
            }
        })?;
        self.append(ctx)?;
        if self.unsaved >= SNAPSHOT_RECORDS {
            self.save(self.last, ctx)?;
        }
        Ok(())
    }

    /// Makes a snapshot of all there is. While nothing is under way it contains all that the log
    /// has of this stream, so it stands at the end of the log, and a second one behind the first.
    pub(super) async fn keep(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let end = self.journal.ask(Health {}, JOURNAL_TIMEOUT).await?.last;
        let at = if self.made == self.stored { end.max(self.last) } else { self.last };
        self.save(at, ctx)
    }

    /// Lets the journal drop what is older.
    fn save(&mut self, at: Position, ctx: &Context<Self>) -> Result<(), ActorError> {
        let replica = self.replica()?;
        let bytes = match records::snapshot(replica.id, replica.documents.iter()) {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::error!(%error, "no snapshot of shared state");
                return Ok(());
            }
        };
        (self.unsaved, self.has_learned) = (0, false);
        if at > self.kept {
            (self.kept, self.owed) = (at, self.owed.saturating_sub(1));
        }
        let save = SaveSnapshot { stream: STREAM, at, version: SNAPSHOT_VERSION, bytes };
        self.journal.ask_into(save, JOURNAL_TIMEOUT, &ctx.address(), move |answer| {
            let answer = match answer {
                Ok(saved) => saved.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            SharedMessage::Own(Step(Stepped::Saved(at, answer)))
        });
        Ok(())
    }

    /// Has the journal drop what snapshots have.
    pub(super) fn saved(&self, at: Position, saved: Result<(), String>, ctx: &Context<Self>) {
        if let Err(error) = saved {
            return tracing::warn!(error, "shared state was not saved");
        }
        let truncate = Truncate { before: at };
        self.journal.ask_into(truncate, JOURNAL_TIMEOUT, &ctx.address(), |answer| {
            SharedMessage::Own(Step(Stepped::Dropped(match answer {
                Ok(dropped) => dropped.map(|_| ()).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            })))
        });
    }

    /// Begins with what the journal has: at the start, and when it did not take what was written.
    pub(super) async fn rebuild(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        self.held.clear();
        (self.made, self.stored, self.unsaved) = (0, 0, 0);
        let contents = self.journal.ask(Survey {}, JOURNAL_TIMEOUT).await?;
        let known = contents.streams.iter().find(|(stream, _)| *stream == STREAM);
        self.version = known.map_or(0, |(_, version)| *version);
        let restored = self.replay(ctx).await?;
        let replica = match restored {
            Some(replica) => replica,
            // A new replica takes a name that nobody had: what one with an older disk wrote stays
            // its. The journal learns it with the first write.
            None => {
                let mut rng = ctx.system().entropy().child();
                Replica::new(ReplicaId(rng.next_u64()), self.config, rng)
            }
        };
        self.listeners.lock().lost_touch(replica.documents.keys());
        self.replica = Some(replica);
        Ok(())
    }

    async fn replay(&mut self, ctx: &mut Context<Self>) -> Result<Option<Replica>, ActorError> {
        let (now, config) = (utc_ms(ctx), self.config);
        let rng = ctx.system().entropy().child();
        let new = |id| Replica::new(id, config, rng.clone());
        let mut replica = None;
        self.last = Position::START;
        let snapshot = self.journal.ask(LoadSnapshot { stream: STREAM }, JOURNAL_TIMEOUT).await??;
        if let Some(snapshot) = snapshot {
            self.last = snapshot.at;
            (self.kept, self.owed) = (snapshot.at, OWED - 1);
            let kept = records::read_snapshot(snapshot.version, &snapshot.bytes)?;
            let restored = replica.insert(new(kept.replica));
            for (document, delta) in kept.documents {
                restore(restored, now, document, &delta)?;
            }
        }
        let mut after = Some(self.last);
        while let Some(position) = after {
            let page = page_of(&self.journal, position).await?;
            for record in &page.records {
                match records::read(record)? {
                    // One that has heard of others before its first write has a snapshot already.
                    Event::Begun(id) => {
                        replica.get_or_insert_with(|| new(id));
                    }
                    Event::Written(WrittenV1 { document, delta, .. }) => {
                        let replica = replica.as_mut();
                        let replica = replica.ok_or_else(|| ActorError::new(NOT_BEGUN))?;
                        restore(replica, now, document, &delta)?;
                    }
                }
                self.last = record.position;
                (self.unsaved, self.owed) = (self.unsaved + 1, OWED);
            }
            after = page.next;
        }
        Ok(replica)
    }
}

const NOT_BEGUN: &str = "a write in the stream of shared state before its replica began";

fn restore(
    replica: &mut Replica,
    now: u64,
    document: String,
    delta: &Delta,
) -> Result<(), ActorError> {
    let restored = replica.restore(now, document, delta);
    Ok(restored.map_err(records::RecordError::from)?)
}

async fn page_of(
    journal: &Address<JournalMessage>,
    after: Position,
) -> Result<synod_journal::Page, ActorError> {
    let page =
        ReadStream { stream: STREAM, after, max_records: PAGE_RECORDS, max_bytes: PAGE_BYTES };
    Ok(journal.ask(page, JOURNAL_TIMEOUT).await??)
}
