//! Conversations as the API shows them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use synod_coordination::Moment;
use synod_coordination::desk::{DeskHealthResponse, HistoryPage, NumberedNote, Summary};
use utoipa::ToSchema;

/// The protocols of a node.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Protocols {
    /// How the desk of each is, in the order of their names.
    pub protocols: Vec<DeskHealthResponse>,
}

/// A conversation as it stands.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Conversation {
    /// The protocol it follows.
    pub protocol: String,
    /// What is the same for all protocols.
    #[serde(flatten)]
    pub summary: Summary,
    /// All that its protocol shows of it.
    #[schema(value_type = Value)]
    pub view: Value,
}

/// What came of telling a conversation something.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Told {
    /// The protocol's answer.
    #[schema(value_type = Value)]
    pub answer: Value,
}

/// Something that happened in a conversation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ConversationNote {
    /// Its place in the history, from 1, without gaps.
    pub number: u64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What: `ballot.decided`.
    pub kind: String,
    /// By whom, or whom it concerns.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub who: String,
    /// The particulars.
    #[schema(value_type = Value)]
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub what: Value,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

impl From<NumberedNote> for ConversationNote {
    fn from(numbered: NumberedNote) -> Self {
        let NumberedNote { number, at: Moment(micros), note } = numbered;
        Self {
            number,
            at: Timestamp::from_microsecond(micros).unwrap_or_default(),
            kind: note.kind,
            who: note.who,
            what: serde_json::from_str(&note.what).unwrap_or_default(),
            why: note.why,
        }
    }
}

/// Some of a conversation's history, in order.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ConversationHistory {
    /// What happened. Where the first has not the number that was asked for, those between are no
    /// longer kept.
    pub notes: Vec<ConversationNote>,
    /// The number of the last note that the conversation has had.
    pub last: u64,
    /// Whether it has ended.
    pub ended: bool,
}

impl From<HistoryPage> for ConversationHistory {
    fn from(page: HistoryPage) -> Self {
        let HistoryPage { notes, last, ended } = page;
        Self { notes: notes.into_iter().map(ConversationNote::from).collect(), last, ended }
    }
}
