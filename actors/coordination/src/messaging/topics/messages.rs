//! What topics are asked.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use synod_agents::{AgentId, Payload};
use synod_runtime::{Ask, Request, requests};

use super::durable::{Given, SubscriptionView, Terms, TopicLetter};
use super::error::TopicError;
use super::plain::{Put, Subscription};
use super::trie::Number;

/// A message that was published.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// Its number: of all that is published since the start, or, where it is kept, for good.
    pub number: u64,
    /// To which topic.
    pub topic: String,
    /// By whom.
    pub sender: String,
    /// Its content.
    pub content: Payload,
    /// When (UTC microseconds).
    pub at_us: i64,
    /// Whether it is the last value of its topic, from before the subscription.
    pub retained: bool,
}

/// Tell this to whoever has subscribed to the topic. Answered once it is on the disk for each
/// durable subscription and handed to every plain one.
#[derive(Debug, Clone)]
pub struct Publish {
    /// The topic: levels parted by `/`, no wildcards.
    pub topic: String,
    /// By whom.
    pub sender: String,
    /// The content; with `retain` an empty one removes the last value.
    pub content: Payload,
    /// Whether later subscribers get it first, until the next that is retained.
    pub retain: bool,
}

impl Ask for Publish {
    type Reply = Result<PublishedTo, TopicError>;
}

/// Whom a message went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PublishedTo {
    /// Plain subscribers.
    pub plain: u64,
    /// Of these, how many lost an older message, or this one, because they are slow.
    pub dropped: u64,
    /// Durable subscriptions.
    pub durable: u64,
}

impl PublishedTo {
    /// All of them.
    #[must_use]
    pub const fn subscribers(&self) -> u64 {
        self.plain + self.durable
    }
}

/// Give me what is published to these topics from now on, after their last values.
#[derive(Debug)]
pub struct Subscribe {
    /// Which topics; see [`TopicFilter`](super::TopicFilter).
    pub filter: String,
    /// Messages that may wait to be read; 1 to 65,536. The oldest are dropped for more.
    pub capacity: usize,
}

impl Ask for Subscribe {
    type Reply = Result<Subscription, TopicError>;
}

type Hear = dyn Fn(&Arc<Published>) -> Put + Send;

/// Where messages go: a function that never waits.
pub struct TopicListener(Box<Hear>);

impl TopicListener {
    /// A listener of one's own making; `deliver` must not block. It says whether it goes on
    /// listening.
    pub fn new(deliver: impl Fn(&Arc<Published>) -> bool + Send + 'static) -> Self {
        Self(Box::new(move |message| if deliver(message) { Put::Taken } else { Put::Gone }))
    }

    pub(super) fn hear(&self, message: &Arc<Published>) -> Put {
        (self.0)(message)
    }
}

impl fmt::Debug for TopicListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TopicListener")
    }
}

/// Call this with what is published to these topics, after their last values. Answered with the
/// number that [`TopicsMessage::Leave`] takes.
#[derive(Debug)]
pub struct Listen {
    /// Which topics.
    pub filter: String,
    /// What is called.
    pub listener: TopicListener,
}

impl Ask for Listen {
    type Reply = Result<Number, TopicError>;
}

/// Keep for this name what is published to these topics from now on, until it is acknowledged.
/// The same again changes nothing.
#[derive(Debug, Clone)]
pub struct KeepSubscription {
    /// Its name: `[a-z0-9][a-z0-9._-]{0,127}`.
    pub name: String,
    /// Which topics.
    pub filter: String,
    /// The agent that is given each message, one after the other; none for a consumer that
    /// fetches.
    pub agent: Option<AgentId>,
    /// How it is kept and given.
    pub terms: Terms,
}

impl Ask for KeepSubscription {
    type Reply = Result<(), TopicError>;
}

/// Forget this durable subscription and all that it has to read.
#[derive(Debug, Clone)]
pub struct RemoveSubscription {
    /// Which.
    pub name: String,
}

impl Ask for RemoveSubscription {
    type Reply = Result<(), TopicError>;
}

/// Give me what is next of this durable subscription. Answered when there is something, or with
/// nothing after `within`. Of two that wait the earlier one gets nothing.
#[derive(Debug, Clone)]
pub struct Fetch {
    /// Which.
    pub name: String,
    /// Most messages; 1 to 1,000.
    pub most: usize,
    /// How long to wait; at most a minute.
    pub within: Duration,
}

impl Ask for Fetch {
    type Reply = Result<Vec<Given>, TopicError>;
}

/// Everything up to this message, which was given, is done with.
#[derive(Debug, Clone)]
pub struct Acknowledge {
    /// Of which subscription.
    pub name: String,
    /// The number of the last message that is.
    pub up_to: u64,
}

impl Ask for Acknowledge {
    type Reply = Result<(), TopicError>;
}

/// What was given first, of what is not acknowledged, could not be worked on: give it again later.
#[derive(Debug, Clone)]
pub struct Reject {
    /// Of which subscription.
    pub name: String,
    /// Why.
    pub reason: String,
}

impl Ask for Reject {
    type Reply = Result<(), TopicError>;
}

/// How do the durable subscriptions stand? In order of name.
#[derive(Debug, Clone)]
pub struct ListSubscriptions {
    /// Only those after this name; none for all.
    pub after: Option<String>,
    /// Most to be given; at most 1,000.
    pub limit: usize,
}

impl Ask for ListSubscriptions {
    type Reply = Vec<SubscriptionView>;
}

/// How does this durable subscription stand? Answered with nothing when it is not there.
#[derive(Debug, Clone)]
pub struct ShowSubscription {
    /// Which.
    pub name: String,
}

impl Ask for ShowSubscription {
    type Reply = Option<SubscriptionView>;
}

/// What could not be worked on? The oldest first.
#[derive(Debug, Clone)]
pub struct ListTopicLetters {
    /// Only those of this subscription; none for all.
    pub subscription: Option<String>,
    /// Only those after this number.
    pub after: u64,
    /// Most to be given; at most 1,000.
    pub limit: usize,
}

impl Ask for ListTopicLetters {
    type Reply = Vec<TopicLetter>;
}

/// What is the last value of this topic?
#[derive(Debug, Clone)]
pub struct ShowRetained {
    /// Which.
    pub topic: String,
}

impl Ask for ShowRetained {
    type Reply = Option<Arc<Published>>;
}

/// What are the last values of the topics that a filter matches? In order of topic.
#[derive(Debug, Clone)]
pub struct ListRetained {
    /// Which topics; see [`TopicFilter`](super::TopicFilter).
    pub filter: String,
    /// Only those after this topic; none for all.
    pub after: Option<String>,
    /// Most to be given; at most 1,000.
    pub limit: usize,
}

impl Ask for ListRetained {
    type Reply = Result<Vec<Arc<Published>>, TopicError>;
}

/// The protocol of topics.
#[derive(Debug)]
pub enum TopicsMessage {
    /// Tell the subscribers of a topic.
    Publish(Request<Publish>),
    /// Subscribe with a queue.
    Subscribe(Request<Subscribe>),
    /// Subscribe with a function.
    Listen(Request<Listen>),
    /// End a plain subscription.
    Leave(Number),
    /// Keep a durable subscription.
    Keep(Request<KeepSubscription>),
    /// Forget one.
    Remove(Request<RemoveSubscription>),
    /// Read from one.
    Fetch(Request<Fetch>),
    /// What was read is done with.
    Acknowledge(Request<Acknowledge>),
    /// What was read could not be worked on.
    Reject(Request<Reject>),
    /// The durable subscriptions.
    List(Request<ListSubscriptions>),
    /// One of them.
    Show(Request<ShowSubscription>),
    /// What could not be worked on.
    Letters(Request<ListTopicLetters>),
    /// The last value of a topic.
    Retained(Request<ShowRetained>),
    /// The last values of some.
    AllRetained(Request<ListRetained>),
    /// From topics to themselves.
    Own(super::actor::Own),
}

requests!(TopicsMessage {
    Publish(Publish),
    Subscribe(Subscribe),
    Listen(Listen),
    Keep(KeepSubscription),
    Remove(RemoveSubscription),
    Fetch(Fetch),
    Acknowledge(Acknowledge),
    Reject(Reject),
    List(ListSubscriptions),
    Show(ShowSubscription),
    Letters(ListTopicLetters),
    Retained(ShowRetained),
    AllRetained(ListRetained),
});
