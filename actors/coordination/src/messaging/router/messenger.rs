//! The router as the messenger of agents.

use std::time::Duration;

use synod_agents::{AgentError, BoxFuture, Envelope, Messenger};
use synod_runtime::Address;

use super::messages::{RouteError, RouterMessage, Send, Sent};

/// How long the agents that an envelope is for may take when its sender waits for no answer.
const TO_READ: Duration = Duration::from_secs(30);
/// Time the router has beyond that.
const SLACK: Duration = Duration::from_secs(1);

/// Has the messages of agents carried by a router.
#[derive(Debug, Clone)]
pub struct RouterMessenger {
    router: Address<RouterMessage>,
}

impl RouterMessenger {
    /// One that gives all to `router`.
    #[must_use]
    pub fn new(router: Address<RouterMessage>) -> Self {
        Self { router }
    }
}

impl Messenger for RouterMessenger {
    fn send(&self, envelope: Envelope) -> BoxFuture<'static, Result<(), AgentError>> {
        let router = self.router.clone();
        Box::pin(async move { carry(router, envelope, TO_READ).await.map(|_| ()) })
    }

    fn ask(
        &self,
        envelope: Envelope,
        within: Duration,
    ) -> BoxFuture<'static, Result<Envelope, AgentError>> {
        let router = self.router.clone();
        Box::pin(async move {
            let sent = carry(router, envelope, within).await?;
            let none = || AgentError::failed("the message was read and nothing was said back");
            sent.answers.into_iter().next().ok_or_else(none)
        })
    }
}

async fn carry(
    router: Address<RouterMessage>,
    envelope: Envelope,
    within: Duration,
) -> Result<Sent, AgentError> {
    let sent = router.ask(Send { envelope, within }, within.saturating_add(SLACK)).await;
    let sent = sent.map_err(|why| AgentError::unavailable(format!("the router: {why}")))?;
    let sent = sent.map_err(|why| match why {
        RouteError::Busy(_) | RouteError::Unavailable(_) | RouteError::NoRecipient(_) => {
            AgentError::unavailable(why.to_string())
        }
        why => AgentError::invalid_input(why.to_string()),
    })?;
    match sent.undelivered.first() {
        Some((agent, why)) if sent.reached == 0 => {
            Err(AgentError::unavailable(format!("{agent}: {why}")))
        }
        _ => Ok(sent),
    }
}
