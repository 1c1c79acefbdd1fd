//! The agent that opens conversations for tasks and workflows, and gives their outcome.
//!
//! A task or a step that requires the capability `coordinate.ballot` has a ballot held: its
//! payload is what a ballot is opened with, its result how the ballot ended. The key of the
//! conversation is that of the work, so that a second attempt follows what the first one opened.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use synod_agents::{
    Agent, AgentCard, AgentContext, AgentError, AgentLimits, Assignment, Capability, Payload,
};
use synod_coordination::ConversationId;
use synod_coordination::desk::History;
use synod_runtime::Principal;

use super::Offer;
use super::owner_way::{Conversations, JSON, Question, by_status};
use crate::api::coordination::{Asking, Conversation, ConversationHistory, Door};
use crate::api::{Caller, Problem};

/// What every capability of the moderator begins with.
const COORDINATE: &str = "coordinate.";

/// Conversations that are followed at once on a node; they cost little more than their memory.
const AT_ONCE: u32 = 1_000;

/// How long it waits for news at a time.
const HOLD: Duration = Duration::from_secs(20);

/// How long a desk may take to answer.
const WITHIN: Duration = Duration::from_secs(10);

/// The longest conversation that is followed, in seconds: a day.
const LONGEST_S: u64 = 86_400;

/// The agent.
#[derive(Clone)]
pub(in crate::node) struct Moderator {
    offers: Vec<Arc<dyn Offer>>,
    conversations: Conversations,
}

impl Moderator {
    /// An agent with a capability for each protocol.
    pub(in crate::node) fn new(offers: Vec<Arc<dyn Offer>>, conversations: Conversations) -> Self {
        Self { offers, conversations }
    }
}

impl Agent for Moderator {
    fn card(&self) -> AgentCard {
        let card = AgentCard::new("moderator", env!("CARGO_PKG_VERSION"))
            .name("Moderator")
            .description("Opens conversations between agents and gives their outcome")
            .limits(AgentLimits {
                max_concurrent_tasks: AT_ONCE,
                perform_timeout_s: LONGEST_S,
                grace_ms: None,
            });
        self.offers.iter().fold(card, |card, offer| {
            let name = format!("{COORDINATE}{}", offer.kind());
            let what = format!("Opens a conversation of the protocol {}", offer.kind());
            card.capability(Capability::new(name).description(what))
        })
    }

    async fn perform(
        &mut self,
        work: Assignment,
        ctx: &mut AgentContext,
    ) -> Result<Payload, AgentError> {
        let named = work.capability.as_deref().unwrap_or(&work.kind);
        let protocol = named.strip_prefix(COORDINATE).ok_or_else(|| {
            let expected = "require the capability coordinate.PROTOCOL, such as coordinate.ballot";
            AgentError::invalid_input(format!("'{named}' names no protocol: {expected}"))
        })?;
        let way = Way { conversations: &self.conversations, protocol };
        let opened = way.open(work.payload.bytes.to_vec(), &work.idempotency_key).await?;
        let ended = tokio::select! {
            ended = way.follow(opened.summary.id, ctx) => ended?,
            () = ctx.cancelled().cancelled_owned() => {
                return Err(AgentError::cancelled("told to stop; the conversation goes on"));
            }
        };
        Payload::json(&ended).map_err(|why| AgentError::failed(why.to_string()))
    }
}

/// The way to the desk of a protocol.
struct Way<'a> {
    conversations: &'a Conversations,
    protocol: &'a str,
}

impl Way<'_> {
    async fn open(&self, setup: Vec<u8>, key: &str) -> Result<Conversation, AgentError> {
        if let Some(door) = self.door()? {
            let begun = door.open(setup, Some(key.to_owned()), asking()).await;
            return begun.map(|begun| begun.conversation).map_err(|why| refused(&why));
        }
        let key = ("idempotency-key", key);
        let headers = [JSON, key].map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        self.far("POST", String::new(), headers, setup).await
    }

    /// Follows a conversation until it ends.
    async fn follow(
        &self,
        id: ConversationId,
        ctx: &AgentContext,
    ) -> Result<Conversation, AgentError> {
        let mut after = 0;
        loop {
            let page = self.history(id, after).await?;
            if let Some(note) = page.notes.last() {
                after = note.number;
                ctx.progress(0.0, &note.kind);
            } else if page.ended {
                return self.show(id).await;
            }
        }
    }

    async fn history(
        &self,
        id: ConversationId,
        after: u64,
    ) -> Result<ConversationHistory, AgentError> {
        if let Some(door) = self.door()? {
            let question = History { id, after, limit: usize::MAX };
            let page = door.history(question, HOLD, asking()).await;
            return page.map(ConversationHistory::from).map_err(|why| refused(&why));
        }
        let path = format!("/{id}/history?after={after}&wait={}", HOLD.as_secs());
        self.far("GET", path, Vec::new(), Vec::new()).await
    }

    async fn show(&self, id: ConversationId) -> Result<Conversation, AgentError> {
        match self.door()? {
            Some(door) => door.show(id, asking()).await.map_err(|why| refused(&why)),
            None => self.far("GET", format!("/{id}"), Vec::new(), Vec::new()).await,
        }
    }

    /// The door to the desk, if it is on this node; none when it is on another.
    fn door(&self) -> Result<Option<Arc<dyn Door>>, AgentError> {
        let door = self.conversations.engines.door(self.protocol);
        if door.is_none() && self.conversations.owner.is_none() {
            return Err(AgentError::unavailable("the desk of the protocol is not there yet"));
        }
        Ok(door)
    }

    /// Has the node answer that does the work.
    async fn far<T: DeserializeOwned>(
        &self,
        method: &'static str,
        path: String,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    ) -> Result<T, AgentError> {
        let path = format!("/{}{path}", self.protocol);
        let question = Question { method, path, headers, by: asking().caller.principal, body };
        self.conversations.ask_owner(question, HOLD, by_status).await
    }
}

fn asking() -> Asking {
    let caller = Caller { principal: Principal::agent("moderator"), correlation: None };
    Asking { caller, within: WITHIN }
}

fn refused(problem: &Problem) -> AgentError {
    by_status(problem.status().as_u16(), problem.members().detail.clone())
}
