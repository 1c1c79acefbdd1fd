//! What waits for the journal: decided and written one batch at a time, told when it is on the
//! disk.

use std::sync::Arc;
use std::time::Duration;

use synod_journal::{
    Append, AppendError, Committed, Expected, JournalMessage, Partition, Record, Versioned,
};
use synod_runtime::{ActorError, Address, AskError, Context, Reply, Request};

use super::recovery::OWED;
use super::{Event, Own, Topics};
use crate::messaging::topics::error::TopicError;
use crate::messaging::topics::messages::{
    Acknowledge, KeepSubscription, Publish, Published, PublishedTo, Reject, RemoveSubscription,
    TopicsMessage,
};
use crate::messaging::topics::records::{EventV1, STREAM};

/// How long the journal may take for anything.
pub(super) const JOURNAL_TIMEOUT: Duration = Duration::from_secs(10);
/// Commands that may wait; more are refused.
const MAX_QUEUE: usize = 8_192;
/// Subscriptions that one look at the time concerns.
const MAX_WOKEN: usize = 64;
/// Bytes that the records of one command take that is no publication, at most.
const SMALL: u64 = 4 << 10;
/// Longest reason in bytes.
const MAX_REASON: usize = 1_024;

/// What is to be decided and written.
#[derive(Debug)]
pub(super) enum Command {
    Publish(Request<Publish>),
    Keep(Request<KeepSubscription>),
    Remove(Request<RemoveSubscription>),
    Acknowledge(Request<Acknowledge>),
    Reject(Request<Reject>),
    /// An agent has this message.
    Delivered {
        name: String,
        number: u64,
    },
    /// An agent has not taken what it was given.
    Failed {
        name: String,
        reason: String,
    },
    Wake,
}

/// What is done once it is on the disk.
#[derive(Debug)]
enum Release {
    /// The message, and the durable subscriptions that have it.
    Published(Arc<Published>, Vec<String>, Reply<Result<PublishedTo, TopicError>>),
    Done(Reply<Result<(), TopicError>>),
    Nothing,
}

/// What is on its way to the disk.
#[derive(Debug, Default)]
pub(super) struct Batch {
    records: Vec<Record>,
    bytes: u64,
    releases: Vec<Release>,
    /// The number of its last message.
    last: u64,
}

impl Batch {
    fn refuse(self, why: &str) {
        for release in self.releases {
            let error = TopicError::Unavailable(why.to_owned());
            match release {
                Release::Published(_, _, reply) => reply.send(Err(error)),
                Release::Done(reply) => reply.send(Err(error)),
                Release::Nothing => {}
            }
        }
    }
}

impl Topics {
    /// Has a command wait its turn.
    pub(super) fn enqueue(&mut self, command: Command) {
        let refusal = if self.queue.len() >= MAX_QUEUE {
            TopicError::Full(format!("{MAX_QUEUE} requests wait for the journal: try again"))
        } else if self.journal.is_none() && !matches!(&command, Command::Publish(_)) {
            TopicError::Unavailable("this node has no journal for durable subscriptions".to_owned())
        } else {
            return self.queue.push_back(command);
        };
        match command {
            Command::Publish(request) => request.answer(Err(refusal)),
            Command::Keep(request) => request.answer(Err(refusal)),
            Command::Remove(request) => request.answer(Err(refusal)),
            Command::Acknowledge(request) => request.answer(Err(refusal)),
            Command::Reject(request) => request.answer(Err(refusal)),
            Command::Delivered { .. } | Command::Failed { .. } | Command::Wake => {}
        }
    }

    /// Decides and writes what waits, unless something is on its way.
    pub(super) fn commit(&mut self, ctx: &Context<Self>) {
        if self.in_flight.is_some() {
            return;
        }
        self.save_if_due(ctx);
        let batch = self.next_batch();
        let Some(journal) = &self.journal else {
            // Last values alone come here without one; they live as long as the node.
            self.release(batch);
            if !self.queue.is_empty() {
                self.commit(ctx);
            }
            return;
        };
        if batch.records.is_empty() {
            return;
        }
        let journal = journal.clone();
        self.write(&journal, batch, ctx);
    }

    /// Has the journal write a batch.
    fn write(&mut self, journal: &Address<JournalMessage>, batch: Batch, ctx: &Context<Self>) {
        let append = Append {
            partition: Partition::from_low_bits(0),
            stream: STREAM,
            // An append of before, of which nobody knew what became, must not come in between.
            expected: Expected::Exact(self.version),
            epoch: self.epoch,
            records: batch.records.clone(),
        };
        self.in_flight = Some(batch);
        self.append += 1;
        let number = self.append;
        journal.ask_into(append, JOURNAL_TIMEOUT, &ctx.address(), move |answer| {
            TopicsMessage::Own(Own(Event::Appended(number, answer)))
        });
    }

    /// Decides what waits, as far as it fits into one append.
    fn next_batch(&mut self) -> Batch {
        let mut batch = Batch::default();
        while self.has_room(&batch)
            && let Some(command) = self.queue.pop_front()
        {
            if let Some(command) = self.decide(command, &mut batch) {
                self.queue.push_front(command);
                break;
            }
        }
        batch
    }

    /// Whether the records of a small command fit into the batch.
    fn has_room(&self, batch: &Batch) -> bool {
        let records = batch.records.len() + MAX_WOKEN <= self.limits.records as usize;
        let bytes = batch.bytes + SMALL * MAX_WOKEN as u64 <= self.limits.bytes;
        batch.records.is_empty() || (records && bytes)
    }

    /// Makes a command part of the state and of the batch. Gives it back when there is no room.
    fn decide(&mut self, command: Command, batch: &mut Batch) -> Option<Command> {
        let (decided, reply, name) = match command {
            Command::Publish(request) => return self.decide_publish(request, batch),
            Command::Keep(request) => {
                let (asked, reply) = request.into_parts();
                let name = asked.name.clone();
                (self.durable.keep(asked), Some(reply), name)
            }
            Command::Remove(request) => {
                let (RemoveSubscription { name }, reply) = request.into_parts();
                let known = self.durable.show(&name).is_some();
                let removed = EventV1::Removed { name: name.clone() };
                let unknown = || TopicError::Unknown(name.clone());
                (known.then_some(Some(removed)).ok_or_else(unknown), Some(reply), name)
            }
            Command::Acknowledge(request) => {
                let (Acknowledge { name, up_to }, reply) = request.into_parts();
                (self.durable.acknowledge(&name, up_to), Some(reply), name)
            }
            Command::Reject(request) => {
                let (Reject { name, reason }, reply) = request.into_parts();
                let reason = &reason[..reason.floor_char_boundary(MAX_REASON)];
                (self.durable.reject(self.now, &name, reason), Some(reply), name)
            }
            Command::Delivered { name, number } => {
                (self.durable.acknowledge(&name, number), None, name)
            }
            Command::Failed { name, reason } => {
                let reason = &reason[..reason.floor_char_boundary(MAX_REASON)];
                (self.durable.reject(self.now, &name, reason), None, name)
            }
            Command::Wake => {
                self.wake(batch);
                return None;
            }
        };
        self.stirred.insert(name);
        match (decided, reply) {
            (Ok(event), reply) => {
                let release = reply.map_or(Release::Nothing, Release::Done);
                self.add(event, release, batch);
            }
            (Err(error), Some(reply)) => reply.send(Err(error)),
            // What an agent took too late is given again.
            (Err(error), None) => tracing::debug!(%error, "a delivery counts no more"),
        }
        None
    }

    fn decide_publish(&mut self, request: Request<Publish>, batch: &mut Batch) -> Option<Command> {
        let number = self.last + 1;
        let events = match self.durable.publish(self.now, number, &request.body) {
            Ok(events) => events,
            Err(error) => {
                request.answer(Err(error));
                return None;
            }
        };
        let records: Vec<Record> = match events.iter().map(Versioned::to_record).collect() {
            Ok(records) => records,
            Err(error) => {
                request.answer(Err(TopicError::invalid("content", error.to_string())));
                return None;
            }
        };
        let bytes: u64 = records.iter().map(|record| record.weight() as u64).sum();
        let largest = records.iter().map(|record| record.bytes.len() as u64).max().unwrap_or(0);
        let fits = batch.bytes + bytes <= self.limits.bytes
            && batch.records.len() + records.len() <= self.limits.records as usize
            && largest <= self.limits.record_bytes;
        if !fits && self.journal.is_some() {
            if !batch.records.is_empty() {
                return Some(Command::Publish(request));
            }
            let reason =
                format!("it takes {bytes} bytes of the journal, more than it takes at once");
            request.answer(Err(TopicError::invalid("content", reason)));
            return None;
        }
        self.last = number;
        let (Publish { topic, sender, content, .. }, reply) = request.into_parts();
        let durable = self.durable.subscribers(&topic);
        let message =
            Published { number, topic, sender, content, at_us: self.now.0, retained: false };
        events.into_iter().for_each(|event| self.durable.apply(event));
        batch.bytes += bytes;
        batch.last = number;
        batch.records.extend(records);
        batch.releases.push(Release::Published(Arc::new(message), durable, reply));
        None
    }

    fn wake(&mut self, batch: &mut Batch) {
        let (events, ready) = self.durable.wake(self.now, MAX_WOKEN);
        for event in events {
            self.add(Some(event), Release::Nothing, batch);
        }
        self.stirred.extend(ready);
        self.end_patience();
    }

    /// Makes an event part of the state and of the batch.
    fn add(&mut self, event: Option<EventV1>, release: Release, batch: &mut Batch) {
        let record = match event.as_ref().map(Versioned::to_record).transpose() {
            Ok(record) => record,
            Err(error) => {
                if let Release::Done(reply) = release {
                    reply.send(Err(TopicError::invalid("name", error.to_string())));
                }
                return;
            }
        };
        if let Some(event) = event {
            self.durable.apply(event);
        }
        batch.bytes += record.as_ref().map_or(0, |record| record.weight() as u64);
        batch.records.extend(record);
        // Told with the batch, or at once when there is nothing to be written before.
        match release {
            Release::Done(reply) if batch.records.is_empty() => reply.send(Ok(())),
            release => batch.releases.push(release),
        }
    }

    /// It is on the disk: everybody may know.
    fn release(&mut self, batch: Batch) {
        self.stored = self.stored.max(batch.last).max(self.durable.last());
        for release in batch.releases {
            match release {
                Release::Published(message, durable, reply) => {
                    let told = PublishedTo { durable: durable.len() as u64, ..self.tell(&message) };
                    metrics::counter!("synod_topic_kept_total").increment(told.durable);
                    self.stirred.extend(durable);
                    reply.send(Ok(told));
                }
                Release::Done(reply) => reply.send(Ok(())),
                Release::Nothing => {}
            }
        }
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
        let Some(batch) = self.in_flight.take() else { return Ok(()) };
        let why = match answer {
            Ok(Ok(committed)) => {
                self.unsaved += committed.last.0 - committed.first.0 + 1;
                (self.version, self.owed) = (committed.stream_version, OWED);
                self.position = self.position.max(committed.last);
                self.release(batch);
                return Ok(());
            }
            // Nothing was written. The subscriptions are the node's own: the epoch, which only
            // grows, is learnt and not defended.
            Ok(Err(AppendError::Fenced { current, .. })) if current > self.epoch => {
                self.epoch = current;
                if let Some(journal) = self.journal.clone() {
                    self.write(&journal, batch, ctx);
                }
                return Ok(());
            }
            Ok(Err(error)) => error.to_string(),
            Err(error @ (AskError::Full | AskError::Closed | AskError::Refused)) => {
                format!("the journal: {error}")
            }
            Err(error) => format!("the outcome is unknown: {error}"),
        };
        tracing::warn!(why, "the journal did not take a change of topics");
        batch.refuse(&why);
        self.recover().await?;
        self.stirred.extend(self.durable.of_agents());
        self.stirred.extend(self.fetching.keys().cloned());
        self.set_alarm(ctx);
        Ok(())
    }
}
