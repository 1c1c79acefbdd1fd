//! Messages and topics as the API shows them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use synod_agents::{AgentId, EnvelopeDocument, PayloadDocument};
use synod_coordination::messaging::HistoryEntry;
use synod_coordination::messaging::router::Sent;
use synod_coordination::messaging::topics::{
    Given, Published, PublishedTo, SubscriptionView, Terms, TopicLetter,
};
use utoipa::ToSchema;
use uuid::Uuid;

/// What came of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SentMessage {
    /// Its id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// How many have read it, or been given it by their subscription.
    pub reached: u64,
    /// What they said back, in the order it came.
    pub answers: Vec<EnvelopeDocument>,
    /// Who has not read it, and why.
    pub undelivered: Vec<NotRead>,
}

/// Somebody who has not read a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotRead {
    /// Who.
    pub agent: String,
    /// Why.
    pub reason: String,
}

impl From<Sent> for SentMessage {
    fn from(sent: Sent) -> Self {
        let Sent { id, reached, answers, undelivered } = sent;
        let not_read = |(agent, reason): (AgentId, String)| {
            let agent = agent.to_string();
            NotRead { agent, reason }
        };
        Self {
            id,
            reached,
            answers: answers.iter().map(EnvelopeDocument::from).collect(),
            undelivered: undelivered.into_iter().map(not_read).collect(),
        }
    }
}

/// What was said in a conversation, in order.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SaidMessages {
    /// The messages, each with its number in the conversation. Numbers that are missing were
    /// dropped for room.
    pub said: Vec<HistoryEntry>,
}

/// Something to publish.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PublishRequest {
    /// The topic: levels parted by `/`, without wildcards.
    pub(super) topic: String,
    /// What is told: any JSON. Absent or null with `retain`: the last value is removed.
    #[serde(default)]
    #[schema(value_type = Value)]
    pub(super) payload: Value,
    /// Whether who subscribes later gets it first, until the next that is retained.
    #[serde(default)]
    pub(super) retain: bool,
    /// Who says it; by default whoever asks.
    #[serde(default)]
    pub(super) sender: Option<String>,
}

/// Whom a publication went to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublishedTopic {
    /// The topic.
    pub topic: String,
    /// All who have subscribed to it.
    pub subscribers: u64,
    /// Of these, durable subscriptions: it is on the disk for them.
    pub durable: u64,
    /// How many of the others lost an older message for it, because they are slow.
    pub dropped: u64,
}

impl PublishedTopic {
    pub(super) fn new(topic: String, to: PublishedTo) -> Self {
        let (subscribers, durable) = (to.subscribers(), to.durable);
        Self { topic, subscribers, durable, dropped: to.dropped }
    }
}

/// What was published to a topic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TopicValue {
    /// Its number.
    pub number: u64,
    /// The topic.
    pub topic: String,
    /// Who published it.
    pub sender: String,
    /// Its content.
    pub content: PayloadDocument,
    /// When (UTC).
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

impl From<&Published> for TopicValue {
    fn from(published: &Published) -> Self {
        Self {
            number: published.number,
            topic: published.topic.clone(),
            sender: published.sender.clone(),
            content: PayloadDocument::from(&published.content),
            at: Timestamp::from_microsecond(published.at_us).unwrap_or_default(),
        }
    }
}

/// Last values of topics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RetainedValues {
    /// The values, in the order of their topics.
    pub values: Vec<TopicValue>,
}

/// A durable subscription to be kept.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SubscriptionRequest {
    /// Its name: 1 to 128 of a-z, 0-9, `.`, `_` and `-`, a letter or digit first.
    pub(super) name: String,
    /// Which topics: `+` stands for one level, `#` at the end for all that follow.
    pub(super) filter: String,
    /// The agent that is given each message, one after the other; absent where they are fetched.
    #[serde(default)]
    pub(super) agent: Option<String>,
    /// How it is kept and given.
    #[serde(default)]
    pub(super) terms: Terms,
}

/// Durable subscriptions.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Subscriptions {
    /// How each stands, in the order of their names.
    pub subscriptions: Vec<SubscriptionView>,
}

/// A message that a durable subscription has to read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FetchedMessage {
    /// How often it was given, with this time, since the node started.
    pub attempt: u32,
    /// The message; its number is what an acknowledgement names.
    #[serde(flatten)]
    pub message: TopicValue,
}

impl From<&Given> for FetchedMessage {
    fn from(given: &Given) -> Self {
        let message = TopicValue { number: given.number, ..TopicValue::from(&*given.message) };
        Self { attempt: given.attempt, message }
    }
}

/// What a durable subscription has to read next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FetchedMessages {
    /// The messages, in the order in which they were published.
    pub messages: Vec<FetchedMessage>,
}

/// What is done with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AcknowledgeRequest {
    /// The number of the last message that is.
    pub(super) up_to: u64,
}

/// What could not be worked on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RejectRequest {
    /// Why.
    #[serde(default)]
    pub(super) reason: String,
}

/// Messages that could not be worked on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TopicLetters {
    /// The messages, the oldest first.
    pub letters: Vec<TopicLetter>,
}
