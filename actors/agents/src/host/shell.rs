//! The host's actor.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use synod_runtime::{
    Actor, ActorError, Address, AskError, ChildEvent, Context, MailboxConfig, Reply, Shutdown,
    Spec, Strategy, Supervision,
};
use tokio::sync::mpsc;

use super::messages::{AddAgent, ConnectAgent, HostError, HostMessage, StartAgent};
use super::roster::{Member, Roster};
use super::tree::HostSettings;
use crate::actor::{AgentActor, Reported, report};
use crate::agent::AgentFactory;
use crate::card::{AgentCard, AgentKind};
use crate::id::AgentKey;
use crate::messages::{AgentEntry, AgentMessage};
use crate::registry::{DurableCards, RegisterAgent, RegisterError, Registered, RegistryMessage};
use crate::remote::{RemoteFactory, SessionInlet, ToAgent};

/// How long the registry may take to register an agent, the journal included.
const REGISTRY_TIMEOUT: Duration = Duration::from_secs(15);
/// How soon a registration that found no room is tried again while agents are brought back.
const AGAIN_AFTER: Duration = Duration::from_millis(50);
/// Agents that are brought back at the same time.
const AT_ONCE: usize = 256;
/// Agents stop side by side; the slowest has its grace time and its child process's.
const SHUTDOWN: Duration = Duration::from_secs(700);

/// From the host to itself. Opaque to all others.
#[derive(Debug)]
pub struct Step(Stepped);

#[derive(Debug)]
enum Stepped {
    /// The registry has answered about this agent.
    Registered(AgentKey, Purpose, Result<Registered, HostError>),
    /// The registry has named the agents that come back.
    Durable(Result<Vec<AgentCard>, AskError>),
    /// Go on bringing agents back.
    Restore,
    /// The actor of this name has ended in order: for good, if its address is closed. When the
    /// host itself is stopping this is heard by its next incarnation, whose agents are new.
    Ended(Arc<str>, String),
}

/// Why an agent was started, and who is to be told.
enum Purpose {
    Asked(Reply<Result<AgentEntry, HostError>>),
    Connected(Reply<Result<SessionInlet, HostError>>, mpsc::Sender<ToAgent>),
    Restored,
}

impl std::fmt::Debug for Purpose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Asked(_) => "Asked",
            Self::Connected(..) => "Connected",
            Self::Restored => "Restored",
        })
    }
}

impl Purpose {
    fn refuse(self, error: HostError) {
        match self {
            Self::Asked(reply) => reply.send(Err(error)),
            Self::Connected(reply, _) => reply.send(Err(error)),
            Self::Restored => tracing::warn!(%error, "an agent could not be brought back"),
        }
    }
}

/// The dynamic supervisor of all agents of a node.
pub(super) struct AgentHost {
    settings: HostSettings,
    roster: Roster,
    /// By the name of their actor, `id@version`.
    agents: HashMap<String, (AgentKey, Address<AgentMessage>)>,
    /// Agents still to be brought back, and how many are on their way.
    to_restore: VecDeque<Member>,
    restoring: usize,
}

impl AgentHost {
    pub(super) fn spec(settings: HostSettings, roster: Roster) -> Spec<Self> {
        let make = move || Self {
            settings: settings.clone(),
            roster: roster.clone(),
            agents: HashMap::new(),
            to_restore: VecDeque::new(),
            restoring: 0,
        };
        // One agent's actor that keeps failing must not take all others along.
        let supervision =
            Supervision::new(Strategy::Dynamic).intensity(u32::MAX, Duration::from_secs(1));
        Spec::new("host", make)
            .mailbox(MailboxConfig::bounded(4_096))
            .shutdown(Shutdown::Within(SHUTDOWN))
            .supervision(supervision)
    }

    // ---- starting ----

    fn start_agent(
        &mut self,
        factory: Arc<dyn AgentFactory>,
        card: AgentCard,
        purpose: Purpose,
        ctx: &mut Context<Self>,
    ) {
        let (registry, config) =
            (self.settings.registry.clone(), Arc::clone(&self.settings.config));
        self.admit(Member::new(factory, card, registry, config), purpose, ctx);
    }

    /// Starts an agent from its card, if its kind allows it.
    fn add(&mut self, card: AgentCard, purpose: Purpose, ctx: &mut Context<Self>) {
        match self.made_of(card) {
            Ok(member) => self.admit(member, purpose, ctx),
            Err(error) => purpose.refuse(error),
        }
    }

    fn made_of(&self, card: AgentCard) -> Result<Member, HostError> {
        card.validate()?;
        let kind = card.kind;
        let (registry, config) =
            (self.settings.registry.clone(), Arc::clone(&self.settings.config));
        if kind == AgentKind::Websocket {
            let factory = RemoteFactory::new(card.clone(), Arc::clone(&config), registry.clone());
            let shared: Arc<dyn AgentFactory> = Arc::new(factory.clone());
            return Ok(Member::new(shared, card, registry, config).lasting().remote(factory));
        }
        let refused = |reason: String| HostError::Kind { kind, reason };
        let Some(make) = self.settings.kinds.get(&kind) else {
            return Err(refused("they come from code or configuration alone".into()));
        };
        let factory = make(&card).map_err(|error| refused(error.message))?;
        Ok(Member::new(factory, card, registry, config).lasting())
    }

    /// Takes a new member in and starts it.
    fn admit(&mut self, member: Member, purpose: Purpose, ctx: &mut Context<Self>) {
        let card = &member.hosting.card;
        if let Err(faults) = card.validate() {
            return purpose.refuse(faults.into());
        }
        if self.roster.len() >= self.settings.config.max_agents {
            return purpose.refuse(RegisterError::Full(self.settings.config.max_agents).into());
        }
        if !self.roster.add(member.clone()) {
            return purpose.refuse(HostError::Exists(card.key()));
        }
        self.launch(&member, purpose, ctx);
    }

    /// Starts the actor of a member and has it registered.
    fn launch(&mut self, member: &Member, purpose: Purpose, ctx: &mut Context<Self>) {
        let key = member.hosting.card.key();
        let address = match ctx.spawn_child(AgentActor::spec(Arc::clone(&member.hosting))) {
            Ok(address) => address,
            Err(error) => {
                self.roster.remove(&key);
                return purpose.refuse(HostError::Unavailable(error.to_string()));
            }
        };
        self.agents.insert(key.to_string(), (key.clone(), address.clone()));
        self.register(member, address, key, purpose, ctx);
    }

    fn register(
        &self,
        member: &Member,
        address: Address<AgentMessage>,
        key: AgentKey,
        purpose: Purpose,
        ctx: &mut Context<Self>,
    ) {
        let register = RegisterAgent {
            card: AgentCard::clone(&member.hosting.card),
            address,
            durable: member.durable,
            connected: !member.hosting.factory.has_link(),
        };
        let me = ctx.address();
        self.settings.registry.ask_into(register, REGISTRY_TIMEOUT, &me, move |answer| {
            let answer = match answer {
                Ok(answer) => answer.map_err(HostError::from),
                Err(error) => Err(HostError::Unavailable(error.to_string())),
            };
            HostMessage::Own(Step(Stepped::Registered(key, purpose, answer)))
        });
    }

    fn registered(
        &mut self,
        key: AgentKey,
        purpose: Purpose,
        answer: Result<Registered, HostError>,
        ctx: &mut Context<Self>,
    ) {
        let restored = matches!(purpose, Purpose::Restored);
        match answer {
            Ok(Registered { entry, pulse }) => {
                report(&entry.address, Reported::Registered(pulse));
                self.answer(&key, purpose, entry);
            }
            // The registry restarts or is busy; what is brought back can wait.
            Err(HostError::Unavailable(_)) if restored => self.put_off(&key, ctx),
            Err(error) => {
                let name = key.to_string();
                ctx.stop_child(&name);
                self.agents.remove(&name);
                self.roster.remove(&key);
                purpose.refuse(error);
            }
        }
        if restored {
            self.restoring = self.restoring.saturating_sub(1);
            self.restore(ctx);
        }
    }

    fn answer(&self, key: &AgentKey, purpose: Purpose, entry: AgentEntry) {
        match purpose {
            Purpose::Asked(reply) => reply.send(Ok(entry)),
            Purpose::Connected(reply, outgoing) => reply.send(self.session(key, outgoing)),
            Purpose::Restored => {}
        }
    }

    // ---- connections ----

    fn connect(
        &mut self,
        ask: ConnectAgent,
        reply: Reply<Result<SessionInlet, HostError>>,
        ctx: &mut Context<Self>,
    ) {
        let ConnectAgent { mut card, outgoing } = ask;
        card.kind = AgentKind::Websocket;
        let key = card.key();
        match self.roster.get(&key) {
            Some(member) if member.remote.is_some() && *member.hosting.card == card => {
                reply.send(self.session(&key, outgoing));
            }
            Some(_) => reply.send(Err(HostError::Exists(key))),
            None => self.add(card, Purpose::Connected(reply, outgoing), ctx),
        }
    }

    fn session(
        &self,
        key: &AgentKey,
        outgoing: mpsc::Sender<ToAgent>,
    ) -> Result<SessionInlet, HostError> {
        let remote = self.roster.get(key).and_then(|member| member.remote);
        remote
            .and_then(|remote| remote.connect(outgoing))
            .ok_or_else(|| HostError::Unavailable("the agent's link is not running".into()))
    }

    // ---- bringing back ----

    /// Starts what is still to be brought back, some at a time, so that neither the registry's
    /// mailbox nor this actor's turn grows with the number of agents.
    fn restore(&mut self, ctx: &mut Context<Self>) {
        while self.restoring < AT_ONCE {
            let Some(member) = self.to_restore.pop_front() else { return };
            self.restoring += 1;
            let key = member.hosting.card.key();
            match self.agents.get(&key.to_string()).cloned() {
                Some((_, address)) => self.register(&member, address, key, Purpose::Restored, ctx),
                None => self.launch(&member, Purpose::Restored, ctx),
            }
        }
    }

    fn put_off(&mut self, key: &AgentKey, ctx: &mut Context<Self>) {
        if let Some(member) = self.roster.get(key) {
            self.to_restore.push_back(member);
        }
        ctx.send_after(AGAIN_AFTER, HostMessage::Own(Step(Stepped::Restore)));
    }

    /// Agents that were registered at run time come back beside those of code and configuration,
    /// which go first where both have the same key.
    fn durable(&mut self, cards: Vec<AgentCard>, ctx: &mut Context<Self>) {
        for card in cards {
            let key = card.key();
            if self.roster.get(&key).is_some() {
                continue;
            }
            match self.made_of(card) {
                Ok(member) => {
                    self.roster.add(member.clone());
                    self.to_restore.push_back(member);
                }
                Err(error) => tracing::warn!(agent = %key, %error, "not brought back"),
            }
        }
        self.restore(ctx);
    }

    fn ask_durable(&self, ctx: &mut Context<Self>) {
        let me = ctx.address();
        self.settings.registry.ask_into(DurableCards, REGISTRY_TIMEOUT, &me, |answer| {
            HostMessage::Own(Step(Stepped::Durable(answer)))
        });
    }

    fn stepped(&mut self, step: Stepped, ctx: &mut Context<Self>) {
        match step {
            Stepped::Registered(key, purpose, answer) => {
                self.registered(key, purpose, answer, ctx);
            }
            Stepped::Durable(Ok(cards)) => self.durable(cards, ctx),
            Stepped::Durable(Err(error)) => {
                tracing::warn!(%error, "the registry did not name the agents that come back");
                self.ask_durable(ctx);
            }
            Stepped::Restore => self.restore(ctx),
            Stepped::Ended(name, reason) => self.ended(&name, reason),
        }
    }

    /// The actor of an agent has ended for good, unless it is back: it was retired or stopped.
    fn ended(&mut self, name: &str, reason: String) {
        if self.agents.get(name).is_none_or(|(_, address)| !address.is_closed()) {
            return;
        }
        let Some((key, _)) = self.agents.remove(name) else { return };
        self.roster.remove(&key);
        if let Ok(permit) = self.settings.registry.reserve() {
            permit.send(RegistryMessage::Ended { key, reason });
        }
    }
}

impl Actor for AgentHost {
    type Message = HostMessage;
    const KIND: &'static str = "agent host";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        self.to_restore = self.roster.all();
        self.restore(ctx);
        self.ask_durable(ctx);
        Ok(())
    }

    async fn handle(
        &mut self,
        message: HostMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match message {
            HostMessage::Start(request) => {
                let (StartAgent { factory }, reply) = request.into_parts();
                let card = factory.card();
                self.start_agent(factory, card, Purpose::Asked(reply), ctx);
            }
            HostMessage::Add(request) => {
                let (AddAgent { card }, reply) = request.into_parts();
                self.add(card, Purpose::Asked(reply), ctx);
            }
            HostMessage::Connect(request) => {
                let (ask, reply) = request.into_parts();
                self.connect(ask, reply, ctx);
            }
            HostMessage::Own(Step(step)) => self.stepped(step, ctx),
        }
        ctx.describe(format!("{} agents", self.agents.len()));
        Ok(())
    }

    async fn child_event(
        &mut self,
        event: ChildEvent,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        if let ChildEvent::Exited { name, reason } = event
            && reason.is_normal()
            && let Ok(permit) = ctx.address().reserve()
        {
            permit.send(HostMessage::Own(Step(Stepped::Ended(name, reason.to_string()))));
        }
        Ok(())
    }
}
