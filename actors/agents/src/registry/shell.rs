//! The registry's actor: messages become inputs of [`Registry`], commands become sends, and what
//! must last goes through the journal before it counts.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use synod_journal::{AppendError, Committed, Epoch, JournalMessage, Position};
use synod_runtime::{Actor, ActorError, Address, AskError, Context, MailboxConfig, Priority, Spec};

use super::durable::Pending;
use super::listeners::Listeners;
use super::machine::{Command, Moment, Order, Registry};
use super::messages::{AgentPage, DurableCards, RegistryMessage, ShowAgent};
use crate::config::AgentsConfig;
use crate::counted::counted;
use crate::messages::AgentMessage;

/// How soon a listener without room is tried again.
const RELAY_AFTER: Duration = Duration::from_millis(100);
/// Longest replay of all registrations.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Agents can come by the ten thousand at start-up.
const MAILBOX: usize = 16_384;

type Entries = Registry<Address<AgentMessage>>;

/// From the registry to itself. Opaque to all others.
#[derive(Debug)]
pub struct Step(pub(super) Stepped);

#[derive(Debug)]
pub(super) enum Stepped {
    /// The journal has answered.
    Appended(Box<Pending>, Result<Result<Committed, AppendError>, AskError>),
    /// The journal has a snapshot up to this position, or not.
    Saved(Result<(), String>),
    /// Look for the silent.
    Sweep,
    /// Try the listeners that had no room.
    Relay,
}

/// The registry of a node's agents.
pub struct RegistryActor {
    pub(super) config: Arc<AgentsConfig>,
    pub(super) journal: Option<Address<JournalMessage>>,
    pub(super) entries: Option<Entries>,
    /// Outlives a crash: after it, every listener gets a snapshot.
    listeners: Arc<Mutex<Listeners>>,
    /// The epoch of the partition that the registrations are written under, as far as known.
    pub(super) epoch: Epoch,
    /// The last record of the stream, and how many came since the last snapshot.
    pub(super) last: Position,
    pub(super) unsaved: u64,
}

impl RegistryActor {
    /// The spec of the registry. Without a journal there are no run-time registrations: they are
    /// refused, since they would not last.
    pub fn spec(config: Arc<AgentsConfig>, journal: Option<Address<JournalMessage>>) -> Spec<Self> {
        let listeners = Arc::default();
        let make = move || Self {
            config: Arc::clone(&config),
            journal: journal.clone(),
            entries: None,
            listeners: Arc::clone(&listeners),
            epoch: Epoch(0),
            last: Position::START,
            unsaved: 0,
        };
        Spec::new("registry", make)
            .mailbox(MailboxConfig::bounded(MAILBOX))
            .start_timeout(START_TIMEOUT)
    }

    /// Lets the machine decide and does what it says.
    pub(super) fn with<T>(
        &mut self,
        ctx: &mut Context<Self>,
        decide: impl FnOnce(&mut Entries, Moment, &mut Vec<Command<Address<AgentMessage>>>) -> T,
    ) -> Result<T, ActorError> {
        let moment = moment(ctx);
        let mut commands = Vec::new();
        let entries = self.entries.as_mut().ok_or_else(not_started)?;
        let result = decide(entries, moment, &mut commands);
        for command in commands {
            self.execute(command, ctx);
        }
        Ok(result)
    }

    fn execute(&mut self, command: Command<Address<AgentMessage>>, ctx: &mut Context<Self>) {
        match command {
            Command::Publish(change) => self.listeners.lock().publish(&change),
            Command::Tell(agent, order) => tell(&agent, order),
            Command::RetireSilent(key) => {
                tracing::info!(agent = %key, "retired: no sign of life");
                let pending = Pending::Retire(vec![key], "no sign of life".into(), None);
                self.append(pending, ctx);
            }
        }
    }

    // ---- itself ----

    fn stepped(&mut self, step: Stepped, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        match step {
            Stepped::Appended(pending, answer) => self.appended(*pending, answer, ctx)?,
            Stepped::Saved(Ok(())) => {}
            Stepped::Saved(Err(reason)) => {
                tracing::warn!(%reason, "the journal did not take a snapshot of the registry");
                self.unsaved += 1;
            }
            Stepped::Sweep => {
                let limit = Duration::from_secs(self.config.inactive_after_s);
                if !limit.is_zero() {
                    self.with(ctx, |entries, at, out| entries.sweep(at.now, limit, out))?;
                }
                if self.unsaved > 0 {
                    self.save(ctx);
                }
            }
            Stepped::Relay => self.listeners.lock().relaying = false,
        }
        Ok(())
    }
}

fn moment(ctx: &Context<RegistryActor>) -> Moment {
    Moment { now: ctx.now().into_std(), utc: ctx.system().clock().utc() }
}

pub(super) fn not_started() -> ActorError {
    ActorError::new("the registry has not started")
}

/// Orders go ahead of all work and can't fail for room.
fn tell(agent: &Address<AgentMessage>, order: Order) {
    let Ok(permit) = agent.reserve() else { return };
    permit.with_priority(Priority::Critical).send(match order {
        Order::Pause => AgentMessage::Pause,
        Order::Resume => AgentMessage::Resume,
        Order::Drain => AgentMessage::Drain,
        Order::Retire => AgentMessage::Retire,
    });
}

impl Actor for RegistryActor {
    type Message = RegistryMessage;
    const KIND: &'static str = "registry";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let mut entries = Registry::new(self.config.max_agents, ctx.now().into_std());
        self.replay(&mut entries).await?;
        self.entries = Some(entries);
        self.listeners.lock().lost_touch();
        let every = Duration::from_secs(self.config.sweep_s);
        ctx.send_every(every, || RegistryMessage::Own(Step(Stepped::Sweep)));
        Ok(())
    }

    async fn handle(
        &mut self,
        message: RegistryMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match message {
            RegistryMessage::Register(request) => self.register(request, ctx)?,
            RegistryMessage::Retire(request) => self.retire(request, ctx)?,
            RegistryMessage::SetStatus(request) => {
                let (agents, status) = (request.body.agents.clone(), request.body.status);
                let reply = self
                    .with(ctx, |entries, at, out| entries.set_status(at, &agents, status, out))?;
                request.answer(reply);
            }
            RegistryMessage::Connection { key, up } => {
                self.with(ctx, |entries, at, out| entries.connection(at, &key, up, out))?;
            }
            RegistryMessage::Ended { key, reason } => {
                self.with(ctx, |entries, _, out| entries.ended(&key, &reason, out))?;
            }
            RegistryMessage::Subscribe(listener) => self.listeners.lock().add(listener),
            RegistryMessage::Own(Step(step)) => self.stepped(step, ctx)?,
            asked => self.asked(asked, moment(ctx))?,
        }
        Ok(())
    }

    async fn settle(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let moment = moment(ctx);
        let entries = self.entries.as_ref().ok_or_else(not_started)?;
        let mut listeners = self.listeners.lock();
        let agents = counted(entries.len(), "agent");
        ctx.describe(format!("{agents}, {}", counted(listeners.len(), "listener")));
        if listeners.catch_up(|| entries.all(moment)) {
            ctx.send_after(RELAY_AFTER, RegistryMessage::Own(Step(Stepped::Relay)));
        }
        Ok(())
    }
}

impl RegistryActor {
    /// Questions: they change nothing.
    fn asked(&self, message: RegistryMessage, at: Moment) -> Result<(), ActorError> {
        let entries = self.entries.as_ref().ok_or_else(not_started)?;
        match message {
            RegistryMessage::Find(request) => {
                let ask = &request.body;
                let least = ask.min_version.as_ref();
                let found = entries.find(at, &ask.capability, least, ask.limit);
                request.answer(found);
            }
            RegistryMessage::Show(request) => {
                let ShowAgent { agents } = &request.body;
                let shown = entries.show(at, agents);
                request.answer(shown);
            }
            RegistryMessage::List(request) => {
                let page = entries.list(at, &request.body);
                request.answer(page.map(|(entries, next)| AgentPage { entries, next }));
            }
            RegistryMessage::Heartbeat(request) => {
                let known = entries.heartbeat(at.now, &request.body.agents);
                request.answer(known);
            }
            RegistryMessage::Durable(request) => {
                let DurableCards = request.body;
                let cards = entries.durable().cloned().collect();
                request.answer(cards);
            }
            _ => {}
        }
        Ok(())
    }
}
