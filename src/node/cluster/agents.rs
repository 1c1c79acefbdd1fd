//! Agents of all nodes, known on each: what is registered here is told to the cluster, and what
//! others tell becomes agents of this node whose work goes over a link.
//!
//! ```text
//!  agents' registry ── joined, left ──▶ RemoteAgents ── Put, Remove ──▶ the cluster's registry
//!         ▲                                 │  ▲ ◀──────── changes ─────────────┘
//!         └──── Start (host), Connection ───┘  └── membership: suspect, down, back
//! ```
//!
//! An agent of another node has the version it has there, with the node's name as build metadata
//! (semver 2.0.0, section 10): `1.0.0+node-2`. So it has a key of its own, the same id, and the
//! same rank among versions. Never: an agent that is told on by a node whose it is not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use semver::{BuildMetadata, Version};
use serde::{Deserialize, Serialize};
use synod_agents::{
    AgentCard, AgentChange, AgentEntry, AgentFactory, AgentKey, AgentSelector, AgentStatus,
    HostError, HostMessage, Listener as AgentListener, RegistryMessage as AgentsMessage,
    RetireAgent, RetireError, StartAgent, factory,
};
use synod_cluster::{
    Hlc, Listener, MemberChange, MemberState, MembershipMessage, NodeId, Peers, PutEntry,
    RegistryChange, RegistryEntry, RegistryKey, RegistryMessage, RegistryRefusal, RemoveEntry,
};
use synod_runtime::{Actor, ActorError, Address, AskError, Context, MailboxConfig, Spec};

use super::remote_agent::RemoteAgent;

/// What the entries of agents are called.
pub(super) const PREFIX: &str = "agent/";

/// The metadata that names the node of an agent that is not of this one.
const NODE: &str = "synod.node";

/// Agents of other nodes that are known here; more are not.
const MOST: usize = 20_000;

/// How long a part of the node may take to do what is asked.
const WITHIN: Duration = Duration::from_secs(10);

/// How long an agent may take to end before one of the same key is tried again.
const AGAIN: Duration = Duration::from_millis(200);

/// Changes that may wait.
const MAILBOX: usize = 8_192;

/// What a node tells of an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Told {
    card: AgentCard,
    status: AgentStatus,
}

/// Where agents of all nodes meet.
pub(super) struct RemoteAgents {
    parts: AgentParts,
    /// Agents of others, by node and by key there: the key here, and how it is given work.
    known: BTreeMap<(NodeId, RegistryKey), Known>,
    /// Nodes that do not answer.
    away: BTreeSet<NodeId>,
    /// Our agents that are told of.
    told: BTreeSet<RegistryKey>,
}

struct Known {
    key: AgentKey,
    told: Told,
    factory: Arc<dyn AgentFactory>,
}

/// Whom the actor works with.
#[derive(Clone)]
pub(super) struct AgentParts {
    pub(super) peers: Peers,
    pub(super) agents: Address<AgentsMessage>,
    pub(super) host: Address<HostMessage>,
    pub(super) registry: Address<RegistryMessage>,
    pub(super) membership: Address<MembershipMessage>,
    /// Whether the agents of this node are there for others.
    pub(super) tells: bool,
}

/// What it is told.
#[derive(Debug)]
pub(super) enum RemoteAgentsMessage {
    /// An agent of this node changed.
    Ours(AgentChange),
    /// What a node says changed.
    Theirs(RegistryChange),
    /// A node came, went or fell silent.
    Member(MemberChange),
    /// An agent of another node was started here, or not.
    Started(AgentKey, Result<Result<AgentEntry, HostError>, AskError>),
    /// One is to be started again.
    Again(AgentKey),
    /// One was taken away.
    Retired(AgentKey, Result<Result<Vec<AgentKey>, RetireError>, AskError>),
    /// Others were told.
    Said(Result<Result<Hlc, RegistryRefusal>, AskError>),
}

impl RemoteAgents {
    /// The actor, called `remote-agents`.
    pub(super) fn spec(parts: AgentParts) -> Spec<Self> {
        Spec::new("remote-agents", move || Self {
            parts: parts.clone(),
            known: BTreeMap::new(),
            away: BTreeSet::new(),
            told: BTreeSet::new(),
        })
        .mailbox(MailboxConfig::bounded(MAILBOX))
    }

    /// Tells the cluster of an agent of this node.
    fn tell(&mut self, entry: &AgentEntry, status: AgentStatus, ctx: &Context<Self>) {
        if !self.parts.tells || entry.card.metadata.contains_key(NODE) {
            return;
        }
        let told = Told { card: AgentCard::clone(&entry.card), status };
        let (Ok(value), Some(key)) = (serde_json::to_vec(&told), name_of(&entry.key())) else {
            tracing::warn!(agent = %entry.key(), "other nodes can't be told of this agent");
            return;
        };
        self.told.insert(key.clone());
        let put = PutEntry { key, value: Bytes::from(value) };
        self.parts.registry.ask_into(put, WITHIN, &ctx.address(), RemoteAgentsMessage::Said);
    }

    fn tell_no_more(&mut self, key: &RegistryKey, ctx: &Context<Self>) {
        if self.told.remove(key) {
            let remove = RemoveEntry { key: key.clone() };
            let said = RemoteAgentsMessage::Said;
            self.parts.registry.ask_into(remove, WITHIN, &ctx.address(), said);
        }
    }

    fn ours(&mut self, change: AgentChange, ctx: &Context<Self>) {
        match change {
            AgentChange::Snapshot(entries) => {
                let gone: BTreeSet<_> = std::mem::take(&mut self.told);
                for entry in entries.iter() {
                    self.tell(entry, entry.status, ctx);
                }
                for key in gone.difference(&self.told.clone()) {
                    self.told.insert(key.clone());
                    self.tell_no_more(key, ctx);
                }
            }
            AgentChange::Joined(entry) => self.tell(&entry, entry.status, ctx),
            AgentChange::StatusChanged { key, .. } => {
                // The entry is not at hand: what is told anew is the whole of it.
                if name_of(&key).is_some_and(|name| self.told.contains(&name)) {
                    self.subscribe_ours(ctx);
                }
            }
            AgentChange::Left { key, .. } => {
                if let Some(name) = name_of(&key) {
                    self.tell_no_more(&name, ctx);
                }
            }
        }
    }

    fn subscribe_ours(&self, ctx: &Context<Self>) {
        let listener = AgentListener::to(&ctx.address(), RemoteAgentsMessage::Ours);
        if let Err(why) = self.parts.agents.try_send(AgentsMessage::Subscribe(listener)) {
            tracing::warn!(%why, "the registry of agents is not followed");
        }
    }

    fn theirs(&mut self, change: RegistryChange, ctx: &Context<Self>) {
        match change {
            RegistryChange::Snapshot(entries) => {
                let there: BTreeSet<_> =
                    entries.iter().map(|entry| (entry.node, entry.key.clone())).collect();
                let gone: Vec<_> =
                    self.known.keys().filter(|known| !there.contains(known)).cloned().collect();
                for (node, key) in gone {
                    self.lose(node, &key, ctx);
                }
                for entry in entries.iter() {
                    self.meet(entry, ctx);
                }
            }
            RegistryChange::Put(entry) => self.meet(&entry, ctx),
            RegistryChange::Removed { node, key } => self.lose(node, &key, ctx),
            RegistryChange::Forgotten { node } => {
                let keys: Vec<_> =
                    self.known.keys().filter(|(of, _)| *of == node).cloned().collect();
                for (node, key) in keys {
                    self.lose(node, &key, ctx);
                }
            }
        }
    }

    /// An agent of another node is there, or has changed.
    fn meet(&mut self, entry: &RegistryEntry, ctx: &Context<Self>) {
        let own = self.parts.peers.own().id;
        if entry.node == own || !entry.key.as_str().starts_with(PREFIX) {
            return;
        }
        let Ok(told) = serde_json::from_slice::<Told>(&entry.value) else {
            tracing::warn!(node = %entry.node, key = %entry.key, "not the card of an agent");
            return;
        };
        let at = (entry.node, entry.key.clone());
        if let Some(known) = self.known.get_mut(&at)
            && known.told.card == told.card
        {
            known.told.status = told.status;
            let key = known.key.clone();
            return self.connect(key, entry.node, told.status);
        }
        if self.known.len() >= MOST {
            tracing::warn!(most = MOST, "an agent of another node is one too many");
            return;
        }
        self.lose(at.0, &at.1, ctx);
        let Some(record) = self.parts.peers.record(entry.node) else { return };
        let Some(card) = card_here(&told.card, record.name.as_str()) else { return };
        let (key, there) = (card.key(), told.card.key());
        let (card, node, peers) = (Arc::new(card), entry.node, self.parts.peers.clone());
        let factory = factory(move || RemoteAgent {
            card: Arc::clone(&card),
            key: there.clone(),
            node,
            peers: peers.clone(),
        });
        let known = Known { key, told, factory };
        self.launch(&known, ctx);
        self.known.insert(at, known);
    }

    fn launch(&self, known: &Known, ctx: &Context<Self>) {
        let (key, factory) = (known.key.clone(), Arc::clone(&known.factory));
        let started = move |outcome| RemoteAgentsMessage::Started(key, outcome);
        self.parts.host.ask_into(StartAgent { factory }, WITHIN, &ctx.address(), started);
    }

    /// Starts an agent again whose predecessor of the same key had not ended yet.
    fn again(&self, key: &AgentKey, ctx: &Context<Self>) {
        if let Some(known) = self.known.values().find(|known| known.key == *key) {
            self.launch(known, ctx);
        }
    }

    /// An agent of another node is there no longer.
    fn lose(&mut self, node: NodeId, key: &RegistryKey, ctx: &Context<Self>) {
        let Some(known) = self.known.remove(&(node, key.clone())) else { return };
        let retire = RetireAgent {
            agents: AgentSelector::from(known.key.clone()),
            reason: "its node has it no longer".to_owned(),
            only_removable: false,
        };
        let retired = move |outcome| RemoteAgentsMessage::Retired(known.key, outcome);
        self.parts.agents.ask_into(retire, WITHIN, &ctx.address(), retired);
    }

    /// Whether an agent is given work: its node answers, and would give it work itself.
    fn connect(&self, key: AgentKey, node: NodeId, status: AgentStatus) {
        let up = status == AgentStatus::Active && !self.away.contains(&node);
        let connection = AgentsMessage::Connection { key, up };
        if let Err(why) = self.parts.agents.try_send(connection) {
            tracing::warn!(%why, "the registry of agents was not told of a connection");
        }
    }

    fn member(&mut self, change: &MemberChange) {
        if let MemberChange::Snapshot(members) = change {
            for member in members.iter() {
                self.note(member.id(), member.state != MemberState::Alive);
            }
            return;
        }
        let (node, away) = match change {
            MemberChange::Up(record) => (record.id, false),
            MemberChange::Recovered(node) => (*node, false),
            MemberChange::Suspect(node) | MemberChange::Down(node) | MemberChange::Left(node) => {
                (*node, true)
            }
            MemberChange::Snapshot(_) | MemberChange::Forgotten(_) | MemberChange::Expelled(_) => {
                return;
            }
        };
        self.note(node, away);
    }

    /// Notes whether a node answers.
    fn note(&mut self, node: NodeId, away: bool) {
        let changed = if away { self.away.insert(node) } else { self.away.remove(&node) };
        if !changed {
            return;
        }
        let of_node = self.known.iter().filter(|((of, _), _)| *of == node);
        for (_, known) in of_node {
            self.connect(known.key.clone(), node, known.told.status);
        }
    }

    /// An agent that was started: it may have been lost, or its node gone, meanwhile.
    fn started(&self, key: &AgentKey) {
        let known = self.known.iter().find(|(_, known)| known.key == *key);
        if let Some(((node, _), known)) = known {
            self.connect(key.clone(), *node, known.told.status);
        }
    }
}

/// What an agent's entry is called.
fn name_of(key: &AgentKey) -> Option<RegistryKey> {
    RegistryKey::parse(&format!("{PREFIX}{}/{}", key.id, key.version)).ok()
}

/// The card of an agent of `node` as this node knows it.
fn card_here(card: &AgentCard, node: &str) -> Option<AgentCard> {
    let build = match card.version.build.as_str() {
        "" => node.to_owned(),
        build => format!("{build}.{node}"),
    };
    let build = BuildMetadata::new(&build).ok()?;
    let mut here = card.clone();
    here.version = Version { build, ..card.version.clone() };
    Some(here.meta(NODE, node))
}

impl Actor for RemoteAgents {
    type Message = RemoteAgentsMessage;
    const KIND: &'static str = "registry";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let me = ctx.address();
        self.subscribe_ours(ctx);
        let theirs = Listener::to(&me, RemoteAgentsMessage::Theirs);
        self.parts.registry.send(RegistryMessage::Subscribe(theirs)).await?;
        let members = Listener::to(&me, RemoteAgentsMessage::Member);
        self.parts.membership.send(MembershipMessage::Subscribe(members)).await?;
        Ok(())
    }

    async fn handle(
        &mut self,
        message: RemoteAgentsMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match message {
            RemoteAgentsMessage::Ours(change) => self.ours(change, ctx),
            RemoteAgentsMessage::Theirs(change) => self.theirs(change, ctx),
            RemoteAgentsMessage::Member(change) => self.member(&change),
            RemoteAgentsMessage::Started(key, Ok(Ok(_))) => self.started(&key),
            RemoteAgentsMessage::Started(key, Ok(Err(HostError::Exists(_)))) => {
                ctx.send_after(AGAIN, RemoteAgentsMessage::Again(key));
            }
            RemoteAgentsMessage::Again(key) => self.again(&key, ctx),
            RemoteAgentsMessage::Started(key, Ok(Err(why))) => {
                tracing::warn!(agent = %key, %why, "an agent of another node is not known here");
            }
            RemoteAgentsMessage::Started(key, Err(why)) => {
                tracing::warn!(agent = %key, %why, "an agent of another node was not started");
            }
            RemoteAgentsMessage::Retired(_, Ok(Ok(_) | Err(RetireError::Unknown(_)))) => {}
            RemoteAgentsMessage::Retired(key, outcome) => {
                tracing::warn!(agent = %key, ?outcome, "an agent of another node was not retired");
            }
            RemoteAgentsMessage::Said(Ok(Ok(_))) => {}
            RemoteAgentsMessage::Said(outcome) => {
                tracing::warn!(?outcome, "other nodes were not told of an agent");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_of_another_node_has_its_version_with_the_node_as_build() {
        let card = AgentCard::new("echo", "1.2.3");
        let here = card_here(&card, "node-2").unwrap();
        assert_eq!(here.version.to_string(), "1.2.3+node-2");
        assert_eq!(here.id, card.id);
        assert_eq!(here.metadata[NODE], "node-2");
        let built = card_here(&AgentCard::new("echo", "1.2.3+a"), "node-2").unwrap();
        assert_eq!(built.version.to_string(), "1.2.3+a.node-2");
    }
}
