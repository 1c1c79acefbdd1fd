//! The actor of topics: plain subscriptions in memory, durable ones behind the journal.
//!
//! What concerns the journal waits in line; one batch at a time is decided, made part of the state
//! and written, and nobody hears of it before it is on the disk. A batch that is not taken is
//! refused as a whole, and the state read back from the log.

mod committing;
mod plain;
mod recovery;
mod serving;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use synod_journal::{AppendError, AppendLimits, Committed, Epoch, JournalMessage, Position};
use synod_runtime::{Actor, ActorError, Address, AskError, Context, MailboxConfig, Spec, TimerKey};

use super::config::TopicsConfig;
use super::durable::{Durable, TopicLetter};
use super::error::TopicError;
use super::filter::TopicFilter;
use super::messages::{ListRetained, ListTopicLetters, Published, TopicsMessage};
use super::plain::Sink;
use super::trie::{Number, Trie};
use crate::desk::Courier;
use crate::protocol::Moment;
use committing::{Batch, Command};
use serving::Waiting;

/// Messages that may wait for the actor.
const MAILBOX: usize = 8_192;
/// Agents that are given messages side by side.
const MAX_DELIVERIES: usize = 256;
/// How often it is seen to that the log need not hold the records of a quiet state.
const KEEP: Duration = Duration::from_secs(60);
/// Most entries that a page has.
const MAX_PAGE: usize = 1_000;

/// What is done at once where there is no journal that says what it takes.
const WITHOUT_JOURNAL: AppendLimits =
    AppendLimits { records: 1_024, record_bytes: 1 << 20, bytes: 8 << 20 };

/// From topics to themselves. Opaque to all others.
#[derive(Debug)]
pub struct Own(Event);

#[derive(Debug)]
enum Event {
    /// The journal answered about the batch of this number.
    Appended(u64, Result<Result<Committed, AppendError>, AskError>),
    /// An agent was given this message: it has it, or why not.
    Delivered { name: String, number: u64, outcome: Result<(), String> },
    /// Time has passed.
    Wake,
    /// Time to see whether the log needs to hold the records of the state.
    Keep,
    /// The state was saved as a whole, up to this position, or why not.
    Saved(Position, Result<(), String>),
    /// The log dropped what snapshots have, or why not.
    Dropped(Result<(), String>),
}

/// Publishes to subscribers.
pub struct Topics {
    config: TopicsConfig,
    journal: Option<Address<JournalMessage>>,
    courier: Arc<dyn Courier>,
    // Plain subscriptions.
    plain: Trie<Sink>,
    filters: BTreeMap<Number, TopicFilter>,
    last_plain: Number,
    /// The number of the last message.
    last: u64,
    // Durable subscriptions.
    durable: Durable,
    /// The number of the last message that is on the disk.
    stored: u64,
    queue: VecDeque<Command>,
    in_flight: Option<Batch>,
    /// The number of the last append. Each incarnation begins with another: an answer that one
    /// before it asked for passes for none of its own.
    append: u64,
    /// How many records the stream has ever had.
    version: u64,
    limits: AppendLimits,
    epoch: Epoch,
    position: Position,
    unsaved: u64,
    /// Whether the state is being saved.
    saving: bool,
    /// Where it was saved last, and how many more times it must be until the log can drop its last
    /// record.
    kept: Position,
    owed: u8,
    // Consumers.
    fetching: BTreeMap<String, Waiting>,
    patience: BTreeSet<(Moment, String)>,
    delivering: BTreeSet<String>,
    /// Subscriptions that may have something to give.
    stirred: BTreeSet<String>,
    alarm: Option<(Moment, TimerKey)>,
    now: Moment,
}

impl Topics {
    /// The actor, called `topics`. Without a journal there are no durable subscriptions. `courier`
    /// gives messages to agents.
    #[must_use]
    pub fn spec(
        config: TopicsConfig,
        journal: Option<Address<JournalMessage>>,
        courier: Arc<dyn Courier>,
    ) -> Spec<Self> {
        let mailbox =
            MailboxConfig { max_reserved: MAX_DELIVERIES + 64, ..MailboxConfig::bounded(MAILBOX) };
        Spec::new("topics", move || Self::new(config, journal.clone(), Arc::clone(&courier)))
            .mailbox(mailbox)
    }

    fn new(
        config: TopicsConfig,
        journal: Option<Address<JournalMessage>>,
        courier: Arc<dyn Courier>,
    ) -> Self {
        Self {
            config,
            journal,
            courier,
            plain: Trie::default(),
            filters: BTreeMap::new(),
            last_plain: 0,
            last: 0,
            durable: Durable::new(config),
            stored: 0,
            queue: VecDeque::new(),
            in_flight: None,
            append: 0,
            version: 0,
            limits: WITHOUT_JOURNAL,
            epoch: Epoch(0),
            position: Position(0),
            unsaved: 0,
            saving: false,
            kept: Position(0),
            owed: 0,
            fetching: BTreeMap::new(),
            patience: BTreeSet::new(),
            delivering: BTreeSet::new(),
            stirred: BTreeSet::new(),
            alarm: None,
            now: Moment(0),
        }
    }

    /// The last values that are on the disk, of the topics that the filter matches.
    fn all_retained(&self, asked: &ListRetained) -> Result<Vec<Arc<Published>>, TopicError> {
        let filter = TopicFilter::new(asked.filter.as_str())?;
        let told = self.durable.retained_by(&filter).filter(|last| last.number <= self.stored);
        let after = told.filter(|last| asked.after.as_ref().is_none_or(|name| last.topic > *name));
        Ok(after.take(asked.limit.min(MAX_PAGE)).cloned().collect())
    }

    /// The dead letters that are asked for, the oldest first.
    fn letters(&self, asked: &ListTopicLetters) -> Vec<TopicLetter> {
        let of = asked.subscription.as_deref();
        let later = self.durable.letters(asked.after);
        let theirs = later.filter(|one| of.is_none_or(|name| one.subscription == name));
        theirs.take(asked.limit.min(MAX_PAGE)).cloned().collect()
    }

    /// The time, which never goes back here.
    fn tell_time(&mut self, ctx: &Context<Self>) -> Moment {
        let clock = Moment(ctx.system().clock().utc().as_microsecond());
        self.now = self.now.max(clock);
        self.now
    }

    async fn own(&mut self, event: Event, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        match event {
            Event::Appended(number, answer) => self.appended(number, answer, ctx).await?,
            Event::Delivered { name, number, outcome } => {
                self.delivering.remove(&name);
                self.queue.push_back(match outcome {
                    Ok(()) => Command::Delivered { name, number },
                    Err(reason) => Command::Failed { name, reason },
                });
            }
            Event::Wake => {
                self.alarm = None;
                self.queue.push_back(Command::Wake);
            }
            Event::Keep => self.keep(ctx).await,
            Event::Saved(at, saved) => self.saved(at, saved, ctx),
            Event::Dropped(Ok(())) => {}
            Event::Dropped(Err(why)) => tracing::warn!(why, "old records were not dropped"),
        }
        Ok(())
    }
}

impl Actor for Topics {
    type Message = TopicsMessage;
    const KIND: &'static str = "topics";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        self.append = ctx.system().entropy().next_u64() >> 1;
        self.recover().await?;
        ctx.send_every(KEEP, || TopicsMessage::Own(Own(Event::Keep)));
        self.tell_time(ctx);
        self.stirred.extend(self.durable.of_agents());
        self.serve(ctx);
        Ok(())
    }

    async fn handle(
        &mut self,
        message: TopicsMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        self.tell_time(ctx);
        match message {
            TopicsMessage::Publish(request) => self.publish(request),
            TopicsMessage::Subscribe(request) => self.subscribe(request, ctx),
            TopicsMessage::Listen(request) => self.listen(request),
            TopicsMessage::Leave(number) => self.leave(number),
            TopicsMessage::Keep(request) => self.enqueue(Command::Keep(request)),
            TopicsMessage::Remove(request) => self.enqueue(Command::Remove(request)),
            TopicsMessage::Fetch(request) => self.fetch(request),
            TopicsMessage::Acknowledge(request) => self.enqueue(Command::Acknowledge(request)),
            TopicsMessage::Reject(request) => self.enqueue(Command::Reject(request)),
            TopicsMessage::List(request) => {
                let limit = request.body.limit.min(MAX_PAGE);
                let list = self.durable.list(request.body.after.as_deref(), limit);
                request.answer(list);
            }
            TopicsMessage::Letters(request) => {
                let letters = self.letters(&request.body);
                request.answer(letters);
            }
            TopicsMessage::Show(request) => {
                let shown = self.durable.show(&request.body.name);
                request.answer(shown);
            }
            TopicsMessage::AllRetained(request) => {
                let all = self.all_retained(&request.body);
                request.answer(all);
            }
            TopicsMessage::Retained(request) => {
                let last = self.durable.retained(&request.body.topic);
                let last = last.filter(|last| last.number <= self.stored).cloned();
                request.answer(last);
            }
            TopicsMessage::Own(Own(event)) => self.own(event, ctx).await?,
        }
        Ok(())
    }

    async fn settle(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        self.commit(ctx);
        self.serve(ctx);
        self.set_alarm(ctx);
        let plain = self.filters.len();
        let durable = self.durable.len();
        ctx.describe(format!("{plain} plain and {durable} durable subscriptions"));
        Ok(())
    }
}
