//! Carries what the agents of this node send: by the router of messages, where the work is.

use std::sync::Arc;
use std::time::Duration;

use synod_agents::{
    AgentError, BoxFuture, Carrier, Envelope, EnvelopeDocument, HostMessage, Messenger,
    PayloadError, Recipient,
};
use synod_coordination::messaging::router::RouterMessenger;
use synod_runtime::{Address, Principal};

use super::Conversations;
use super::owner_way::{JSON, Question, by_status};
use crate::api::coordination::SentMessage;

/// How long the readers of what an agent sends without asking have.
const TO_READ: Duration = Duration::from_secs(30);

/// Has the messages of agents carried by the router of the work.
pub(in crate::node) struct NodeMessenger {
    conversations: Conversations,
    /// The longest time that the node that does the work lets recipients have.
    longest: Duration,
}

impl NodeMessenger {
    /// Gives the host its messenger; what its agents send from their start on is carried.
    pub(in crate::node) fn give(
        host: &Address<HostMessage>,
        conversations: Conversations,
        longest: Duration,
    ) {
        let carrier = Carrier(Arc::new(Self { conversations, longest }));
        // The mailbox of a host that has not started yet is empty.
        if host.try_send(HostMessage::Carry(carrier)).is_err() {
            tracing::error!("the host of agents has no messenger: they can't send");
        }
    }

    /// The router of this node, if the work is here.
    fn near(&self) -> Option<RouterMessenger> {
        self.conversations.engines.post().map(|post| RouterMessenger::new(post.messages))
    }

    /// Has the router of the node that does the work carry it.
    fn far(
        &self,
        envelope: &Envelope,
        within: Duration,
    ) -> BoxFuture<'static, Result<SentMessage, AgentError>> {
        let (conversations, within) = (self.conversations.clone(), within.min(self.longest));
        let body = serde_json::to_vec(&EnvelopeDocument::from(envelope));
        let by = Principal::agent(envelope.sender.as_str());
        let to_one = !matches!(envelope.recipient, Recipient::Topic(_));
        Box::pin(async move {
            let question = Question {
                method: "POST",
                path: format!("/messages?within_ms={}", within.as_millis().max(1)),
                headers: [JSON].map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
                by,
                body: body.map_err(|why| AgentError::invalid_input(why.to_string()))?,
            };
            let sent: SentMessage =
                conversations.ask_owner(question, within, carried_by_status).await?;
            match sent.undelivered.first() {
                Some(one) if sent.reached == 0 && to_one => {
                    Err(AgentError::unavailable(format!("{}: {}", one.agent, one.reason)))
                }
                _ => Ok(sent),
            }
        })
    }
}

/// Who is not there may come.
fn carried_by_status(status: u16, why: String) -> AgentError {
    match status {
        404 => AgentError::unavailable(why),
        _ => by_status(status, why),
    }
}

impl Messenger for NodeMessenger {
    fn send(&self, envelope: Envelope) -> BoxFuture<'static, Result<(), AgentError>> {
        if let Some(near) = self.near() {
            return near.send(envelope);
        }
        let sent = self.far(&envelope, TO_READ);
        Box::pin(async move { sent.await.map(drop) })
    }

    fn ask(
        &self,
        envelope: Envelope,
        within: Duration,
    ) -> BoxFuture<'static, Result<Envelope, AgentError>> {
        if let Some(near) = self.near() {
            return near.ask(envelope, within);
        }
        let sent = self.far(&envelope, within);
        Box::pin(async move {
            let answer = sent.await?.answers.into_iter().next();
            let none = || AgentError::failed("the message was read and nothing was said back");
            let answer = Envelope::try_from(answer.ok_or_else(none)?);
            answer.map_err(|why: PayloadError| AgentError::failed(why.to_string()))
        })
    }
}

#[cfg(test)]
mod tests;
