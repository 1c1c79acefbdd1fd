//! Agents that the cluster places: which of them this node hosts.
//!
//! ```text
//!  cluster's registry ─ offers of all nodes ─▶ Placer ─ Acquire, Renew, Release ─▶ control group
//!  agents' host ◀─ StartAgent, StopAgent ─────────┘
//! ```
//!
//! What is decided is in `synod_cluster`: `placements` says who should host, `Hosting` who does.
//! A hand-off is in this order: no more work, what is in hand ends, the seat is given back, another
//! node has it, the agent starts there. Meanwhile the registry still names the agent, as
//! disconnected, so that tasks wait for it and are not refused.

mod factory;
mod offers;
mod seats;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use synod_agents::{
    AgentEntry, AgentKey, HostError, HostMessage, RegistryMessage as AgentsMessage, StartAgent,
    StopAgent,
};
use synod_cluster::{
    Control, FencingToken, Hlc, Hosting, HostingCommand, LeaseName, Listener, Look, NodeId,
    PlacingConfig, PutEntry, RegistryChange, RegistryKey, RegistryMessage, RegistryRefusal,
    RemoveEntry, Terms, placements,
};
use synod_runtime::{
    Actor, ActorError, Address, Ask, AskError, Context, MailboxConfig, Reply, Request, Spec,
    requests,
};
use tokio::sync::watch;
use tokio::time::Instant;

pub(in crate::node) use factory::{OfProgram, PlacedAgent, placed};
pub(in crate::node::cluster) use offers::Offers;
pub use view::{PlacedStatus, SeatStatus};

use offers::Offer;

/// What offers are called in the registry of the cluster.
const PREFIX: &str = "offer/";

/// The metadata of an agent that is placed.
const PLACED: &str = "synod.place";

/// Between looks.
const LOOK: Duration = Duration::from_millis(200);

/// How long a part of the node may take.
const WITHIN: Duration = Duration::from_secs(10);

/// How long the start of an agent may take.
const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// How long the registry names an agent that has gone from here: another node has it by then.
const LINGERS: Duration = Duration::from_secs(5);

/// Changes that may wait.
const MAILBOX: usize = 8_192;

/// Whom the placer works with.
#[derive(Clone)]
pub(super) struct PlacerParts {
    pub(super) own: NodeId,
    pub(super) control: Control,
    pub(super) told: Address<RegistryMessage>,
    pub(super) agents: Address<AgentsMessage>,
    pub(super) host: Address<HostMessage>,
    pub(super) config: PlacingConfig,
    /// What this node could host, by id.
    pub(super) could: Arc<BTreeMap<String, PlacedAgent>>,
    /// Where others on this node see what all nodes offer.
    pub(super) offers: Arc<watch::Sender<Arc<Offers>>>,
}

/// Starts and stops the agents that the cluster has this node host.
pub(super) struct Placer {
    parts: PlacerParts,
    hosting: Hosting,
    offers: Offers,
    /// Who should host what, and what that was decided on.
    hosts: BTreeMap<String, Vec<NodeId>>,
    decided_on: Option<(u64, u64)>,
    /// What others are told that this node could host.
    told: BTreeSet<String>,
    /// Who waits until nothing is hosted here any more.
    departing: Vec<Reply<()>>,
}

/// Stop all that is placed here and take nothing up any more: the node stops or leaves. Answered
/// when that is done.
#[derive(Debug, Clone, Copy)]
pub(super) struct DepartPlaced {
    /// How long work in hand may take.
    pub(super) within: Duration,
}

impl Ask for DepartPlaced {
    type Reply = ();
}

/// What the placer is told.
#[derive(Debug)]
pub(super) enum PlacerMessage {
    /// It is time to look.
    Look,
    /// What a node says changed.
    Theirs(RegistryChange),
    /// Stop all.
    Depart(Request<DepartPlaced>),
    /// The control group gave a seat, or did not.
    Acquired(String, Instant, Option<FencingToken>),
    /// It renewed these leases, or nothing is known.
    Renewed(Instant, Option<Vec<LeaseName>>),
    /// A seat was given back, or is left to run out.
    Released(String),
    /// An agent runs, or does not.
    Started(String, Result<Result<AgentEntry, HostError>, AskError>),
    /// Nothing of an agent runs any more, or that is not known.
    Stopped(String, Option<FencingToken>, Result<(), AskError>),
    /// An agent that has gone is named no longer.
    Forget(String),
    /// Others were told.
    Said(Result<Result<Hlc, RegistryRefusal>, AskError>),
}

requests!(PlacerMessage { Depart(DepartPlaced) });

impl Placer {
    /// The actor, called `placer`.
    pub(super) fn spec(parts: PlacerParts) -> Spec<Self> {
        Spec::new("placer", move || {
            let parts = parts.clone();
            let terms = |agent: &PlacedAgent| Terms {
                instances: agent.placing.instances,
                ends_within: agent.ends_within + LOOK * 5,
            };
            let could = parts.could.iter().map(|(id, agent)| (id.clone(), terms(agent)));
            Self {
                hosting: Hosting::new(parts.own, &parts.config, could.collect()),
                parts,
                offers: Offers::default(),
                hosts: BTreeMap::new(),
                decided_on: None,
                told: BTreeSet::new(),
                departing: Vec::new(),
            }
        })
        .mailbox(MailboxConfig::bounded(MAILBOX))
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        let state = self.parts.control.read();
        let epochs = (state.epoch, state.shards.epoch);
        if self.decided_on != Some(epochs) {
            let (wanted, fixed) = (self.offers.wanted(), self.offers.fixed());
            self.hosts = placements(&state, &wanted, &fixed);
            self.decided_on = Some(epochs);
        }
        let now = ctx.now().into_std();
        let utc_us = ctx.system().clock().utc().as_microsecond();
        let look = Look { now, utc_us, state: &state, hosts: &self.hosts };
        let mut commands = Vec::new();
        self.hosting.look(look, &mut commands);
        self.tell(ctx);
        self.execute(commands, ctx);
    }

    /// Tells others what this node could host, where that has changed.
    fn tell(&mut self, ctx: &Context<Self>) {
        let now = ctx.now().into_std();
        let offered: BTreeSet<String> = self.hosting.offers(now).map(str::to_owned).collect();
        let me = ctx.address();
        for id in offered.symmetric_difference(&self.told) {
            let Ok(key) = RegistryKey::parse(&format!("{PREFIX}{id}")) else { continue };
            let offer = self.parts.could.get(id).filter(|_| offered.contains(id));
            let offer = offer.and_then(|agent| {
                serde_json::to_vec(&Offer::from(&agent.placing)).ok().map(Bytes::from)
            });
            match offer {
                Some(value) => {
                    let put = PutEntry { key, value };
                    self.parts.told.ask_into(put, WITHIN, &me, PlacerMessage::Said);
                }
                None => {
                    let remove = RemoveEntry { key };
                    self.parts.told.ask_into(remove, WITHIN, &me, PlacerMessage::Said);
                }
            }
        }
        self.told = offered;
    }

    fn execute(&mut self, commands: Vec<HostingCommand>, ctx: &mut Context<Self>) {
        for command in commands {
            match command {
                HostingCommand::Acquire { name, lease, for_us } => {
                    self.acquire(name, lease, for_us, ctx);
                }
                HostingCommand::Renew { leases } => self.renew(leases, ctx),
                HostingCommand::Release { name, lease, token } => {
                    self.release(name, lease, token, ctx);
                }
                HostingCommand::Start { name, slot, token } => self.start(name, slot, token, ctx),
                HostingCommand::Stop { name, token, within } => {
                    self.stop(name, token, within, ctx);
                }
            }
        }
    }

    fn start(&mut self, name: String, slot: u32, token: FencingToken, ctx: &Context<Self>) {
        let Some(agent) = self.parts.could.get(&name) else { return };
        let fence = format!("{}.{}", token.epoch, token.position);
        tracing::info!(agent = name, slot, fence, "this node hosts the agent from now on");
        let factory = agent.seated();
        let started = move |outcome| PlacerMessage::Started(name, outcome);
        self.parts.host.ask_into(StartAgent { factory }, STARTS_WITHIN, &ctx.address(), started);
    }

    fn started(
        &mut self,
        name: &str,
        outcome: Result<Result<AgentEntry, HostError>, AskError>,
        ctx: &Context<Self>,
    ) {
        let why = match outcome {
            Ok(Ok(_)) => None,
            Ok(Err(why)) => Some(why.to_string()),
            Err(why) => Some(why.to_string()),
        };
        if let Some(why) = &why {
            tracing::warn!(agent = name, why, "not started here; another node is to host it");
        }
        self.hosting.started(name, why.is_none(), ctx.now().into_std());
    }

    /// Stops an agent. It is given no work from now on.
    fn stop(
        &mut self,
        name: String,
        token: Option<FencingToken>,
        within: Duration,
        ctx: &Context<Self>,
    ) {
        let Some(agent) = self.parts.could.get(&name) else { return };
        let key = agent.key();
        if token.is_some() {
            tracing::info!(agent = %key, ?within, "this node is to host the agent no longer");
        }
        self.inform(AgentsMessage::Connection { key: key.clone(), up: false });
        let told = within + agent.ends_within + WITHIN;
        let stopped = move |outcome| PlacerMessage::Stopped(name, token, outcome);
        self.parts.host.ask_into(StopAgent { key, within }, told, &ctx.address(), stopped);
    }

    fn stopped(
        &mut self,
        name: String,
        token: Option<FencingToken>,
        outcome: &Result<(), AskError>,
        ctx: &mut Context<Self>,
    ) {
        if let Err(why) = outcome {
            tracing::warn!(agent = name, %why, "it is not known whether the agent has stopped");
        }
        let mut commands = Vec::new();
        self.hosting.stopped(&name, token, outcome.is_ok(), &mut commands);
        self.execute(commands, ctx);
        if outcome.is_ok() {
            ctx.send_after(LINGERS, PlacerMessage::Forget(name));
        }
    }

    /// The registry names an agent no longer, unless it is back.
    fn forget(&self, name: &str) {
        let Some(agent) = self.parts.could.get(name) else { return };
        if !self.hosting.hosted().any(|hosted| hosted == name) {
            let reason = "another node hosts it".to_owned();
            self.inform(AgentsMessage::Ended { key: agent.key(), reason });
        }
    }

    fn inform(&self, message: AgentsMessage) {
        match self.parts.agents.reserve() {
            Ok(permit) => permit.send(message),
            Err(why) => tracing::warn!(%why, "the registry of agents was not told"),
        }
    }

    fn note(&mut self, change: &RegistryChange) {
        if self.offers.note(change) {
            self.decided_on = None;
            self.parts.offers.send_replace(Arc::new(self.offers.clone()));
        }
    }
}

impl PlacedAgent {
    pub(in crate::node) fn key(&self) -> AgentKey {
        self.factory.card().key()
    }
}

impl Actor for Placer {
    type Message = PlacerMessage;
    const KIND: &'static str = "coordinator";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let theirs = Listener::to(&ctx.address(), PlacerMessage::Theirs);
        self.parts.told.send(RegistryMessage::Subscribe(theirs)).await?;
        ctx.send_every(LOOK, || PlacerMessage::Look);
        Ok(())
    }

    async fn handle(
        &mut self,
        message: PlacerMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match message {
            PlacerMessage::Look => self.look(ctx),
            PlacerMessage::Theirs(change) => self.note(&change),
            PlacerMessage::Depart(request) => {
                let (DepartPlaced { within }, reply) = request.into_parts();
                self.hosting.depart(within);
                self.departing.push(reply);
                self.look(ctx);
            }
            PlacerMessage::Acquired(name, sent, token) => self.acquired(&name, sent, token, ctx),
            PlacerMessage::Renewed(sent, kept) => {
                let now = ctx.now().into_std();
                self.hosting.renewed(sent.into_std(), kept.as_deref(), now);
            }
            PlacerMessage::Released(name) => self.hosting.released(&name),
            PlacerMessage::Started(name, outcome) => self.started(&name, outcome, ctx),
            PlacerMessage::Stopped(name, token, outcome) => {
                self.stopped(name, token, &outcome, ctx);
            }
            PlacerMessage::Forget(name) => self.forget(&name),
            PlacerMessage::Said(Ok(Ok(_))) => {}
            PlacerMessage::Said(outcome) => {
                tracing::warn!(?outcome, "other nodes were not told what this one could host");
                // All is told again.
                self.told.clear();
            }
        }
        Ok(())
    }

    async fn settle(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        if self.hosting.is_empty() {
            self.departing.drain(..).for_each(|reply| reply.send(()));
        }
        self.departing.retain(|reply| !reply.is_closed());
        let hosted = self.hosting.hosted().count();
        ctx.describe(format!("hosts {hosted} of {} placed agents", self.parts.could.len()));
        Ok(())
    }
}
