//! What an agent can do while it takes a message: see how long it has, run blocking work, and send
//! messages of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::blocking::{AbandonedThreads, run_on_thread};
use crate::envelope::Envelope;
use crate::error::AgentError;
use crate::id::AgentId;
use crate::messenger::Outbox;
use crate::payload::Payload;

/// The surroundings of one message.
#[derive(Debug)]
pub struct MessageContext {
    agent: AgentId,
    deadline: Instant,
    stop: CancellationToken,
    abandoned: Arc<AbandonedThreads>,
    outbox: Outbox,
}

impl MessageContext {
    pub(crate) fn new(
        agent: AgentId,
        deadline: Instant,
        stop: CancellationToken,
        abandoned: Arc<AbandonedThreads>,
        outbox: Outbox,
    ) -> Self {
        Self { agent, deadline, stop, abandoned, outbox }
    }

    /// A context outside of a node, for calling an agent by hand, as its tests do.
    #[must_use]
    pub fn standalone(agent: AgentId, deadline: Instant) -> Self {
        let stop = CancellationToken::new();
        Self::new(agent, deadline, stop, Arc::default(), Outbox::default())
    }

    /// Who takes the message.
    #[must_use]
    pub fn agent(&self) -> &AgentId {
        &self.agent
    }

    /// Until when an answer is of use.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The token that tells to stop: the deadline passed, or the agent stops.
    #[must_use]
    pub fn cancelled(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Runs blocking `work` on a thread of its own, as
    /// [`AgentContext::blocking`](crate::AgentContext::blocking) does.
    ///
    /// # Errors
    /// `Unavailable` when the operating system gives no thread.
    pub async fn blocking<T, W>(&self, work: W) -> Result<T, AgentError>
    where
        T: Send + 'static,
        W: FnOnce(CancellationToken) -> T + Send + 'static,
    {
        run_on_thread(Arc::clone(&self.abandoned), self.stop.clone(), work).await
    }

    /// Sends a message in the agent's own name and waits for no answer.
    ///
    /// # Errors
    /// It could not be sent; `Unavailable` outside of a node that carries messages.
    pub async fn send(&self, envelope: Envelope) -> Result<(), AgentError> {
        self.outbox.send(&self.agent, envelope).await
    }

    /// Sends a message in the agent's own name and waits for the answer.
    ///
    /// # Errors
    /// It could not be sent, nobody answered within the time, or there are no messages here.
    pub async fn ask(&self, envelope: Envelope, within: Duration) -> Result<Envelope, AgentError> {
        self.outbox.ask(&self.agent, envelope, within).await
    }

    /// Tells whoever has subscribed to `topic`.
    ///
    /// # Errors
    /// The topic is not one to publish to, or there are no messages here.
    pub async fn publish(&self, topic: &str, content: Payload) -> Result<(), AgentError> {
        self.outbox.publish(&self.agent, topic, content).await
    }
}
