//! The messages that agents exchange beside those of a protocol: each a speech act with a name of
//! its own (`protocol` of the envelope) and a content of a known form.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use synod_agents::{
    AgentId, Envelope, Payload, PayloadDocument, PayloadError, Performative, Recipient,
};

/// What kind of message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageType {
    /// Who can do this?
    Discovery,
    /// I am here, and can do that.
    Registration,
    /// I am alive.
    Heartbeat,
    /// Do this.
    TaskRequest,
    /// This came of it.
    TaskResponse,
    /// Shall we do this?
    Proposal,
    /// This is my choice.
    Vote,
    /// These contradict each other.
    ConflictReport,
    /// Tell me what I have missed.
    SynchronisationRequest,
}

/// The envelope is of no known message type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a message type, expected synod.discovery, synod.registration, ...")]
pub struct UnknownMessageType(pub String);

/// The content of a message could not be read as what its type says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrongType {
    /// It is a message of another type.
    #[error("expected a message of type {expected}, got '{got}'")]
    Other {
        /// What was expected.
        expected: MessageType,
        /// The protocol that the envelope names.
        got: String,
    },
    /// Its content has another form.
    #[error(transparent)]
    Content(#[from] PayloadError),
}

impl MessageType {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Discovery,
        Self::Registration,
        Self::Heartbeat,
        Self::TaskRequest,
        Self::TaskResponse,
        Self::Proposal,
        Self::Vote,
        Self::ConflictReport,
        Self::SynchronisationRequest,
    ];

    /// What the envelope's `protocol` says.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Discovery => "synod.discovery",
            Self::Registration => "synod.registration",
            Self::Heartbeat => "synod.heartbeat",
            Self::TaskRequest => "synod.task-request",
            Self::TaskResponse => "synod.task-response",
            Self::Proposal => "synod.proposal",
            Self::Vote => "synod.vote",
            Self::ConflictReport => "synod.conflict-report",
            Self::SynchronisationRequest => "synod.synchronisation-request",
        }
    }

    /// What is done by saying it (FIPA SC00037).
    #[must_use]
    pub const fn performative(self) -> Performative {
        match self {
            Self::Discovery => Performative::QueryRef,
            Self::TaskRequest | Self::SynchronisationRequest => Performative::Request,
            Self::Proposal => Performative::Propose,
            Self::Registration
            | Self::Heartbeat
            | Self::TaskResponse
            | Self::Vote
            | Self::ConflictReport => Performative::Inform,
        }
    }

    /// The type of an envelope.
    ///
    /// # Errors
    /// [`UnknownMessageType`] when it is none of these.
    pub fn of(envelope: &Envelope) -> Result<Self, UnknownMessageType> {
        let named = |kind: &Self| kind.as_str() == envelope.protocol;
        let found = Self::ALL.into_iter().find(named);
        found.ok_or_else(|| UnknownMessageType(envelope.protocol.clone()))
    }

    /// An envelope of this type.
    ///
    /// # Errors
    /// The content has no form in JSON.
    pub fn envelope<T: Serialize>(
        self,
        sender: &AgentId,
        recipient: Recipient,
        content: &T,
    ) -> Result<Envelope, PayloadError> {
        let content = Payload::json(content)?;
        let envelope = Envelope::new(sender.as_str(), recipient, self.performative(), content);
        Ok(envelope.protocol(self.as_str()))
    }

    /// The content of an envelope of this type.
    ///
    /// # Errors
    /// [`WrongType`] says what was expected.
    pub fn read<T: DeserializeOwned>(self, envelope: &Envelope) -> Result<T, WrongType> {
        if envelope.protocol != self.as_str() {
            return Err(WrongType::Other { expected: self, got: envelope.protocol.clone() });
        }
        Ok(envelope.content.to_json()?)
    }
}

impl std::fmt::Display for MessageType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Gives a content the constructor and the reader of its message type.
macro_rules! content {
    ($content:ty, $kind:ident) => {
        impl $content {
            /// The envelope that carries it.
            ///
            /// # Errors
            /// It has no form in JSON.
            pub fn to(
                &self,
                sender: &AgentId,
                recipient: Recipient,
            ) -> Result<Envelope, PayloadError> {
                MessageType::$kind.envelope(sender, recipient, self)
            }

            /// What an envelope carries.
            ///
            /// # Errors
            /// [`WrongType`] says what was expected.
            pub fn read(envelope: &Envelope) -> Result<Self, WrongType> {
                MessageType::$kind.read(envelope)
            }
        }
    };
}

/// Asks who can do something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discovery {
    /// What.
    pub capability: String,
}
content!(Discovery, Discovery);

/// Says what an agent can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// What.
    pub capabilities: Vec<String>,
    /// Which conversation protocols it speaks.
    pub protocols: Vec<String>,
}
content!(Registration, Registration);

/// Says that an agent is alive, and how busy it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Presence {
    /// Pieces of work in hand.
    pub in_hand: u32,
    /// How many it takes at most.
    pub capacity: u32,
}
content!(Presence, Heartbeat);

/// Asks for something to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskRequest {
    /// The kind of task.
    pub kind: String,
    /// Its input.
    pub input: PayloadDocument,
}
content!(TaskRequest, TaskRequest);

/// Says what came of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskResponse {
    /// Its output.
    pub output: PayloadDocument,
}
content!(TaskResponse, TaskResponse);

/// Says what an agent chooses, in answer to a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// The option.
    pub choice: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
}
content!(Vote, Vote);

/// Says that things contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictReport {
    /// What it is about.
    pub subject: String,
    /// Who is involved.
    pub parties: Vec<String>,
    /// What contradicts what, for people.
    pub description: String,
}
content!(ConflictReport, ConflictReport);

/// Asks for what one has missed of a shared state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SynchronisationRequest {
    /// Which state.
    pub state: String,
    /// The version that one has.
    pub version: u64,
}
content!(SynchronisationRequest, SynchronisationRequest);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_message_is_read_as_what_it_was_written() {
        let me = AgentId::new("me").unwrap();
        let asked = Discovery { capability: "text.count".into() };
        let envelope = asked.to(&me, Recipient::Everyone).unwrap();
        assert_eq!(envelope.check(), Ok(()));
        assert_eq!(envelope.performative, Performative::QueryRef);
        assert_eq!(MessageType::of(&envelope), Ok(MessageType::Discovery));
        assert_eq!(Discovery::read(&envelope), Ok(asked));
        let error = Vote::read(&envelope).unwrap_err();
        assert!(matches!(error, WrongType::Other { expected: MessageType::Vote, .. }), "{error}");
    }

    #[test]
    fn every_type_has_a_name_of_its_own_that_an_envelope_can_carry() {
        let me = AgentId::new("me").unwrap();
        for kind in MessageType::ALL {
            let envelope = kind.envelope(&me, Recipient::Everyone, &()).unwrap();
            assert_eq!(envelope.check(), Ok(()), "{kind}");
            assert_eq!(MessageType::of(&envelope), Ok(kind));
        }
        let other = Envelope::new("a", Recipient::Everyone, Performative::Inform, Payload::empty());
        assert_eq!(MessageType::of(&other), Err(UnknownMessageType(String::new())));
    }
}
