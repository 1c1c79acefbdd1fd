//! What the host of agents is asked.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use synod_runtime::{Ask, Request, requests};
use tokio::sync::mpsc;

use crate::agent::AgentFactory;
use crate::card::{AgentCard, AgentKind};
use crate::id::AgentKey;
use crate::messages::AgentEntry;
use crate::messenger::Messenger;
use crate::registry::RegisterError;
use crate::remote::{SessionInlet, ToAgent};
use crate::validation::CardFault;

/// Start an agent of code or configuration, and register it.
pub struct StartAgent {
    /// Where its instances come from.
    pub factory: Arc<dyn AgentFactory>,
}

impl fmt::Debug for StartAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StartAgent({})", self.factory.card().key())
    }
}

impl Ask for StartAgent {
    type Reply = Result<AgentEntry, HostError>;
}

/// Let an agent end what it has in hand, then stop it; the host brings it back no more. Answered
/// when nothing of it runs, at once when nothing did.
///
/// The registry is not told: who asks decides for how long it still names the agent.
#[derive(Debug)]
pub struct StopAgent {
    /// Which agent.
    pub key: AgentKey,
    /// How long work in hand may take; then it is cancelled, and has its grace time.
    pub within: Duration,
}

impl Ask for StopAgent {
    type Reply = ();
}

/// Start an agent from its card alone, and let it come back after a restart of the node. What the
/// API may ask: kinds that would run code on this machine are refused.
#[derive(Debug)]
pub struct AddAgent {
    /// The card; its kind says how it is reached.
    pub card: AgentCard,
}

impl Ask for AddAgent {
    type Reply = Result<AgentEntry, HostError>;
}

/// A program has connected and says who it is. The first time, its agent is registered; later it
/// takes up its agent again. Its frames go in through the inlet.
#[derive(Debug)]
pub struct ConnectAgent {
    /// Its card; the kind becomes `websocket`.
    pub card: AgentCard,
    /// Frames for the program. When the channel closes, the connection is to be closed.
    pub outgoing: mpsc::Sender<ToAgent>,
}

impl Ask for ConnectAgent {
    type Reply = Result<SessionInlet, HostError>;
}

/// Who carries the messages that agents send.
pub struct Carrier(pub Arc<dyn Messenger>);

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Carrier")
    }
}

/// Tell me when the agents of code, configuration and journal are there. Answered when all of them
/// are registered, so at once but for the moments after a start.
#[derive(Debug, Clone, Copy)]
pub struct AwaitAgents;

impl Ask for AwaitAgents {
    type Reply = ();
}

/// Why an agent could not be started; nothing of it is left.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// There is one of this id and version, and it is another one.
    #[error("agent {0} is there already; give it another id or version")]
    Exists(AgentKey),
    /// Agents of this kind can't be started in this way.
    #[error("{kind} agents can't be started from a card: {reason}")]
    Kind {
        /// Which kind.
        kind: AgentKind,
        /// Why not.
        reason: String,
    },
    /// The card, the capacity of the node or the journal was against it.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// The host or the registry could not do it at the moment.
    #[error("not at the moment: {0}")]
    Unavailable(String),
}

impl From<Vec<CardFault>> for HostError {
    fn from(faults: Vec<CardFault>) -> Self {
        Self::Register(RegisterError::Invalid(faults))
    }
}

/// The protocol of the host of agents.
#[derive(Debug)]
pub enum HostMessage {
    /// Start an agent of code or configuration.
    Start(Request<StartAgent>),
    /// Stop an agent.
    Stop(Request<StopAgent>),
    /// Start an agent from its card.
    Add(Request<AddAgent>),
    /// A program has connected.
    Connect(Request<ConnectAgent>),
    /// Tell me when all are there.
    Await(Request<AwaitAgents>),
    /// Have the messages that agents send carried by this messenger. The first one stays.
    Carry(Carrier),
    /// From the host to itself.
    Own(super::shell::Step),
}

requests!(HostMessage {
    Start(StartAgent),
    Stop(StopAgent),
    Add(AddAgent),
    Connect(ConnectAgent),
    Await(AwaitAgents),
});
