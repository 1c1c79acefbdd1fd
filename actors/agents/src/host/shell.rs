//! The host's actor.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use synod_runtime::{
    Actor, ActorError, Address, AskError, ChildEvent, Context, MailboxConfig, Reply, Shutdown,
    Spec, Strategy, Supervision,
};

use super::messages::{AddAgent, HostError, HostMessage, StartAgent};
use super::purpose::{Connecting, Purpose};
use super::roster::{Member, Roster};
use super::stopping::Stopping;
use crate::actor::{AgentActor, Reported, report};
use crate::agent::AgentFactory;
use crate::card::{AgentCard, AgentKind};
use crate::config::AgentsConfig;
use crate::counted::counted;
use crate::error::AgentError;
use crate::messages::{AgentEntry, AgentMessage};
use crate::messenger::Outbox;
use crate::process::Programs;
use crate::registry::{DurableCards, RegisterAgent, RegisterError, Registered, RegistryMessage};
use crate::remote::RemoteFactory;

/// How long the registry may take to register an agent, the journal included.
const REGISTRY_TIMEOUT: Duration = Duration::from_secs(15);
/// How soon a registration that found no room is tried again while agents are brought back.
const AGAIN_AFTER: Duration = Duration::from_millis(50);
/// Agents that are brought back at the same time.
const AT_ONCE: usize = 256;
/// Agents stop side by side; the slowest has its grace time and its child process's.
const SHUTDOWN: Duration = Duration::from_secs(700);

/// Makes the factory of an agent from its card alone, for one kind of agent.
pub type KindFactory =
    Arc<dyn Fn(&AgentCard) -> Result<Arc<dyn AgentFactory>, AgentError> + Send + Sync>;

/// What the host of agents is made of.
#[derive(Clone)]
pub struct HostSettings {
    /// The section `agents` of the configuration, validated.
    pub config: Arc<AgentsConfig>,
    /// Where agents are registered. It is to be started before the host, under a supervisor that
    /// restarts the host with it: what a registry that crashed knew comes from the host.
    pub registry: Address<RegistryMessage>,
    /// The agents of code and configuration; started with the host.
    pub agents: Vec<Arc<dyn AgentFactory>>,
    /// How agents are made from their card alone, by kind: what a request may start. Programs
    /// that connect (`websocket`) need no entry.
    pub kinds: BTreeMap<AgentKind, KindFactory>,
    /// What the agents run; what an earlier node left of them is killed before any agent starts.
    pub programs: Programs,
}

/// From the host to itself. Opaque to all others.
#[derive(Debug)]
pub struct Step(pub(super) Stepped);

#[derive(Debug)]
pub(super) enum Stepped {
    /// The registry has answered about the agent of this name.
    Registered(Arc<str>, Purpose, Result<Registered, HostError>),
    /// The registry has named the agents that come back.
    Durable(Result<Vec<Arc<AgentCard>>, AskError>),
    /// Go on bringing agents back.
    Restore,
    /// The actor of this agent has started, so that its link takes connections.
    Started(Arc<str>, Connecting),
    /// The actor of this name has ended in order: for good, if its address is closed. When the
    /// host itself is stopping this is heard by its next incarnation, whose agents are new.
    Ended(Arc<str>, String),
    /// The time that this agent had to stop in order may be over.
    Overdue(Arc<str>),
}

/// The dynamic supervisor of all agents of a node.
pub struct AgentHost {
    config: Arc<AgentsConfig>,
    pub(super) registry: Address<RegistryMessage>,
    kinds: Arc<BTreeMap<AgentKind, KindFactory>>,
    programs: Programs,
    /// Where agents send messages; outlives this incarnation.
    outbox: Outbox,
    pub(super) roster: Roster,
    pub(super) agents: HashMap<Arc<str>, Address<AgentMessage>>,
    /// Agents that are being stopped.
    pub(super) stopping: HashMap<Arc<str>, Stopping>,
    /// Agents still to be brought back, and how many are on their way.
    pub(super) to_restore: VecDeque<Member>,
    restoring: usize,
    /// Whether the registry has named those it knows from the journal.
    named: bool,
    /// Who waits until all are back.
    waiting: Vec<Reply<()>>,
}

impl AgentHost {
    /// The spec of the host.
    ///
    /// # Errors
    /// The first agent of the settings whose card is not valid, or is there twice.
    pub fn spec(settings: HostSettings) -> Result<Spec<Self>, HostError> {
        let HostSettings { config, registry, agents, kinds, programs } = settings;
        let (roster, kinds) = (Roster::default(), Arc::new(kinds));
        let outbox = Outbox::default();
        for factory in agents {
            let member =
                Member::new(factory, registry.clone(), Arc::clone(&config), outbox.clone());
            member.card().validate()?;
            if !roster.add(&member) {
                return Err(HostError::Exists(member.card().key()));
            }
        }
        let make = move || Self {
            config: Arc::clone(&config),
            registry: registry.clone(),
            kinds: Arc::clone(&kinds),
            programs: programs.clone(),
            outbox: outbox.clone(),
            roster: roster.clone(),
            agents: HashMap::new(),
            stopping: HashMap::new(),
            to_restore: VecDeque::new(),
            restoring: 0,
            named: false,
            waiting: Vec::new(),
        };
        // One agent's actor that keeps failing must not take all others along.
        let supervision =
            Supervision::new(Strategy::Dynamic).intensity(u32::MAX, Duration::from_secs(1));
        Ok(Spec::new("agents", make)
            .mailbox(MailboxConfig::bounded(4_096))
            .shutdown(Shutdown::Within(SHUTDOWN))
            .supervision(supervision))
    }

    // ---- starting ----

    fn member(&self, factory: Arc<dyn AgentFactory>) -> Member {
        let (registry, config) = (self.registry.clone(), Arc::clone(&self.config));
        Member::new(factory, registry, config, self.outbox.clone())
    }

    /// Makes an agent from its card, if its kind allows it.
    fn made_of(&self, card: AgentCard) -> Result<Member, HostError> {
        card.validate()?;
        let kind = card.kind;
        if kind == AgentKind::Websocket {
            let (config, registry) = (Arc::clone(&self.config), self.registry.clone());
            let factory = RemoteFactory::new(Arc::new(card), config, registry);
            return Ok(self.member(Arc::new(factory.clone())).lasting().connected_by(factory));
        }
        let refused = |reason: String| HostError::Kind { kind, reason };
        let Some(make) = self.kinds.get(&kind) else {
            return Err(refused("they come from code or configuration alone".into()));
        };
        let factory = make(&card).map_err(|error| refused(error.message))?;
        Ok(self.member(factory).lasting())
    }

    pub(super) fn add(&mut self, card: AgentCard, purpose: Purpose, ctx: &mut Context<Self>) {
        match self.made_of(card) {
            Ok(member) => self.admit(&member, purpose, ctx),
            Err(error) => purpose.refuse(error),
        }
    }

    /// Takes a new member in and starts it.
    fn admit(&mut self, member: &Member, purpose: Purpose, ctx: &mut Context<Self>) {
        if let Err(faults) = member.card().validate() {
            return purpose.refuse(faults.into());
        }
        if self.roster.len() >= self.config.max_agents {
            return purpose.refuse(RegisterError::Full(self.config.max_agents).into());
        }
        if !self.roster.add(member) {
            return purpose.refuse(HostError::Exists(member.card().key()));
        }
        self.launch(member, purpose, ctx);
    }

    /// Starts the actor of a member and has it registered.
    fn launch(&mut self, member: &Member, purpose: Purpose, ctx: &mut Context<Self>) {
        let name = Arc::clone(&member.name);
        let spec = AgentActor::spec(Arc::clone(&name), Arc::clone(&member.hosting));
        match ctx.spawn_child(spec) {
            Ok(address) => {
                self.agents.insert(name, address.clone());
                self.register(member, address, purpose, ctx);
            }
            Err(error) => {
                self.roster.remove(&name);
                purpose.refuse(HostError::Unavailable(error.to_string()));
            }
        }
    }

    fn register(
        &self,
        member: &Member,
        address: Address<AgentMessage>,
        purpose: Purpose,
        ctx: &mut Context<Self>,
    ) {
        let register = RegisterAgent {
            card: Arc::clone(member.card()),
            address,
            durable: member.durable,
            connected: !member.hosting.factory.has_link(),
        };
        let name = Arc::clone(&member.name);
        self.registry.ask_into(register, REGISTRY_TIMEOUT, &ctx.address(), move |answer| {
            let answer = match answer {
                Ok(answer) => answer.map_err(HostError::from),
                Err(error) => Err(HostError::Unavailable(error.to_string())),
            };
            HostMessage::Own(Step(Stepped::Registered(name, purpose, answer)))
        });
    }

    fn registered(
        &mut self,
        name: &Arc<str>,
        purpose: Purpose,
        answer: Result<Registered, HostError>,
        ctx: &mut Context<Self>,
    ) {
        let restored = matches!(purpose, Purpose::Restored);
        match answer {
            Ok(Registered { entry, pulse }) => {
                report(&entry.address, Reported::Registered(pulse));
                self.answer(name, purpose, entry, ctx);
            }
            // The registry restarts or is busy; what is brought back can wait.
            Err(HostError::Unavailable(_)) if restored => self.put_off(name, ctx),
            Err(error) => {
                ctx.stop_child(name);
                self.agents.remove(name);
                self.roster.remove(name);
                purpose.refuse(error);
            }
        }
        if restored {
            self.restoring = self.restoring.saturating_sub(1);
            self.restore(ctx);
        }
    }

    fn answer(
        &self,
        name: &Arc<str>,
        purpose: Purpose,
        entry: AgentEntry,
        ctx: &mut Context<Self>,
    ) {
        match purpose {
            Purpose::Asked(reply) => reply.send(Ok(entry)),
            Purpose::Connected(connecting) => self.open(name, &entry.address, connecting, ctx),
            Purpose::Restored => {}
        }
    }

    // ---- bringing back ----

    /// Starts what is still to be brought back, some at a time, so that neither the registry's
    /// mailbox nor this actor's turn grows with the number of agents.
    fn restore(&mut self, ctx: &mut Context<Self>) {
        while self.restoring < AT_ONCE {
            let Some(member) = self.to_restore.pop_front() else { return };
            self.restoring += 1;
            match self.agents.get(&member.name).cloned() {
                Some(address) => self.register(&member, address, Purpose::Restored, ctx),
                None => self.launch(&member, Purpose::Restored, ctx),
            }
        }
    }

    /// Answers who waits for the agents once they are back.
    fn tell_waiting(&mut self) {
        if self.named && self.restoring == 0 && self.to_restore.is_empty() {
            self.waiting.drain(..).for_each(|reply| reply.send(()));
        }
        // Who waits with a deadline may ask again and again.
        self.waiting.retain(|reply| !reply.is_closed());
    }

    fn put_off(&mut self, name: &str, ctx: &mut Context<Self>) {
        self.to_restore.extend(self.roster.get(name));
        ctx.send_after(AGAIN_AFTER, HostMessage::Own(Step(Stepped::Restore)));
    }

    /// Agents that were registered at run time come back beside those of code and configuration,
    /// which go first where both have the same key.
    fn durable(&mut self, cards: Vec<Arc<AgentCard>>, ctx: &mut Context<Self>) {
        self.named = true;
        for card in cards {
            let name = card.key().to_string();
            if self.roster.contains(&name) {
                continue;
            }
            match self.made_of(AgentCard::clone(&card)) {
                Ok(member) => {
                    self.roster.add(&member);
                    self.to_restore.push_back(member);
                }
                Err(error) => tracing::warn!(agent = name, %error, "not brought back"),
            }
        }
        self.restore(ctx);
    }

    fn ask_durable(&self, ctx: &mut Context<Self>) {
        self.registry.ask_into(DurableCards, REGISTRY_TIMEOUT, &ctx.address(), |answer| {
            HostMessage::Own(Step(Stepped::Durable(answer)))
        });
    }

    fn stepped(&mut self, step: Stepped, ctx: &mut Context<Self>) {
        match step {
            Stepped::Registered(name, purpose, answer) => {
                self.registered(&name, purpose, answer, ctx);
            }
            Stepped::Durable(Ok(cards)) => self.durable(cards, ctx),
            Stepped::Durable(Err(error)) => {
                tracing::warn!(%error, "the registry did not name the agents that come back");
                self.ask_durable(ctx);
            }
            Stepped::Restore => self.restore(ctx),
            Stepped::Started(name, connecting) => self.started(&name, connecting),
            Stepped::Ended(name, reason) => self.ended(&name, reason),
            Stepped::Overdue(name) => self.overdue(&name, ctx),
        }
    }
}

impl Actor for AgentHost {
    type Message = HostMessage;
    const KIND: &'static str = "agent host";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        self.programs.kill_leftovers().await;
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
                let member = self.member(factory);
                self.admit(&member, Purpose::Asked(reply), ctx);
            }
            HostMessage::Stop(request) => self.stop_agent(request, ctx),
            HostMessage::Add(request) => {
                let (AddAgent { card }, reply) = request.into_parts();
                self.add(card, Purpose::Asked(reply), ctx);
            }
            HostMessage::Connect(request) => {
                let (ask, reply) = request.into_parts();
                self.connect(ask, reply, ctx);
            }
            HostMessage::Await(request) => self.waiting.push(request.into_parts().1),
            HostMessage::Carry(messenger) => self.outbox.give(messenger.0),
            HostMessage::Own(Step(step)) => self.stepped(step, ctx),
        }
        Ok(())
    }

    async fn settle(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        self.tell_waiting();
        ctx.describe(counted(self.agents.len(), "agent"));
        Ok(())
    }

    async fn child_event(
        &mut self,
        event: ChildEvent,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        self.answer_stopped(ctx);
        if let ChildEvent::Exited { name, reason } = event
            && reason.is_normal()
            && let Ok(permit) = ctx.address().reserve()
        {
            permit.send(HostMessage::Own(Step(Stepped::Ended(name, reason.to_string()))));
        }
        Ok(())
    }
}
