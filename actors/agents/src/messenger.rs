//! Messages that agents send: a seam. Who carries them is above agents and is given to their host.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::agent::BoxFuture;
use crate::envelope::{Envelope, Performative, Recipient};
use crate::error::AgentError;
use crate::id::AgentId;
use crate::payload::Payload;

/// Carries messages between agents.
pub trait Messenger: Send + Sync + 'static {
    /// Sends an envelope on; done when whoever it is for has it, or is certain not to.
    fn send(&self, envelope: Envelope) -> BoxFuture<'static, Result<(), AgentError>>;

    /// Sends an envelope on and waits for what is said back.
    fn ask(
        &self,
        envelope: Envelope,
        within: Duration,
    ) -> BoxFuture<'static, Result<Envelope, AgentError>>;
}

/// Where the agents of a node send; empty until the node has given a messenger. Clones are the
/// same.
#[derive(Clone, Default)]
pub(crate) struct Outbox(Arc<OnceLock<Arc<dyn Messenger>>>);

impl Outbox {
    /// Has everything carried by `messenger`; the first that is given stays.
    pub(crate) fn give(&self, messenger: Arc<dyn Messenger>) {
        self.0.get_or_init(|| messenger);
    }

    fn messenger(&self) -> Result<&Arc<dyn Messenger>, AgentError> {
        let none = || AgentError::unavailable("no messages are carried here: this is no node");
        self.0.get().ok_or_else(none)
    }

    pub(crate) async fn send(
        &self,
        from: &AgentId,
        mut envelope: Envelope,
    ) -> Result<(), AgentError> {
        // Nobody speaks in the name of another.
        envelope.sender = from.to_string();
        self.messenger()?.send(envelope).await
    }

    pub(crate) async fn ask(
        &self,
        from: &AgentId,
        mut envelope: Envelope,
        within: Duration,
    ) -> Result<Envelope, AgentError> {
        envelope.sender = from.to_string();
        self.messenger()?.ask(envelope, within).await
    }

    pub(crate) async fn publish(
        &self,
        from: &AgentId,
        topic: &str,
        content: Payload,
    ) -> Result<(), AgentError> {
        let topic = Recipient::Topic(topic.to_owned());
        let told = Envelope::new(from.as_str(), topic, Performative::Inform, content);
        self.messenger()?.send(told).await
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outbox")
    }
}
