//! Hands envelopes to the agents of a node, as its registry names them.

use std::time::Duration;

use synod_agents::{
    AgentEntry, AgentId, AgentSelector, AgentStatus, BoxFuture, Envelope, Receive, Recipient,
    RegistryMessage, ShowAgent,
};
use synod_runtime::{Address, after};
use tokio::time::Instant;

use crate::desk::Courier;

/// How long the registry may take to name an agent.
const LOOK_UP: Duration = Duration::from_secs(5);

/// A courier to the agents of a registry.
#[derive(Debug, Clone)]
pub struct AgentCourier {
    registry: Address<RegistryMessage>,
}

impl AgentCourier {
    /// A courier to the agents that `registry` knows.
    #[must_use]
    pub fn new(registry: Address<RegistryMessage>) -> Self {
        Self { registry }
    }
}

impl Courier for AgentCourier {
    fn deliver(
        &self,
        envelope: Envelope,
        within: Duration,
    ) -> BoxFuture<'static, Result<Option<Envelope>, String>> {
        let registry = self.registry.clone();
        Box::pin(async move {
            let deadline = after(Instant::now(), within);
            let Recipient::Agent(agent) = &envelope.recipient else {
                return Err("a courier goes to one agent, not to several".to_owned());
            };
            let entry = look_up(&registry, agent).await?;
            let expected = envelope.reply_with.is_some();
            let said = hand_over(&entry, envelope, deadline).await?;
            match (said, expected) {
                (None, true) => Err("the agent took the message and said nothing".to_owned()),
                (said, true) => Ok(said),
                (_, false) => Ok(None),
            }
        })
    }
}

/// The entry of an agent that is best placed to read a message: one that is there, of the newest
/// version.
pub(super) async fn look_up(
    registry: &Address<RegistryMessage>,
    agent: &AgentId,
) -> Result<AgentEntry, String> {
    let agents = AgentSelector::from(agent.clone());
    let shown = registry.ask(ShowAgent { agents }, LOOK_UP).await;
    let entries = shown.map_err(|why| format!("the registry of agents: {why}"))?;
    let entries = entries.map_err(|unknown| unknown.to_string())?;
    // Entries come in order of version: of equals the last is the newest.
    let best = entries.into_iter().max_by_key(|entry| readiness(entry.status));
    best.ok_or_else(|| format!("no agent '{agent}'"))
}

/// How likely an agent that stands so reads a message.
pub(super) const fn readiness(status: AgentStatus) -> u8 {
    match status {
        AgentStatus::Active => 3,
        AgentStatus::Paused => 2,
        AgentStatus::Draining => 1,
        AgentStatus::Disconnected => 0,
    }
}

/// Has an agent read a message.
pub(super) async fn hand_over(
    entry: &AgentEntry,
    envelope: Envelope,
    deadline: Instant,
) -> Result<Option<Envelope>, String> {
    let left = deadline.saturating_duration_since(Instant::now());
    let said = entry.address.ask(Receive { envelope }, left).await;
    said.map_err(|why| format!("the agent: {why}"))?.map_err(|error| error.to_string())
}
