//! The one way into the desk of any protocol: JSON in, JSON out.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use synod_agents::BoxFuture;
use synod_coordination::desk::{
    ConversationPage, DeskError, DeskHealth, DeskHealthResponse, DeskMessage, DrainDesk, Follow,
    History, HistoryPage, List, Open, Opened, Show, Shown, Step,
};
use synod_coordination::{ConversationId, Protocol};
use synod_runtime::{Address, Ask, Request};

use super::refusal::refused;
use super::shapes::{Conversation, Told};
use crate::api::correlation::Caller;
use crate::api::json::parse;
use crate::api::problem::{Problem, ProblemType};

/// Who asks, and how long for.
#[derive(Debug, Clone)]
pub(crate) struct Asking {
    pub(crate) caller: Caller,
    pub(crate) within: Duration,
}

/// A conversation that was opened, and whether it was before.
pub(crate) struct Begun {
    pub(crate) conversation: Conversation,
    pub(crate) duplicate: bool,
}

/// Leads to the desk of a protocol. Bodies are those of requests.
pub(crate) trait Door: Any + Send + Sync {
    /// The protocol's name.
    fn kind(&self) -> &'static str;

    /// Opens a conversation.
    fn open(
        &self,
        body: Vec<u8>,
        key: Option<String>,
        asking: Asking,
    ) -> BoxFuture<'_, Result<Begun, Problem>>;

    /// Tells a conversation something.
    fn tell(
        &self,
        id: ConversationId,
        body: Vec<u8>,
        asking: Asking,
    ) -> BoxFuture<'_, Result<Told, Problem>>;

    /// Shows a conversation.
    fn show(
        &self,
        id: ConversationId,
        asking: Asking,
    ) -> BoxFuture<'_, Result<Conversation, Problem>>;

    /// Lists conversations.
    fn list(&self, list: List, asking: Asking) -> BoxFuture<'_, Result<ConversationPage, Problem>>;

    /// Reads what happened; waits for news when `hold` is not zero.
    fn history(
        &self,
        question: History,
        hold: Duration,
        asking: Asking,
    ) -> BoxFuture<'_, Result<HistoryPage, Problem>>;

    /// How the desk is.
    fn health(&self, asking: Asking) -> BoxFuture<'_, Result<DeskHealthResponse, Problem>>;

    /// Has the desk open no more, and waits until all that it was told before is stored and
    /// answered; whether it is within that time.
    fn drain(&self, within: Duration) -> BoxFuture<'_, bool>;
}

/// The door to a desk.
pub(crate) struct DeskDoor<P: Protocol>(Address<DeskMessage<P>>);

impl<P: Protocol> DeskDoor<P> {
    /// The door to the desk at this address.
    pub(crate) fn to(desk: Address<DeskMessage<P>>) -> Arc<dyn Door> {
        Arc::new(Self(desk))
    }

    /// The desk behind a door, if it is one of this protocol.
    pub(crate) fn behind(door: &dyn Door) -> Option<Address<DeskMessage<P>>> {
        let door: &dyn Any = door;
        door.downcast_ref::<Self>().map(|door| door.0.clone())
    }

    async fn ask<Q>(&self, question: Q, asking: &Asking) -> Result<Q::Reply, Problem>
    where
        DeskMessage<P>: From<Request<Q>>,
        Q: Ask,
    {
        let answer = self.0.ask_with(question, asking.within, asking.caller.options()).await;
        answer.map_err(|why| Problem::unanswered(P::KIND, &why))
    }

    /// Asks for something that changes a conversation.
    async fn change<Q, T>(&self, question: Q, asking: &Asking) -> Result<T, Problem>
    where
        DeskMessage<P>: From<Request<Q>>,
        Q: Ask<Reply = Result<T, DeskError>>,
    {
        let answer = self.0.ask_with(question, asking.within, asking.caller.options()).await;
        answer.map_err(|why| Problem::perhaps_accepted(P::KIND, &why))?.map_err(refused)
    }

    async fn shown(&self, id: ConversationId, asking: &Asking) -> Result<Conversation, Problem> {
        let shown = self.ask(Show::<P>::new(id), asking).await?;
        let Shown { summary, view } = shown.ok_or_else(|| no_conversation(P::KIND, id))?;
        Ok(Conversation { protocol: P::KIND.to_owned(), summary, view: value(&view)? })
    }
}

impl<P: Protocol> Door for DeskDoor<P> {
    fn kind(&self) -> &'static str {
        P::KIND
    }

    fn open(
        &self,
        body: Vec<u8>,
        key: Option<String>,
        asking: Asking,
    ) -> BoxFuture<'_, Result<Begun, Problem>> {
        Box::pin(async move {
            let by = asking.caller.principal.clone();
            let question = Open::<P> { setup: read(&body)?, by, id: None, key };
            // Shown by the answer itself: a second question might not be answered, and whoever
            // heard so would take the conversation for one that was never opened.
            let Opened { summary, view, duplicate, .. } = self.change(question, &asking).await?;
            let protocol = P::KIND.to_owned();
            let conversation = Conversation { protocol, summary, view: value(&view)? };
            Ok(Begun { conversation, duplicate })
        })
    }

    fn tell(
        &self,
        id: ConversationId,
        body: Vec<u8>,
        asking: Asking,
    ) -> BoxFuture<'_, Result<Told, Problem>> {
        Box::pin(async move {
            let by = asking.caller.principal.clone();
            let question = Step::<P> { id, by, input: read(&body)? };
            let answer =
                self.change(question, &asking).await.map_err(|problem| named(problem, id))?;
            Ok(Told { answer: value(&answer)? })
        })
    }

    fn show(
        &self,
        id: ConversationId,
        asking: Asking,
    ) -> BoxFuture<'_, Result<Conversation, Problem>> {
        Box::pin(async move { self.shown(id, &asking).await })
    }

    fn list(&self, list: List, asking: Asking) -> BoxFuture<'_, Result<ConversationPage, Problem>> {
        Box::pin(async move { self.ask(list, &asking).await })
    }

    fn history(
        &self,
        question: History,
        hold: Duration,
        asking: Asking,
    ) -> BoxFuture<'_, Result<HistoryPage, Problem>> {
        Box::pin(async move {
            let page = self.ask(question, &asking).await?.map_err(refused)?;
            if hold.is_zero() || !page.notes.is_empty() || page.ended {
                return Ok(page);
            }
            let follow = Follow { id: question.id, after: question.after, within: hold };
            let longer = Asking { within: hold.saturating_add(asking.within), ..asking };
            self.ask(follow, &longer).await?.map_err(refused)
        })
    }

    fn health(&self, asking: Asking) -> BoxFuture<'_, Result<DeskHealthResponse, Problem>> {
        Box::pin(async move { self.ask(DeskHealth::default(), &asking).await })
    }

    fn drain(&self, within: Duration) -> BoxFuture<'_, bool> {
        Box::pin(async move { self.0.ask(DrainDesk::default(), within).await.is_ok() })
    }
}

/// No conversation has this id.
pub(super) fn no_conversation(kind: &str, id: ConversationId) -> Problem {
    let next = "GET /api/v1/coordination/{protocol} lists those that are kept";
    Problem::not_found(kind, &id.to_string(), next)
}

/// The same problem, with the id that is not known.
fn named(problem: Problem, id: ConversationId) -> Problem {
    if problem.status() == axum::http::StatusCode::NOT_FOUND {
        return no_conversation("conversation", id);
    }
    problem
}

/// Reads a body: an object, or the name alone of an input that has no members.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let text = body.trim_ascii();
    if text.first() == Some(&b'"')
        && let Ok(value) = serde_json::from_slice(text)
    {
        return Ok(value);
    }
    parse(body)
}

fn value(shown: &impl Serialize) -> Result<Value, Problem> {
    // Only a map whose keys are no text can't be shown.
    serde_json::to_value(shown).map_err(|why| Problem::new(ProblemType::Internal, why.to_string()))
}
