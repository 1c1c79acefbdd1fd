//! What agents send each other: a speech act in an envelope (FIPA SC00061, ACL message structure).

mod check;
mod document;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::id::AgentId;
use crate::named::named;
use crate::payload::Payload;

pub use check::{EnvelopeFault, MAX_CONTENT_BYTES};
pub use document::{AnswerDocument, EnvelopeDocument, ReceiveAnswer, ReceiveOrder};

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

impl Envelope {
    /// One that says this; its id, its time and what is left empty are filled in by whoever
    /// sends it on.
    #[must_use]
    pub fn new(
        sender: impl Into<String>,
        recipient: Recipient,
        performative: Performative,
        content: Payload,
    ) -> Self {
        Self {
            id: Uuid::nil(),
            sender: sender.into(),
            recipient,
            performative,
            protocol: String::new(),
            conversation: None,
            reply_with: None,
            in_reply_to: None,
            reply_by_us: None,
            sent_at_us: 0,
            trace: String::new(),
            content,
        }
    }

    /// Says which protocol it belongs to.
    #[must_use]
    pub fn protocol(mut self, protocol: impl Into<String>) -> Self {
        self.protocol = protocol.into();
        self
    }

    /// Says which conversation it belongs to.
    #[must_use]
    pub fn conversation(mut self, conversation: Uuid) -> Self {
        self.conversation = Some(conversation);
        self
    }

    /// What is said back to it, to whoever sent it and in the same conversation.
    #[must_use]
    pub fn answer(&self, performative: Performative, content: Payload) -> Self {
        let sender = match &self.recipient {
            Recipient::Agent(agent) => agent.to_string(),
            // The agent's actor knows who it is.
            _ => String::new(),
        };
        Self {
            protocol: self.protocol.clone(),
            conversation: self.conversation,
            in_reply_to: self.reply_with.clone(),
            trace: self.trace.clone(),
            ..Self::new(sender, self.answer_to(), performative, content)
        }
    }

    /// For whom an answer to it is.
    pub(crate) fn answer_to(&self) -> Recipient {
        // A sender whose name is none was refused when the envelope came in.
        Recipient::Agent(AgentId::unchecked(&self.sender))
    }

    /// Whether its sender waits for something to be said back.
    #[must_use]
    pub fn expects_answer(&self) -> bool {
        // An answer to that would be answered in turn, without end.
        let last_word = matches!(self.performative, Performative::NotUnderstood);
        !last_word && (self.performative.expects_answer() || self.reply_with.is_some())
    }

    /// The answer of one that does not know what to do with it; nothing when none is expected.
    #[must_use]
    pub fn not_understood(&self, why: &str) -> Option<Self> {
        let say = || self.answer(Performative::NotUnderstood, Payload::text(why));
        self.expects_answer().then(say)
    }

    /// Gives it a name and a time, unless it has them. `random` is drawn from for the name, which
    /// is a UUIDv7 (RFC 9562).
    pub fn stamp(&mut self, now_us: i64, random: u64) {
        if self.sent_at_us == 0 {
            self.sent_at_us = now_us;
        }
        if self.id.is_nil() {
            let millis = u64::try_from(now_us / 1_000).unwrap_or(0);
            let mut bits = [0; 10];
            bits[2..].copy_from_slice(&random.to_be_bytes());
            bits[..2].copy_from_slice(&random.rotate_left(24).to_be_bytes()[..2]);
            self.id = uuid::Builder::from_unix_timestamp_millis(millis, &bits).into_uuid();
        }
    }
}

/// For whom an envelope is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

impl Performative {
    /// Whether whoever says it waits for something to be said back (FIPA SC00037).
    #[must_use]
    pub const fn expects_answer(self) -> bool {
        matches!(
            self,
            Self::Cfp
                | Self::Propagate
                | Self::Propose
                | Self::Proxy
                | Self::QueryIf
                | Self::QueryRef
                | Self::Request
                | Self::RequestWhen
                | Self::RequestWhenever
                | Self::Subscribe
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question() -> Envelope {
        let recipient = Recipient::Agent(AgentId::new("worker").unwrap());
        let mut asked =
            Envelope::new("ballot", recipient, Performative::QueryRef, Payload::empty())
                .protocol("ballot")
                .conversation(Uuid::from_u128(7));
        asked.reply_with = Some("1".into());
        asked
    }

    #[test]
    fn an_answer_goes_back_to_the_sender_in_the_same_conversation() {
        let answer = question().answer(Performative::Inform, Payload::text("yes"));
        assert_eq!(answer.recipient, Recipient::Agent(AgentId::new("ballot").unwrap()));
        assert_eq!((answer.sender.as_str(), answer.protocol.as_str()), ("worker", "ballot"));
        assert_eq!(answer.conversation, Some(Uuid::from_u128(7)));
        assert_eq!(answer.in_reply_to.as_deref(), Some("1"));
    }

    #[test]
    fn not_understood_answers_questions_alone_and_never_itself() {
        let said = question().not_understood("what?").unwrap();
        assert_eq!(said.performative, Performative::NotUnderstood);
        assert_eq!(said.not_understood("what?"), None);
        let told = Envelope { performative: Performative::Inform, reply_with: None, ..question() };
        assert_eq!(told.not_understood("what?"), None);
    }

    #[test]
    fn a_stamp_names_an_envelope_once() {
        let mut envelope = question();
        envelope.stamp(1_700_000_000_000_000, 42);
        let first = envelope.clone();
        assert_eq!(first.id.get_version_num(), 7);
        envelope.stamp(1_800_000_000_000_000, 43);
        assert_eq!(envelope, first);
    }
}
