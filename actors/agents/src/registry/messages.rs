//! What the registry is asked and told.

use std::fmt;
use std::sync::Arc;

use semver::Version;
use synod_runtime::{Address, Ask, Priority, Request, SendOptions, TrySendError, requests};

use crate::card::{AgentCard, AgentKind};
use crate::id::{AgentId, AgentKey};
use crate::messages::{AgentChange, AgentEntry, AgentMessage, AgentStatus};
use crate::pulse::Pulse;
use crate::validation::CardFault;

/// What became of a change given to a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It has it.
    Taken,
    /// No room now; the registry sends a snapshot when there is some.
    Full,
    /// The listener is gone; it is forgotten.
    Gone,
}

/// Where changes go: a mailbox, seen through a function that never waits.
pub struct Listener(Box<dyn Fn(AgentChange) -> Delivery + Send>);

impl Listener {
    /// A listener of one's own making; `deliver` must not block.
    pub fn new(deliver: impl Fn(AgentChange) -> Delivery + Send + 'static) -> Self {
        Self(Box::new(deliver))
    }

    /// Sends every change to `address`, as `map` makes it a message of that actor. All with one
    /// priority: inherited ones would differ, and a change would overtake the one before it.
    pub fn to<M: Send + 'static>(
        address: &Address<M>,
        map: impl Fn(AgentChange) -> M + Send + 'static,
    ) -> Self {
        let address = address.clone();
        let options = SendOptions::new().priority(Priority::High);
        Self::new(move |change| match address.try_send_with(map(change), options.clone()) {
            Ok(()) => Delivery::Taken,
            // What an interceptor refuses is missed as well, and made good by a snapshot.
            Err(TrySendError::Full(_) | TrySendError::Refused(..)) => Delivery::Full,
            Err(TrySendError::Closed(_)) => Delivery::Gone,
        })
    }

    pub(crate) fn deliver(&self, change: AgentChange) -> Delivery {
        (self.0)(change)
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

/// Make this agent known. The same key again replaces the older entry.
#[derive(Debug)]
pub struct RegisterAgent {
    /// Who it is; validated here.
    pub card: Arc<AgentCard>,
    /// Where it is reached.
    pub address: Address<AgentMessage>,
    /// Whether it is to come back after a restart of the node: what was registered at run time.
    pub durable: bool,
    /// Whether its other end is connected already.
    pub connected: bool,
}

impl RegisterAgent {
    /// An agent that code or configuration brings back after a restart.
    #[must_use]
    pub fn new(card: impl Into<Arc<AgentCard>>, address: Address<AgentMessage>) -> Self {
        Self { card: card.into(), address, durable: false, connected: true }
    }
}

impl Ask for RegisterAgent {
    type Reply = Result<Registered, RegisterError>;
}

/// An agent is known now.
#[derive(Debug, Clone)]
pub struct Registered {
    /// Its entry.
    pub entry: AgentEntry,
    /// Where its signs of life are noted.
    pub pulse: Pulse,
}

/// Why an agent could not be registered; the registry is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// The card has faults; all of them.
    #[error("the card is not valid: {}", joined(.0))]
    Invalid(Vec<CardFault>),
    /// The node has as many agents as it may have (`agents.max_agents`).
    #[error("the node has its most agents already: {0}")]
    Full(usize),
    /// The registration could not be written to the journal.
    #[error("the registration could not be made durable: {0}")]
    NotDurable(String),
}

fn joined(faults: &[CardFault]) -> String {
    let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
    faults.join("; ")
}

fn of_version(version: Option<&Version>) -> String {
    version.map(|version| format!(" of version {version}")).unwrap_or_default()
}

/// No agent of this id (and version).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no agent '{id}'{}", of_version(.version.as_ref()))]
pub struct UnknownAgent {
    /// The id asked for.
    pub id: String,
    /// The version asked for, if one was.
    pub version: Option<Version>,
}

/// Names one version of an agent, or all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSelector {
    /// Which agent.
    pub id: AgentId,
    /// Which version; `None` means all.
    pub version: Option<Version>,
}

impl From<AgentKey> for AgentSelector {
    fn from(key: AgentKey) -> Self {
        Self { id: key.id, version: Some(key.version) }
    }
}

impl From<AgentId> for AgentSelector {
    fn from(id: AgentId) -> Self {
        Self { id, version: None }
    }
}

/// Forget these agents and let their actors stop once their work has ended.
#[derive(Debug)]
pub struct RetireAgent {
    /// Which agents.
    pub agents: AgentSelector,
    /// Why, in words; goes to the listeners.
    pub reason: String,
    /// Whether agents that code or configuration brings are refused: they would be back at the
    /// next start or reload, so that an operator can only pause or drain them.
    pub only_removable: bool,
}

impl Ask for RetireAgent {
    type Reply = Result<Vec<AgentKey>, RetireError>;
}

/// Why an agent could not be retired; it stays registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RetireError {
    /// There is none.
    #[error(transparent)]
    Unknown(#[from] UnknownAgent),
    /// It comes from code or configuration, which would bring it back.
    #[error("{agent} is of kind {kind}: code or configuration brings it, and only that removes it")]
    NotRemovable {
        /// The first that is.
        agent: AgentKey,
        /// Its kind.
        kind: AgentKind,
    },
    /// The retirement could not be written to the journal.
    #[error("the retirement could not be made durable: {0}")]
    NotDurable(String),
}

/// The agents that have this capability, in order of key.
#[derive(Debug)]
pub struct FindAgents {
    /// Name of the capability.
    pub capability: String,
    /// Lowest version of the agent, inclusive.
    pub min_version: Option<Version>,
    /// Most entries to return.
    pub limit: usize,
}

impl Ask for FindAgents {
    type Reply = Vec<AgentEntry>;
}

/// The entries of these agents, in order of version.
#[derive(Debug)]
pub struct ShowAgent {
    /// Which agents.
    pub agents: AgentSelector,
}

impl Ask for ShowAgent {
    type Reply = Result<Vec<AgentEntry>, UnknownAgent>;
}

/// A page of the agents that satisfy all that is given, in order of key.
#[derive(Debug, Clone, Default)]
pub struct ListAgents {
    /// Only those with this capability.
    pub capability: Option<String>,
    /// Only those of this kind.
    pub kind: Option<AgentKind>,
    /// Only those that stand so.
    pub status: Option<AgentStatus>,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// Most entries to return; at least 1, at most 1,000 are given.
    pub limit: usize,
}

impl Ask for ListAgents {
    type Reply = Result<AgentPage, InvalidCursor>;
}

/// Some agents, and where the next page begins.
#[derive(Debug, Clone)]
pub struct AgentPage {
    /// The agents.
    pub entries: Vec<AgentEntry>,
    /// Cursor of the next page; `None` on the last one. Opaque.
    pub next: Option<String>,
}

/// The cursor is none that a page carried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one that a page carried")]
pub struct InvalidCursor;

/// A sign of life of a remote agent.
#[derive(Debug)]
pub struct Heartbeat {
    /// Which agents.
    pub agents: AgentSelector,
}

impl Ask for Heartbeat {
    type Reply = Result<(), UnknownAgent>;
}

/// Give these agents work, or no more.
#[derive(Debug)]
pub struct SetAgentStatus {
    /// Which agents.
    pub agents: AgentSelector,
    /// Active, draining or paused.
    pub status: AgentStatus,
}

impl Ask for SetAgentStatus {
    type Reply = Result<Vec<AgentEntry>, SetStatusError>;
}

/// Why the status could not be set; nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetStatusError {
    /// There is no such agent.
    #[error(transparent)]
    Unknown(#[from] UnknownAgent),
    /// `disconnected` is observed, never set.
    #[error("the status can be set to active, draining or paused, not to disconnected")]
    NotSettable,
}

/// The cards of run-time registrations, for bringing them back after a restart of the node.
#[derive(Debug)]
pub struct DurableCards;

impl Ask for DurableCards {
    type Reply = Vec<Arc<AgentCard>>;
}

/// The protocol of the registry.
#[derive(Debug)]
pub enum RegistryMessage {
    /// Make this agent known.
    Register(Request<RegisterAgent>),
    /// Forget these agents.
    Retire(Request<RetireAgent>),
    /// Which agents have this capability?
    Find(Request<FindAgents>),
    /// What is known of these agents?
    Show(Request<ShowAgent>),
    /// A page of agents.
    List(Request<ListAgents>),
    /// A remote agent is alive.
    Heartbeat(Request<Heartbeat>),
    /// Give these agents work, or no more.
    SetStatus(Request<SetAgentStatus>),
    /// Tell this listener what is there, and then every change; at most 256 are told.
    Subscribe(Listener),
    /// Which cards come back after a restart?
    Durable(Request<DurableCards>),
    /// The connection to this remote agent is up, or down.
    Connection {
        /// Which agent.
        key: AgentKey,
        /// Whether it is up.
        up: bool,
    },
    /// The actor of this agent has ended for good.
    Ended {
        /// Which agent.
        key: AgentKey,
        /// Why, in words.
        reason: String,
    },
    /// From the registry to itself.
    Own(super::shell::Step),
}

requests!(RegistryMessage {
    Register(RegisterAgent),
    Retire(RetireAgent),
    Find(FindAgents),
    Show(ShowAgent),
    List(ListAgents),
    Heartbeat(Heartbeat),
    SetStatus(SetAgentStatus),
    Durable(DurableCards),
});
