//! What comes of an input, beside the answer.

use std::time::Duration;

use synod_agents::{AgentId, Payload, Performative};

/// What an input brought about. Nobody hears of it before the input is durable.
#[derive(Debug, Default)]
pub struct Effects {
    /// What was decided and what happened, in order.
    pub notes: Vec<Note>,
    /// What participants are sent.
    pub dispatches: Vec<Dispatch>,
}

/// One thing that happened in a conversation: kept in its history and told on the stream.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Note {
    /// What, in words of the protocol with a dot: `ballot.decided`, `lock.granted`.
    pub kind: String,
    /// By whom, or whom it concerns: an agent, a user, a lock; empty when nobody in particular.
    pub who: String,
    /// The particulars as a JSON document, or nothing.
    pub what: String,
    /// Why, for people.
    pub why: String,
}

/// Something to send to a participant that is an agent.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Dispatch {
    /// Its number in the conversation, from 1: the same when it is sent again.
    pub number: u64,
    /// To whom.
    pub to: AgentId,
    /// What kind of speech act.
    pub performative: Performative,
    /// Its content.
    pub content: Payload,
    /// How long an answer may take; none when none is expected. What expects none is handed over
    /// at least once, over restarts too, or given up with a note.
    pub reply_within: Option<Duration>,
}

impl Effects {
    /// Notes that something happened.
    pub fn note(
        &mut self,
        kind: &str,
        who: impl Into<String>,
        what: &impl serde::Serialize,
        why: impl Into<String>,
    ) {
        // What can't be shown as JSON (a map with keys that are no text) is left out.
        let what = serde_json::to_string(what).unwrap_or_default();
        self.notes.push(Note { kind: kind.to_owned(), who: who.into(), what, why: why.into() });
    }
}
