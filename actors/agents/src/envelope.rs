//! What agents send each other: a speech act in an envelope (FIPA SC00061, ACL message structure).

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::id::AgentId;
use crate::named::named;
use crate::payload::Payload;

/// A message between agents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// Its name; the same when it is sent again.
    pub id: Uuid,
    /// Who sends it: an agent, or whoever speaks for a protocol (`ballot`).
    pub sender: String,
    /// For whom it is.
    pub recipient: Recipient,
    /// What is done by saying it.
    pub performative: Performative,
    /// The protocol it belongs to, such as `fipa-contract-net`; empty for none.
    pub protocol: String,
    /// The conversation it belongs to.
    pub conversation: Option<Uuid>,
    /// What an answer is to name in `in_reply_to`.
    pub reply_with: Option<String>,
    /// What it answers.
    pub in_reply_to: Option<String>,
    /// Until when an answer is of use (UTC microseconds).
    pub reply_by_us: Option<i64>,
    /// When it was sent (UTC microseconds).
    pub sent_at_us: i64,
    /// The trace it belongs to: `traceparent` of W3C Trace Context; empty for none.
    pub trace: String,
    /// Its content.
    pub content: Payload,
}

/// For whom an envelope is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recipient {
    /// One agent.
    Agent(AgentId),
    /// Agents with a capability.
    Capability {
        /// Which.
        name: String,
        /// Which of them.
        reach: Reach,
    },
    /// Whoever has subscribed to the topic.
    Topic(String),
    /// Every agent.
    Everyone,
}

named! {
    /// Which of several agents with a capability.
    pub enum Reach {
        /// One of them, drawn by lot.
        Any = "any",
        /// All of them.
        All = "all",
        /// The one that has shown the best results.
        Best = "best",
    }
}

named! {
    /// What is done by saying something: the communicative acts of FIPA SC00037.
    pub enum Performative {
        /// Accepts a proposal.
        AcceptProposal = "accept-proposal",
        /// Agrees to do something.
        Agree = "agree",
        /// Takes back a request.
        Cancel = "cancel",
        /// Calls for proposals.
        Cfp = "cfp",
        /// Says that something is true.
        Confirm = "confirm",
        /// Says that something is not true.
        Disconfirm = "disconfirm",
        /// Says that something was tried and failed.
        Failure = "failure",
        /// Tells something.
        Inform = "inform",
        /// Tells whether something is true.
        InformIf = "inform-if",
        /// Tells what something is.
        InformRef = "inform-ref",
        /// Says that a message was not understood.
        NotUnderstood = "not-understood",
        /// Has a message handed on to others.
        Propagate = "propagate",
        /// Proposes to do something.
        Propose = "propose",
        /// Has a message handed to certain others.
        Proxy = "proxy",
        /// Asks whether something is true.
        QueryIf = "query-if",
        /// Asks what something is.
        QueryRef = "query-ref",
        /// Refuses to do something.
        Refuse = "refuse",
        /// Rejects a proposal.
        RejectProposal = "reject-proposal",
        /// Asks for something to be done.
        Request = "request",
        /// Asks for something to be done when something is true.
        RequestWhen = "request-when",
        /// The same, each time it becomes true.
        RequestWhenever = "request-whenever",
        /// Asks to be told what something is, now and whenever it changes.
        Subscribe = "subscribe",
    }
}
