//! What an envelope must satisfy before it is sent on.

use super::{Envelope, Recipient};
use crate::id::is_identifier;

/// Most bytes of the content of an envelope.
pub const MAX_CONTENT_BYTES: usize = 1 << 20;

const MAX_SENDER: usize = 64;
const MAX_NAME: usize = 128;
const MAX_TOPIC: usize = 1_024;
const MAX_REFERENCE: usize = 256;

/// What is wrong with an envelope; it goes nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct EnvelopeFault {
    /// Which field of the envelope.
    pub field: &'static str,
    /// What it is and what was expected.
    pub reason: String,
}

fn fault(field: &'static str, reason: impl Into<String>) -> Result<(), EnvelopeFault> {
    Err(EnvelopeFault { field, reason: reason.into() })
}

/// A short piece of what was given, as it may be shown.
fn shown(text: &str) -> String {
    text.chars().take(60).collect::<String>().escape_debug().to_string()
}

fn identifier(field: &'static str, text: &str, most: usize) -> Result<(), EnvelopeFault> {
    if is_identifier(text, most) {
        return Ok(());
    }
    let got = shown(text);
    let expected = "of a-z, 0-9, '.', '_' and '-', a letter or digit first";
    fault(field, format!("'{got}' is not 1 to {most} {expected}"))
}

fn bounded(field: &'static str, text: &str, most: usize) -> Result<(), EnvelopeFault> {
    if text.len() > most {
        return fault(field, format!("{} bytes, expected at most {most}", text.len()));
    }
    if text.chars().any(char::is_control) {
        let got = shown(text);
        return fault(field, format!("'{got}' has control characters, expected none"));
    }
    Ok(())
}

impl Envelope {
    /// Checks every field; whether the recipient exists is for others to say.
    ///
    /// # Errors
    /// The first field that is not what is expected.
    pub fn check(&self) -> Result<(), EnvelopeFault> {
        identifier("sender", &self.sender, MAX_SENDER)?;
        match &self.recipient {
            Recipient::Agent(agent) => identifier("recipient", agent.as_str(), MAX_SENDER)?,
            Recipient::Capability { name, .. } => identifier("recipient", name, MAX_NAME)?,
            Recipient::Topic(topic) => bounded("recipient", topic, MAX_TOPIC)?,
            Recipient::Everyone => {}
        }
        if !self.protocol.is_empty() {
            identifier("protocol", &self.protocol, MAX_NAME)?;
        }
        for (field, reference) in
            [("reply_with", &self.reply_with), ("in_reply_to", &self.in_reply_to)]
        {
            bounded(field, reference.as_deref().unwrap_or_default(), MAX_REFERENCE)?;
        }
        bounded("trace", &self.trace, MAX_REFERENCE)?;
        bounded("content", &self.content.content_type, MAX_REFERENCE)?;
        let size = self.content.bytes.len();
        if size > MAX_CONTENT_BYTES {
            let reason = format!("{size} bytes, expected at most {MAX_CONTENT_BYTES}");
            return fault("content", reason);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::{Performative, Reach};
    use crate::payload::Payload;

    fn envelope() -> Envelope {
        Envelope::new("a", Recipient::Everyone, Performative::Inform, Payload::text("x"))
    }

    fn field(envelope: &Envelope) -> Option<&'static str> {
        envelope.check().err().map(|fault| fault.field)
    }

    #[test]
    fn each_field_that_is_not_what_is_expected_is_named() {
        assert_eq!(field(&envelope()), None);
        assert_eq!(field(&Envelope { sender: "A b".into(), ..envelope() }), Some("sender"));
        let recipient = Recipient::Capability { name: String::new(), reach: Reach::Any };
        assert_eq!(field(&Envelope { recipient, ..envelope() }), Some("recipient"));
        let recipient = Recipient::Topic("a\nb".into());
        assert_eq!(field(&Envelope { recipient, ..envelope() }), Some("recipient"));
        assert_eq!(field(&Envelope { protocol: "no way".into(), ..envelope() }), Some("protocol"));
        let reply_with = Some("x".repeat(257));
        assert_eq!(field(&Envelope { reply_with, ..envelope() }), Some("reply_with"));
        let content = Payload::text("x".repeat(MAX_CONTENT_BYTES + 1));
        assert_eq!(field(&Envelope { content, ..envelope() }), Some("content"));
    }
}
