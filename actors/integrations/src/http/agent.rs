//! The agent itself: one POST for one assignment, and one for each message.

use std::sync::Arc;

use reqwest::Client;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use synod_agents::{
    Agent, AgentCard, AgentContext, AgentError, AgentKind, Assignment, Envelope, EnvelopeDocument,
    JSON, KindFactory, MessageContext, Payload, Progress, ReceiveAnswer, ReceiveOrder, WorkOrder,
    factory,
};
use tokio::time::Instant;

use super::answer;
use super::client;
use super::config::{HttpAgentConfig, HttpConfig};
use super::endpoint::{Endpoint, EndpointRefused};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const DEADLINE: HeaderName = HeaderName::from_static("synod-deadline-ms");

/// Why an agent of kind `http` could not be made; nothing was.
#[derive(Debug, thiserror::Error)]
pub enum HttpAgentError {
    /// The card is of another kind.
    #[error("expected a card of kind http, got {0}")]
    Kind(AgentKind),
    /// The card's endpoint is none that may be called.
    #[error("endpoint: {0}")]
    Endpoint(#[from] EndpointRefused),
    /// A header can't be sent.
    #[error("headers: {0}")]
    Headers(String),
    /// The system's certificates could not be read.
    #[error("the HTTP client could not be built: {0}")]
    Client(#[from] reqwest::Error),
}

/// An agent that is an HTTP endpoint. Clones share their connections.
#[derive(Debug, Clone)]
pub struct HttpAgent {
    card: AgentCard,
    endpoint: Endpoint,
    /// Where messages are posted, if it reads any.
    messages: Option<Endpoint>,
    headers: HeaderMap,
    client: Client,
    max_response_bytes: usize,
}

impl HttpAgent {
    /// An agent from its card; its endpoint is checked now, and each address of its host again
    /// whenever it is called.
    ///
    /// # Errors
    /// [`HttpAgentError`] names what was expected.
    pub fn new(card: AgentCard, config: &HttpConfig) -> Result<Self, HttpAgentError> {
        if card.kind != AgentKind::Http {
            return Err(HttpAgentError::Kind(card.kind));
        }
        let endpoint: Endpoint = card.endpoint.as_deref().unwrap_or_default().parse()?;
        let client = client::build(&endpoint, config)?;
        let max_response_bytes = config.max_response_bytes;
        let (messages, headers) = (None, HeaderMap::new());
        Ok(Self { card, endpoint, messages, headers, client, max_response_bytes })
    }

    /// An agent that the configuration names.
    ///
    /// # Errors
    /// [`HttpAgentError`] names what was expected.
    pub fn configured(
        agent: &HttpAgentConfig,
        config: &HttpConfig,
    ) -> Result<Self, HttpAgentError> {
        let headers = client::headers(&agent.headers).map_err(HttpAgentError::Headers)?;
        Ok(Self { headers, messages: agent.messages()?, ..Self::new(agent.card(), config)? })
    }

    /// Posts a message and reads what is said back.
    async fn tell(
        &self,
        messages: &Endpoint,
        envelope: &Envelope,
        deadline: Instant,
    ) -> Result<Option<Envelope>, AgentError> {
        let left = deadline.saturating_duration_since(Instant::now()).as_millis();
        let reply_within_ms = u64::try_from(left).unwrap_or(u64::MAX);
        let order = ReceiveOrder { envelope: EnvelopeDocument::from(envelope), reply_within_ms };
        let body = serde_json::to_vec(&order)
            .map_err(|why| AgentError::invalid_input(format!("the message is not JSON: {why}")))?;
        let mut request = self
            .client
            .post(messages.url().clone())
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, JSON)
            .header(ACCEPT, JSON)
            .header(DEADLINE, reply_within_ms)
            // The same when it is sent again.
            .header(IDEMPOTENCY_KEY, envelope.id.to_string());
        if let Ok(trace) = HeaderValue::try_from(&envelope.trace)
            && !envelope.trace.is_empty()
        {
            request = request.header(TRACEPARENT, trace);
        }
        let response = request.body(body).send().await.map_err(|why| answer::unsent(&why))?;
        let said = answer::read(response, self.max_response_bytes).await?;
        if said.bytes.is_empty() {
            return Ok(None);
        }
        let wrong = |why| AgentError::failed(format!("what the endpoint answered: {why}"));
        let said: ReceiveAnswer = said.to_json().map_err(wrong)?;
        said.answer.map(|answer| answer.to(envelope).map_err(wrong)).transpose()
    }

    /// Posts the work and reads the answer; dropped, it closes the connection.
    async fn call(
        &self,
        work: &Assignment,
        deadline: Instant,
        progress: &Progress,
    ) -> Result<Payload, AgentError> {
        let now = Instant::now();
        let left = deadline.saturating_duration_since(now).as_millis();
        let mut order = WorkOrder::new(work, now.into_std());
        // The agent's own limit may come before the task's deadline.
        order.deadline_ms = u64::try_from(left).unwrap_or(u64::MAX);
        let body = serde_json::to_vec(&order)
            .map_err(|why| AgentError::invalid_input(format!("the work is not JSON: {why}")))?;
        let request = self
            .client
            .post(self.endpoint.url().clone())
            .headers(self.headers.clone())
            .headers(headers(&order))
            .body(body);
        let response = request.send().await.map_err(|why| answer::unsent(&why))?;
        progress.spend(answer::usage(response.headers()));
        answer::read(response, self.max_response_bytes).await
    }
}

/// Makes agents of kind `http` from their cards alone: what the host of agents needs so that they
/// can be registered at run time.
#[must_use]
pub fn kind_factory(config: HttpConfig) -> KindFactory {
    Arc::new(move |card| {
        let agent = HttpAgent::new(card.clone(), &config);
        let agent = agent.map_err(|why| AgentError::refused(why.to_string()))?;
        Ok(factory(move || agent.clone()))
    })
}

/// Headers that every request has; the same facts are in the body.
fn headers(order: &WorkOrder) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    headers.insert(ACCEPT, HeaderValue::from_static(JSON));
    headers.insert(DEADLINE, HeaderValue::from(order.deadline_ms));
    if let Ok(key) = HeaderValue::try_from(&order.idempotency_key) {
        headers.insert(IDEMPOTENCY_KEY, key);
    }
    if let Some(Ok(trace)) = order.traceparent.as_ref().map(HeaderValue::try_from) {
        headers.insert(TRACEPARENT, trace);
    }
    headers
}

impl Agent for HttpAgent {
    fn card(&self) -> AgentCard {
        self.card.clone()
    }

    async fn perform(
        &mut self,
        work: Assignment,
        ctx: &mut AgentContext,
    ) -> Result<Payload, AgentError> {
        let deadline = ctx.deadline();
        let (stop, progress) = (ctx.cancelled(), ctx.progress_handle());
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(if Instant::now() >= deadline {
                AgentError::timeout("the endpoint did not answer in time")
            } else {
                AgentError::cancelled("cancelled; the connection was closed")
            }),
            () = tokio::time::sleep_until(deadline) => {
                Err(AgentError::timeout("the endpoint did not answer in time"))
            }
            outcome = self.call(&work, deadline, &progress) => outcome,
        }
    }

    async fn receive(
        &mut self,
        envelope: Envelope,
        ctx: &mut MessageContext,
    ) -> Result<Option<Envelope>, AgentError> {
        let Some(messages) = &self.messages else {
            return Ok(envelope.not_understood("no address for messages to this agent is set"));
        };
        self.tell(messages, &envelope, ctx.deadline()).await
    }
}

#[cfg(test)]
mod tests;
