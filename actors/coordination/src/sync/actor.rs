//! The actor of shared state: messages become inputs of [`Replica`], commands become sends; what
//! this node writes goes through the journal before anybody else hears of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use synod_journal::{AppendError, Committed, Epoch, JournalMessage, Position};
use synod_runtime::{Actor, ActorError, Address, AskError, Context, MailboxConfig, Spec};

use super::config::SharedConfig;
use super::durable::Waiting;
use super::error::SharedRefusal;
use super::listeners::Listeners;
use super::messages::{
    ListShared, ReadShared, SharedChange, SharedHealth, SharedMessage, SharedSummary, SharedView,
};
use super::replica::{Around, Command, Replica};
use super::spread::Spread;

const MAILBOX: usize = 16_384;
/// Longest replay.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Most keys or documents in one answer, and about how many bytes.
const PAGE: usize = 1000;
const PAGE_BYTES: usize = 1 << 20;
/// Messages that wait for the journal to have what they may tell of. What is beyond is dropped:
/// rounds make good for it.
const MAX_HELD: usize = 4096;

/// From shared state to itself. Opaque to all others.
#[derive(Debug)]
pub struct Step(pub(super) Stepped);

#[derive(Debug)]
pub(super) enum Stepped {
    /// The journal has answered about the append of this number.
    Appended(u64, Result<Result<Committed, AppendError>, AskError>),
    /// The journal has a snapshot up to here, or not.
    Saved(Position, Result<(), String>),
    /// The journal dropped what snapshots have, or why not.
    Dropped(Result<(), String>),
    /// Time to look for differences.
    Round,
    /// Time to keep everything whole.
    Keep,
}

/// The state that agents share, as one node has it.
pub struct SharedState {
    pub(super) config: SharedConfig,
    pub(super) journal: Address<JournalMessage>,
    pub(super) spread: Arc<dyn Spread>,
    pub(super) replica: Option<Replica>,
    /// Outlives a crash.
    pub(super) listeners: Arc<Mutex<Listeners>>,
    /// Writes that the journal has been given, and those that come after.
    pub(super) writing: Vec<Waiting>,
    pub(super) gathered: VecDeque<Waiting>,
    /// Writes that were made and those of them that the journal has.
    pub(super) made: u64,
    pub(super) stored: u64,
    /// What may tell of writes up to this number, and waits for them.
    pub(super) held: VecDeque<(u64, Vec<Command>)>,
    /// The number of the last append. Each incarnation begins with another: an answer that one
    /// before it asked for passes for none of its own.
    pub(super) append: u64,
    pub(super) epoch: Epoch,
    /// Records that the stream has ever had; the last one, and how many since a snapshot.
    pub(super) version: u64,
    pub(super) last: Position,
    pub(super) unsaved: u64,
    /// Where the last snapshot was made, and how many more must contain the last record before the
    /// journal can drop it.
    pub(super) kept: Position,
    pub(super) owed: u8,
    /// Whether others' writes came since a snapshot.
    pub(super) has_learned: bool,
}

impl SharedState {
    /// The spec of shared state. On a node of its own, `spread` is [`Alone`](super::Alone).
    #[must_use]
    pub fn spec(
        config: SharedConfig,
        journal: Address<JournalMessage>,
        spread: Arc<dyn Spread>,
    ) -> Spec<Self> {
        let listeners = Arc::default();
        let make = move || Self {
            config,
            journal: journal.clone(),
            spread: Arc::clone(&spread),
            replica: None,
            listeners: Arc::clone(&listeners),
            writing: Vec::new(),
            gathered: VecDeque::new(),
            made: 0,
            stored: 0,
            held: VecDeque::new(),
            append: 0,
            epoch: Epoch(0),
            version: 0,
            last: Position::START,
            unsaved: 0,
            kept: Position::START,
            owed: 0,
            has_learned: false,
        };
        Spec::new("shared-state", make)
            .mailbox(MailboxConfig::bounded(MAILBOX))
            .start_timeout(START_TIMEOUT)
    }

    pub(super) fn replica(&mut self) -> Result<&mut Replica, ActorError> {
        self.replica.as_mut().ok_or_else(not_started)
    }

    /// Lets the machine decide and does what it says, once the journal has what it may tell of.
    pub(super) fn with(
        &mut self,
        ctx: &Context<Self>,
        decide: impl FnOnce(&mut Replica, Around<'_>, &mut Vec<Command>),
    ) -> Result<(), ActorError> {
        let (peers, mut commands) = (self.spread.peers(), Vec::new());
        let around = Around { utc_ms: utc_ms(ctx), peers: &peers };
        decide(self.replica()?, around, &mut commands);
        if commands.is_empty() {
            return Ok(());
        }
        if self.stored == self.made {
            self.execute(commands);
        } else if self.held.len() < MAX_HELD {
            self.held.push_back((self.made, commands));
        } else {
            metrics::counter!("synod_shared_unsent_total").increment(1);
        }
        Ok(())
    }

    /// Does what waited for writes that the journal has now.
    pub(super) fn release(&mut self) {
        while let Some((_, commands)) = self.held.pop_front_if(|(after, _)| *after <= self.stored) {
            self.execute(commands);
        }
    }

    fn execute(&mut self, commands: Vec<Command>) {
        for command in commands {
            match command {
                Command::Send { to, bytes } => self.spread.send(to, bytes),
                Command::Changed { document, keys, from } => {
                    self.has_learned = true;
                    let (keys, by) = (keys.into_iter().collect(), format!("node:{from}"));
                    self.listeners.lock().publish(&SharedChange { document, keys, by });
                }
            }
        }
    }

    fn read(&mut self, ask: &ReadShared) -> Result<Option<SharedView>, ActorError> {
        let Some(document) = self.replica()?.documents.get(&ask.document) else {
            return Ok(None);
        };
        let (mut values, mut bytes, mut next) = (BTreeMap::new(), 0, None);
        let limit = ask.limit.clamp(1, PAGE);
        let keys: Box<dyn Iterator<Item = &str>> = match &ask.key {
            Some(key) => Box::new(std::iter::once(key.as_str())),
            None => Box::new(document.keys_after(&ask.after)),
        };
        for key in keys {
            if values.len() >= limit || bytes >= PAGE_BYTES {
                next = values.last_key_value().map(|(key, _): (&String, _)| key.clone());
                break;
            }
            if let Some(value) = document.get(key) {
                bytes += key.len() + value.len();
                values.insert(key.to_owned(), value);
            }
        }
        Ok(Some(SharedView {
            document: ask.document.clone(),
            fingerprint: print(document.fingerprint()),
            keys: document.key_count() as u64,
            bytes: document.weight() as u64,
            values,
            next,
        }))
    }

    fn list(&mut self, ask: &ListShared) -> Result<Vec<SharedSummary>, ActorError> {
        let all = self.replica()?.documents.iter();
        let after = all.filter(|(name, _)| **name > ask.after);
        let summary =
            |(name, document): (&String, &super::document::SharedDocument)| SharedSummary {
                document: name.clone(),
                fingerprint: print(document.fingerprint()),
                keys: document.key_count() as u64,
                bytes: document.weight() as u64,
            };
        Ok(after.take(ask.limit.min(PAGE)).map(summary).collect())
    }

    fn health(&mut self) -> Result<SharedHealth, ActorError> {
        let peers = self.spread.peers().len() as u64;
        let waiting = self.made - self.stored;
        let replica = self.replica()?;
        let counters = replica.counters;
        Ok(SharedHealth {
            replica: print(replica.id.0),
            documents: replica.documents.len() as u64,
            bytes: replica.weight() as u64,
            peers,
            waiting,
            sent: counters.sent,
            sent_bytes: counters.sent_bytes,
            received: counters.received,
            malformed: counters.malformed,
            refused: counters.refused,
            drifted: counters.drifted,
            differed: counters.differed,
        })
    }

    fn measure(&mut self, ctx: &Context<Self>) -> Result<(), ActorError> {
        let health = self.health()?;
        metrics::gauge!("synod_shared_documents").set(health.documents as f64);
        metrics::gauge!("synod_shared_bytes").set(health.bytes as f64);
        metrics::counter!("synod_shared_sent_total").absolute(health.sent);
        metrics::counter!("synod_shared_sent_bytes_total").absolute(health.sent_bytes);
        metrics::counter!("synod_shared_received_total").absolute(health.received);
        metrics::counter!("synod_shared_refused_total").absolute(health.refused + health.malformed);
        ctx.describe(format!("{} documents, {} bytes", health.documents, health.bytes));
        Ok(())
    }

    async fn stepped(&mut self, step: Stepped, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        match step {
            Stepped::Appended(number, answer) => self.appended(number, answer, ctx).await?,
            Stepped::Saved(at, saved) => self.saved(at, saved, ctx),
            Stepped::Dropped(Ok(())) => {}
            Stepped::Dropped(Err(why)) => tracing::warn!(why, "old records were not dropped"),
            Stepped::Round => {
                self.with(ctx, |replica, around, out| replica.round(around, out))?;
                self.measure(ctx)?;
                self.listeners.lock().catch_up();
            }
            Stepped::Keep => {
                if self.owed > 0 || self.has_learned {
                    self.keep(ctx).await?;
                }
            }
        }
        Ok(())
    }
}

/// A number as people compare it.
pub(super) fn print(number: u64) -> String {
    format!("{number:016x}")
}

pub(super) fn utc_ms(ctx: &Context<SharedState>) -> u64 {
    u64::try_from(ctx.system().clock().utc().as_millisecond()).unwrap_or(0)
}

fn not_started() -> ActorError {
    ActorError::new("shared state has not started")
}

impl Actor for SharedState {
    type Message = SharedMessage;
    const KIND: &'static str = "shared-state";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        self.append = ctx.system().entropy().next_u64() >> 1;
        self.rebuild(ctx).await?;
        let own = |step| SharedMessage::Own(Step(step));
        ctx.send_every(self.config.round(), move || own(Stepped::Round));
        let keep = Duration::from_secs(self.config.snapshot_s);
        ctx.send_every(keep, move || own(Stepped::Keep));
        Ok(())
    }

    async fn handle(
        &mut self,
        message: SharedMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match message {
            SharedMessage::Write(request) => self.write(request, ctx)?,
            SharedMessage::Read(request) => {
                let shown = match super::replica::check_name(&request.body.document) {
                    Ok(()) => Ok(self.read(&request.body)?),
                    Err(refusal) => Err::<_, SharedRefusal>(refusal),
                };
                request.answer(shown);
            }
            SharedMessage::List(request) => {
                let listed = self.list(&request.body)?;
                request.answer(listed);
            }
            SharedMessage::Show(request) => {
                let health = self.health()?;
                request.answer(health);
            }
            SharedMessage::Subscribe(listener) => self.listeners.lock().add(listener),
            SharedMessage::Heard { from, bytes } => {
                self.with(ctx, |replica, around, out| replica.heard(around, from, &bytes, out))?;
            }
            SharedMessage::Own(Step(step)) => self.stepped(step, ctx).await?,
        }
        Ok(())
    }
}
