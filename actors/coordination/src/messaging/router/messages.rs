//! What the router is asked.

use std::time::Duration;

use serde::Serialize;
use synod_agents::{AgentId, Envelope, EnvelopeFault};
use synod_runtime::{Ask, Request, requests};
use uuid::Uuid;

use crate::messaging::history::HistoryEntry;
use crate::messaging::topics::TopicError;

/// Send this on. Answered when every recipient has read it, or is certain not to, at the latest
/// when `within` is over.
#[derive(Debug)]
pub struct Send {
    /// The envelope; without an id or a time it gets them.
    pub envelope: Envelope,
    /// How long the recipients may take.
    pub within: Duration,
}

impl Ask for Send {
    type Reply = Result<Sent, RouteError>;
}

/// What came of an envelope.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// Its id.
    pub id: Uuid,
    /// How many have read it, or been given it by their subscription.
    pub reached: u64,
    /// What they said back, in the order it came.
    pub answers: Vec<Envelope>,
    /// Who has not read it, and why.
    pub undelivered: Vec<(AgentId, String)>,
}

/// Why an envelope went to nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// A field of it is not what is expected.
    #[error(transparent)]
    Invalid(#[from] EnvelopeFault),
    /// The topic is not one to publish to, or its subscribers have no room.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// There is nobody it is for. It is a dead letter.
    #[error("{0}")]
    NoRecipient(String),
    /// It is for more agents than one envelope may go to.
    #[error("it is for more than {most} agents, the most an envelope goes to: publish to a topic")]
    TooMany {
        /// How many it may be.
        most: usize,
    },
    /// Its sender takes no part in the conversation that it names.
    #[error("'{sender}' takes no part in conversation {conversation}")]
    NotAParticipant {
        /// Who sent it.
        sender: String,
        /// Where.
        conversation: Uuid,
    },
    /// As many envelopes are under way as may be.
    #[error("{0} envelopes are under way, the most there may be: try again")]
    Busy(usize),
    /// A part of the node that is needed did not answer.
    #[error("not at the moment: {0}")]
    Unavailable(String),
}

/// What was said in a conversation? Answered with nothing when it is not known, or no more.
#[derive(Debug, Clone, Copy)]
pub struct ReadHistory {
    /// Which.
    pub conversation: Uuid,
    /// Only what came after the envelope of this number; 0 for all.
    pub after: u64,
    /// Most envelopes; at most 1,000 are given.
    pub limit: usize,
}

impl Ask for ReadHistory {
    type Reply = Option<Vec<HistoryEntry>>;
}

/// An envelope that somebody has not read.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Undelivered {
    /// Its number, from 1.
    pub number: u64,
    /// The envelope.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Who sent it.
    pub sender: String,
    /// For whom it was.
    pub recipient: String,
    /// Why it was not read.
    pub reason: String,
    /// When that was certain (UTC microseconds).
    pub at_us: i64,
}

/// Which envelopes were not delivered? The newest first.
#[derive(Debug, Clone, Copy)]
pub struct ListUndelivered {
    /// Only those before this number; none for all.
    pub before: Option<u64>,
    /// Most to be given; at most 1,000.
    pub limit: usize,
}

impl Ask for ListUndelivered {
    type Reply = UndeliveredPage;
}

/// Some undelivered envelopes, and how many there ever were.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct UndeliveredPage {
    /// The envelopes, the newest first.
    pub undelivered: Vec<Undelivered>,
    /// All since the start, those that are not kept any more included.
    pub total: u64,
}

/// The protocol of the router.
#[derive(Debug)]
pub enum RouterMessage {
    /// Send this on.
    Send(Request<Send>),
    /// What was said in a conversation?
    History(Request<ReadHistory>),
    /// What was not delivered?
    Undelivered(Request<ListUndelivered>),
    /// From the router to itself.
    Own(super::actor::Own),
}

requests!(RouterMessage {
    Send(Send),
    History(ReadHistory),
    Undelivered(ListUndelivered),
});
