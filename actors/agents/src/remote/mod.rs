//! Agents at the other end of a connection: a program connects, registers, is given work and
//! answers over the same connection.
//!
//! ```text
//!  worker ── Deliver ─▶ RemoteActor ─▶ HandOver (pure) ── ToAgent ─▶ transport ─▶ program
//!        ◀─ outcome ──             ◀── FromAgent ◀── SessionInlet ◀─ transport ◀─
//! ```
//!
//! Invariants:
//! - Never is work held that nobody acknowledged and nobody delivers again.
//! - What a program held when its connection dropped is never kept back: it is `Lost` at once.
//! - A result counts only over the connection over which the work was given.
//!
//! The transport (a WebSocket, in the node's API) does three things: it opens a session with
//! [`ConnectAgent`](crate::ConnectAgent), passes frames in through the [`SessionInlet`] and out
//! from the channel it gave, and closes when either of them ends.

mod actor;
mod frames;
mod machine;
mod session;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use synod_runtime::{ActorError, Address, Context, Spec};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::actor::AgentActor;
use crate::agent::{AgentFactory, AgentSource};
use crate::card::AgentCard;
use crate::config::AgentsConfig;
use crate::pulse::Pulse;
use crate::registry::RegistryMessage;
use crate::relay::{Relay, link_mailbox};
use actor::{RemoteActor, RemoteMessage};
use machine::HandOverLimits;

pub use frames::{FromAgent, ToAgent};
pub use session::{SessionClosed, SessionInlet};

impl HandOverLimits {
    fn of(card: &AgentCard, config: &AgentsConfig) -> Self {
        Self {
            ack: Duration::from_millis(config.ack_ms),
            max_deliveries: config.max_deliveries,
            undelivered: config.undelivered,
            grace: config.grace(&card.limits),
            silence: Duration::from_secs(config.heartbeat_s) * 3,
        }
    }
}

/// The factory of one remote agent: its instances share the link to its program.
#[derive(Clone)]
pub(crate) struct RemoteFactory(Arc<RemoteLink>);

/// What outlives the incarnations of a link.
struct RemoteLink {
    card: Arc<AgentCard>,
    config: Arc<AgentsConfig>,
    registry: Address<RegistryMessage>,
    /// Counts connections over all incarnations, so that no number is ever used twice.
    sessions: AtomicU64,
    pulse: Mutex<Option<Pulse>>,
    address: Mutex<Option<Address<RemoteMessage>>>,
}

impl RemoteLink {
    fn bind(&self, address: Address<RemoteMessage>) {
        *self.address.lock() = Some(address);
    }

    fn beat(&self, now: Instant) {
        if let Some(pulse) = &*self.pulse.lock() {
            pulse.beat(now.into_std());
        }
    }

    fn welcome(&self) -> ToAgent {
        ToAgent::Registered {
            agent: self.card.id.to_string(),
            version: self.card.version.to_string(),
            heartbeat_ms: self.config.heartbeat_s.saturating_mul(1_000),
            ack_ms: self.config.ack_ms,
        }
    }

    fn ask_timeout(&self) -> Duration {
        Duration::from_secs(10)
    }
}

impl RemoteFactory {
    pub(crate) fn new(
        card: Arc<AgentCard>,
        config: Arc<AgentsConfig>,
        registry: Address<RegistryMessage>,
    ) -> Self {
        Self(Arc::new(RemoteLink {
            card,
            config,
            registry,
            sessions: AtomicU64::new(0),
            pulse: Mutex::new(None),
            address: Mutex::new(None),
        }))
    }

    /// Opens a session; `None` while the agent's link is not running.
    pub(crate) fn connect(&self, outgoing: mpsc::Sender<ToAgent>) -> Option<SessionInlet> {
        let session = self.0.sessions.fetch_add(1, Ordering::Relaxed) + 1;
        let link = self.0.address.lock().clone()?;
        let farewell = Some(link.reserve().ok()?);
        let reason = "the connection to the agent dropped".into();
        let inlet = SessionInlet { link: link.clone(), session, farewell, reason };
        link.try_send(RemoteMessage::Connected { session, outgoing }).ok()?;
        Some(inlet)
    }
}

impl AgentFactory for RemoteFactory {
    fn card(&self) -> Arc<AgentCard> {
        Arc::clone(&self.0.card)
    }

    fn open(&self, ctx: &mut Context<AgentActor>) -> Result<AgentSource, ActorError> {
        let link = Arc::clone(&self.0);
        let agent = ctx.address();
        let spec = Spec::new("link", move || RemoteActor::new(Arc::clone(&link), agent.clone()))
            .mailbox(link_mailbox());
        let link = ctx.spawn_child(spec)?;
        self.0.bind(link.clone());
        let card = Arc::clone(&self.0.card);
        let grace = HandOverLimits::of(&card, &self.0.config).grace;
        Ok(Arc::new(move || Box::new(Relay { card: Arc::clone(&card), link: link.clone(), grace })))
    }

    fn has_link(&self) -> bool {
        true
    }

    fn registered(&self, pulse: &Pulse) {
        *self.0.pulse.lock() = Some(pulse.clone());
    }
}
