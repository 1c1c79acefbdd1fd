//! An agent of another node, as one of this node: its work goes over the link.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use synod_agents::{
    Agent, AgentCard, AgentContext, AgentEntry, AgentError, AgentId, AgentKey, AgentMessage,
    AgentSelector, Assignment, Envelope, MessageContext, Payload, Perform, Receive,
    RegistryMessage, ShowAgent, WorkId,
};
use synod_cluster::{Answer, LinkError, NodeId, Peers, Port, Service};
use synod_journal::{Codec, CodecError};
use synod_runtime::{Address, AskError, Correlation};
use tokio::time::Instant;

use super::leaving::Leaving;

/// Bytes of the largest order or result between nodes: that of a frame.
const WIRE_LIMIT: usize = 16 << 20;

type Wire = Codec<WIRE_LIMIT>;

/// Time that the way there and back may take beyond the work itself.
const WAY: Duration = Duration::from_secs(2);

/// How long this node's registry may take to name an agent.
const LOOK_UP: Duration = Duration::from_secs(5);

/// What one node wants of an agent of another.
#[derive(Debug, Serialize, Deserialize)]
enum Order {
    /// Do this. Answered with an [`Outcome`].
    Perform(Box<RemoteWork>),
    /// Stop this. Not answered.
    Cancel { agent: RemoteKey, work: WorkId },
    /// Give what you lead to others. Answered with nothing when that is done.
    HandOver,
    /// Read this message. Answered with a [`Said`].
    Receive(Box<RemoteLetter>),
}

/// The order to hand over, as it travels.
pub(super) fn hand_over() -> Result<Bytes, CodecError> {
    Wire::encode(&Order::HandOver)
}

/// The key of an agent on its own node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct RemoteKey {
    id: AgentId,
    version: String,
}

impl RemoteKey {
    fn of(key: &AgentKey) -> Self {
        Self { id: key.id.clone(), version: key.version.to_string() }
    }

    fn selector(&self) -> Option<AgentSelector> {
        let version = self.version.parse().ok()?;
        Some(AgentSelector { id: self.id.clone(), version: Some(version) })
    }
}

/// An assignment on its way to another node.
#[derive(Debug, Serialize, Deserialize)]
struct RemoteWork {
    agent: RemoteKey,
    work: WorkId,
    kind: String,
    capability: Option<String>,
    payload: Payload,
    within_us: u64,
    idempotency_key: String,
    traceparent: Option<String>,
    labels: BTreeMap<String, String>,
    state: Option<Bytes>,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
struct RemoteResult {
    payload: Payload,
    state: Option<Bytes>,
}

type Outcome = Result<RemoteResult, AgentError>;

/// A message on its way to another node.
#[derive(Debug, Serialize, Deserialize)]
struct RemoteLetter {
    agent: RemoteKey,
    envelope: Envelope,
    within_us: u64,
}

/// What is said back to it.
type Said = Result<Option<Envelope>, AgentError>;

/// The instance of an agent that another node has.
pub(super) struct RemoteAgent {
    /// Its card as it is known here.
    pub(super) card: Arc<AgentCard>,
    /// What it is called on its own node.
    pub(super) key: AgentKey,
    pub(super) node: NodeId,
    pub(super) peers: Peers,
}

impl Agent for RemoteAgent {
    fn card(&self) -> AgentCard {
        AgentCard::clone(&self.card)
    }

    async fn perform(
        &mut self,
        work: Assignment,
        ctx: &mut AgentContext,
    ) -> Result<Payload, AgentError> {
        let (id, agent) = (work.work, RemoteKey::of(&self.key));
        let left = ctx.deadline().saturating_duration_since(Instant::now());
        let order = encode(&Order::Perform(Box::new(packed(agent.clone(), work, left))))?;
        let mut asked =
            std::pin::pin!(self.peers.call(self.node, Service::Remote, order, left + WAY));
        let stop = ctx.cancelled();
        let answer = tokio::select! {
            answer = &mut asked => answer,
            () = stop.cancelled() => {
                let cancel = encode(&Order::Cancel { agent, work: id })?;
                if let Err(why) = self.peers.try_cast(self.node, Service::Remote, cancel) {
                    tracing::debug!(%why, work = %id, "the cancellation did not go out");
                }
                asked.await
            }
        };
        let result = outcome(&answer.map_err(unreached)?)?;
        if let Some(state) = result.state {
            ctx.state.save(state)?;
        }
        Ok(result.payload)
    }

    async fn receive(
        &mut self,
        envelope: Envelope,
        ctx: &mut MessageContext,
    ) -> Result<Option<Envelope>, AgentError> {
        let left = ctx.deadline().saturating_duration_since(Instant::now());
        let within_us = u64::try_from(left.as_micros()).unwrap_or(u64::MAX);
        let letter = RemoteLetter { agent: RemoteKey::of(&self.key), envelope, within_us };
        let order = encode(&Order::Receive(Box::new(letter)))?;
        let answer = self.peers.call(self.node, Service::Remote, order, left + WAY).await;
        decoded::<Said>(&answer.map_err(unreached)?)?
    }
}

fn packed(agent: RemoteKey, work: Assignment, left: Duration) -> RemoteWork {
    RemoteWork {
        agent,
        work: work.work,
        kind: work.kind,
        capability: work.capability,
        payload: work.payload,
        within_us: u64::try_from(left.as_micros()).unwrap_or(u64::MAX),
        idempotency_key: work.idempotency_key,
        traceparent: work.correlation.map(|trace| trace.traceparent()),
        labels: work.labels,
        state: work.state,
    }
}

fn encode<T: Serialize>(value: &T) -> Result<Bytes, AgentError> {
    Wire::encode(value).map_err(|why| match why {
        CodecError::TooLarge { .. } => AgentError::invalid_input(format!("for its node: {why}")),
        why => AgentError::failed(why.to_string()),
    })
}

fn outcome(answer: &[u8]) -> Outcome {
    decoded::<Outcome>(answer)?
}

fn decoded<T: DeserializeOwned>(answer: &[u8]) -> Result<T, AgentError> {
    let strange = |why: CodecError| AgentError::failed(format!("its node answered: {why}"));
    Wire::decode::<T>(answer).map_err(strange)
}

/// A call that was not answered: undone if it certainly never arrived, lost otherwise.
fn unreached(why: LinkError) -> AgentError {
    match why {
        LinkError::TooLarge => AgentError::failed("the result is too large for the link"),
        LinkError::Refused(reason) => AgentError::unavailable(reason),
        why if why.is_unsent() => AgentError::unavailable(format!("its node: {why}")),
        LinkError::Deadline => AgentError::timeout("its node gave no answer in time"),
        why => AgentError::lost(format!("its node: {why}")),
    }
}

/// Lets other nodes have agents of this node work.
pub(super) struct AgentPort {
    registry: Address<RegistryMessage>,
    leaving: Arc<Leaving>,
}

impl AgentPort {
    pub(super) fn new(registry: &Address<RegistryMessage>, leaving: &Arc<Leaving>) -> Self {
        Self { registry: registry.clone(), leaving: Arc::clone(leaving) }
    }

    async fn perform(registry: Address<RegistryMessage>, work: RemoteWork) -> Outcome {
        let entry = look_up(&registry, &work.agent).await?;
        let within = Duration::from_micros(work.within_us);
        let assignment = Assignment {
            work: work.work,
            kind: work.kind,
            capability: work.capability,
            payload: work.payload,
            deadline: synod_runtime::after(Instant::now(), within),
            idempotency_key: work.idempotency_key,
            correlation: work.traceparent.and_then(|text| text.parse::<Correlation>().ok()),
            labels: work.labels,
            state: work.state,
            watch: Default::default(),
        };
        let performed = entry.address.ask(Perform { assignment }, within + WAY / 2).await;
        let performed = performed.map_err(unanswered)??;
        Ok(RemoteResult { payload: performed.payload, state: performed.state })
    }

    async fn receive(registry: Address<RegistryMessage>, letter: RemoteLetter) -> Said {
        let entry = look_up(&registry, &letter.agent).await?;
        let within = Duration::from_micros(letter.within_us);
        let mut envelope = letter.envelope;
        // It is not told to others again, and the clocks of two nodes differ: what is left counts.
        envelope.reply_by_us = None;
        let said = entry.address.ask(Receive { envelope }, within + WAY / 2).await;
        said.map_err(unanswered)?
    }

    fn hand_over(&self, answer: Answer) {
        let leaving = Arc::clone(&self.leaving);
        tokio::spawn(async move {
            leaving.hand_over().await;
            answer.send(Bytes::new());
        });
    }

    async fn cancel(registry: Address<RegistryMessage>, agent: RemoteKey, work: WorkId) {
        if let Ok(entry) = look_up(&registry, &agent).await
            && let Err(why) = entry.address.send(AgentMessage::Cancel { work }).await
        {
            tracing::debug!(%why, %work, "a cancellation of another node was not taken");
        }
    }
}

fn unanswered(why: AskError) -> AgentError {
    match why {
        AskError::Full | AskError::Closed | AskError::Refused => {
            AgentError::unavailable(why.to_string())
        }
        AskError::Deadline => AgentError::timeout(why.to_string()),
        why => AgentError::lost(why.to_string()),
    }
}

/// Answers with what comes of it. As many at once as the link's window allows; each ends by its
/// deadline.
fn answer_with<T: Serialize + Send>(
    answer: Answer,
    outcome: impl Future<Output = T> + Send + 'static,
) {
    tokio::spawn(async move {
        match Wire::encode(&outcome.await) {
            Ok(bytes) => answer.send(bytes),
            Err(why) => answer.refuse(format!("the result: {why}")),
        }
    });
}

async fn look_up(
    registry: &Address<RegistryMessage>,
    agent: &RemoteKey,
) -> Result<AgentEntry, AgentError> {
    let gone = || AgentError::unavailable(format!("no agent {} is here", agent.id));
    let agents = agent.selector().ok_or_else(gone)?;
    let found = registry.ask(ShowAgent { agents }, LOOK_UP).await;
    let entries = found.map_err(|why| AgentError::unavailable(why.to_string()))?;
    entries.ok().and_then(|entries| entries.into_iter().next()).ok_or_else(gone)
}

impl Port for AgentPort {
    fn cast(&self, _: NodeId, body: Bytes) {
        let Ok(Order::Cancel { agent, work }) = Wire::decode(&body) else { return };
        tokio::spawn(Self::cancel(self.registry.clone(), agent, work));
    }

    fn call(&self, _: NodeId, body: Bytes, answer: Answer) {
        let registry = self.registry.clone();
        match Wire::decode(&body) {
            Ok(Order::Perform(work)) => answer_with(answer, Self::perform(registry, *work)),
            Ok(Order::Receive(letter)) => answer_with(answer, Self::receive(registry, *letter)),
            Ok(Order::Cancel { .. }) => answer.refuse("a cancellation is not a question"),
            Ok(Order::HandOver) => self.hand_over(answer),
            Err(why) => answer.refuse(format!("not an order: {why}")),
        }
    }
}
