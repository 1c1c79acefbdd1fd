//! Envelopes as JSON, as programs at the other end of a pipe or a socket see them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Envelope, Performative, Recipient};
use crate::payload::{Payload, PayloadDocument, PayloadError};

/// An envelope inside a JSON document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvelopeDocument {
    /// Its name; the same when it is sent again. The node gives it one when it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    pub id: Option<Uuid>,
    /// Who sends it: an agent, or whoever speaks for a protocol.
    pub sender: String,
    /// For whom it is: `{"agent": "worker"}`, `{"capability": {"name": "text.count",
    /// "reach": "any"}}` (any, all or best), `{"topic": "a/b"}` or `"everyone"`.
    #[schema(value_type = Value)]
    pub recipient: Recipient,
    /// What is done by saying it (FIPA SC00037).
    pub performative: Performative,
    /// The protocol it belongs to, such as `fipa-contract-net`; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub protocol: String,
    /// The conversation it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    pub conversation: Option<Uuid>,
    /// What an answer is to name in `in_reply_to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_with: Option<String>,
    /// What it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<String>,
    /// Until when an answer is of use (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime)]
    pub reply_by: Option<Timestamp>,
    /// When it was sent (UTC); filled in by the node when it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime)]
    pub sent_at: Option<Timestamp>,
    /// W3C trace context.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub traceparent: String,
    /// Its content.
    #[serde(default = "nothing")]
    pub content: PayloadDocument,
}

fn nothing() -> PayloadDocument {
    PayloadDocument::from(&Payload::empty())
}

impl From<&Envelope> for EnvelopeDocument {
    fn from(envelope: &Envelope) -> Self {
        let time = |at: i64| Timestamp::from_microsecond(at).ok();
        Self {
            id: (!envelope.id.is_nil()).then_some(envelope.id),
            sender: envelope.sender.clone(),
            recipient: envelope.recipient.clone(),
            performative: envelope.performative,
            protocol: envelope.protocol.clone(),
            conversation: envelope.conversation,
            reply_with: envelope.reply_with.clone(),
            in_reply_to: envelope.in_reply_to.clone(),
            reply_by: envelope.reply_by_us.and_then(time),
            sent_at: Some(envelope.sent_at_us).filter(|at| *at != 0).and_then(time),
            traceparent: envelope.trace.clone(),
            content: PayloadDocument::from(&envelope.content),
        }
    }
}

impl TryFrom<EnvelopeDocument> for Envelope {
    type Error = PayloadError;

    fn try_from(document: EnvelopeDocument) -> Result<Self, PayloadError> {
        Ok(Self {
            id: document.id.unwrap_or_default(),
            sender: document.sender,
            recipient: document.recipient,
            performative: document.performative,
            protocol: document.protocol,
            conversation: document.conversation,
            reply_with: document.reply_with,
            in_reply_to: document.in_reply_to,
            reply_by_us: document.reply_by.map(Timestamp::as_microsecond),
            sent_at_us: document.sent_at.map_or(0, Timestamp::as_microsecond),
            trace: document.traceparent,
            content: document.content.try_into()?,
        })
    }
}

/// A message, as a program gets it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReceiveOrder {
    /// The message.
    pub envelope: EnvelopeDocument,
    /// Milliseconds until an answer is of no more use, counted from now.
    pub reply_within_ms: u64,
}

/// What a program says back to a message: nothing, or one speech act. To whom, in which
/// conversation and as an answer to what the node knows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReceiveAnswer {
    /// What is said back; absent for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<AnswerDocument>,
}

/// One speech act that answers a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerDocument {
    /// What is done by saying it: `propose`, `refuse`, `inform`, ...
    pub performative: Performative,
    /// Its content.
    #[serde(default = "nothing")]
    pub content: PayloadDocument,
    /// What an answer to it is to name in `in_reply_to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_with: Option<String>,
}

impl AnswerDocument {
    /// The envelope that answers `question` so.
    ///
    /// # Errors
    /// The content is not what it says to be.
    pub fn to(self, question: &Envelope) -> Result<Envelope, PayloadError> {
        let mut answer = question.answer(self.performative, self.content.try_into()?);
        answer.reply_with = self.reply_with;
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Reach;

    #[test]
    fn a_document_gives_back_the_envelope_it_was_made_from() {
        let recipient = Recipient::Capability { name: "text.count".into(), reach: Reach::All };
        let content = Payload::json(&serde_json::json!({"price": 3})).unwrap();
        let mut envelope = Envelope::new("a", recipient, Performative::Cfp, content)
            .protocol("fipa-contract-net")
            .conversation(Uuid::from_u128(9));
        envelope.stamp(1_700_000_000_000_000, 1);
        envelope.reply_by_us = Some(1_700_000_001_000_000);
        let text = serde_json::to_string(&EnvelopeDocument::from(&envelope)).unwrap();
        let document: EnvelopeDocument = serde_json::from_str(&text).unwrap();
        assert_eq!(Envelope::try_from(document).unwrap(), envelope);
    }

    #[test]
    fn a_short_document_is_enough() {
        let text = r#"{"sender":"a","recipient":"everyone","performative":"inform"}"#;
        let document: EnvelopeDocument = serde_json::from_str(text).unwrap();
        let envelope = Envelope::try_from(document).unwrap();
        assert_eq!(envelope.recipient, Recipient::Everyone);
        assert!(envelope.id.is_nil());
    }
}
