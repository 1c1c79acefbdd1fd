//! The frames between the node and an agent that connected to it, one JSON document each.
//!
//! ```text
//! program → node                                     node → program
//! {"type":"register","card":{"id":"word-count",
//!   "version":"1.0.0","capabilities":["text.count"]}}
//!                                                    {"type":"registered","agent":"word-count",
//!                                                     "version":"1.0.0","heartbeat_ms":20000,
//!                                                     "ack_ms":5000}
//!                                                    {"type":"perform","delivery":1,
//!                                                     "order":{"work":"…/0/1@1","kind":"count",
//!                                                     "capability":"text.count",
//!                                                     "payload":{"text":"a b"},…}}
//! {"type":"accepted","work":"…/0/1@1"}
//! {"type":"progress","work":"…/0/1@1",
//!   "fraction":0.5,"note":"half"}
//! {"type":"result","work":"…/0/1@1",
//!   "payload":{"json":{"words":2}}}
//!                                                    {"type":"receive","letter":1,
//!                                                     "order":{"reply_within_ms":2000,
//!                                                     "envelope":{"performative":"cfp",…}}}
//! {"type":"answer","letter":1,"answer":{
//!   "performative":"propose",
//!   "content":{"json":{"price":3}}}}
//! ```
//!
//! `receive` is a message to the agent and comes beside its work, one at a time; it is sent once,
//! and only to programs whose card names `protocols`. For others the node answers not-understood.
//!
//! `accepted` must come within `ack_ms`, before the work is done: work that is not acknowledged is
//! delivered again, with the same `work` and the next `delivery`, so a program ignores an order it
//! has in hand. A result, or an error, acknowledges as well. What a program holds when its
//! connection drops goes back to the task engine at once; a result that comes later, over a new
//! connection, is ignored.
//!
//! A frame that can't be taken (not JSON, not of these shapes, over the limit of a message) fails
//! the work that it names, and that alone; the connection stays. One that names no work in hand is
//! answered by `error`, and so many of them in a row ([`MAX_STRAYS`](crate::MAX_STRAYS)) that
//! nothing sensible is to be expected any more close the connection; heartbeats end no such row.

use serde::{Deserialize, Serialize};

use crate::card::AgentCard;
use crate::envelope::{AnswerDocument, ReceiveOrder};
use crate::letters::{LetterNumber, LetterOutcome};
use crate::payload::PayloadDocument;
use crate::unfit::named_in;
use crate::usage::Usage;
use crate::wire::{WorkError, WorkOrder, WorkProgress, WorkResult};

/// From the program to the node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum FromAgent {
    /// The first frame: who the program is. Its kind is `websocket`, whatever the card says.
    Register {
        /// Its card.
        card: Box<AgentCard>,
    },
    /// The work is in hand.
    Accepted {
        /// Which work.
        work: String,
    },
    /// The work is done.
    Result {
        /// Which work.
        work: String,
        /// The output.
        payload: PayloadDocument,
        /// Any JSON to keep until the next work.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Value)]
        state: Option<serde_json::Value>,
        /// What the work used up.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usage: Option<Usage>,
    },
    /// The work could not be done.
    Error {
        /// Which work.
        work: String,
        /// Why.
        error: WorkError,
    },
    /// How far the work is.
    Progress {
        /// Which work.
        work: String,
        /// Done so far, 0 to 1.
        fraction: f32,
        /// In words.
        #[serde(default)]
        note: String,
    },
    /// What is said back to a message, or nothing; or why it could not be read.
    Answer {
        /// Which message.
        letter: u64,
        /// What is said back; absent for nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answer: Option<Box<AnswerDocument>>,
        /// Why the message could not be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<WorkError>,
    },
    /// A sign of life, needed when nothing else was sent for `heartbeat_ms`.
    Heartbeat,
    /// The program will not come back: retire it.
    Leave,
}

/// The connection has done what it was for (RFC 6455, section 7.4.1).
pub(super) const NORMAL: u16 = 1_000;
/// The program broke a rule.
pub(super) const POLICY: u16 = 1_008;

impl FromAgent {
    /// The work that a frame names, as far as it can be read: for frames that can't be taken.
    #[must_use]
    pub fn work_named_in(text: &str) -> Option<String> {
        named_in(text.as_bytes(), "work")
    }

    /// What a frame comes to, once the program is registered.
    pub(super) fn heard(self) -> Heard {
        match self {
            Self::Accepted { work } => Heard::Of(work, Said::Accepted),
            Self::Result { work, payload, state, usage } => {
                Heard::Of(work, Said::Done(WorkResult { payload, state, usage }))
            }
            Self::Error { work, error } => Heard::Of(work, Said::Failed(error)),
            Self::Progress { work, fraction, note } => {
                Heard::Of(work, Said::Progress(WorkProgress { fraction, note }))
            }
            Self::Answer { letter, answer, error } => {
                let taken = LetterOutcome::Taken(answer);
                let outcome = error.map_or(taken, |error| LetterOutcome::Failed(error.into()));
                Heard::To(letter, outcome)
            }
            Self::Leave => Heard::Leave,
            Self::Register { .. } => Heard::Misplaced(
                "`register` is the first frame of a connection and came again, expected the frames \
                 of work: connect anew to register another card",
            ),
            Self::Heartbeat => Heard::Alive,
        }
    }
}

/// What a frame comes to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Heard {
    /// Something about one work.
    Of(String, Said),
    /// What is said to one message.
    To(LetterNumber, LetterOutcome),
    /// The program will not come back.
    Leave,
    /// What has no place here, and why.
    Misplaced(&'static str),
    /// A sign of life and nothing more.
    Alive,
}

/// What a program says of one work.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    Accepted,
    Done(WorkResult),
    Failed(WorkError),
    Progress(WorkProgress),
}

/// From the node to the program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToAgent {
    /// The program is known now and will be given work.
    Registered {
        /// Its id.
        agent: String,
        /// Its version.
        version: String,
        /// Longest silence the node expects, in milliseconds; three times as much closes the
        /// connection.
        heartbeat_ms: u64,
        /// Time to acknowledge work, in milliseconds.
        ack_ms: u64,
    },
    /// The program is not known; the connection is closed after this frame.
    Rejected {
        /// Why.
        reason: String,
    },
    /// Do this.
    Perform {
        /// Which delivery of this work it is, from 1.
        delivery: u32,
        /// The work.
        order: Box<WorkOrder>,
    },
    /// Read this message, beside what work is in hand. Only programs whose card names the
    /// `protocols` they speak get any.
    Receive {
        /// Which message; the answer names it.
        letter: u64,
        /// The message, and how long an answer is of use.
        order: Box<ReceiveOrder>,
    },
    /// Stop this work; what comes of it is ignored after the grace time.
    Cancel {
        /// Which work.
        work: String,
        /// Time until it is ignored, in milliseconds.
        grace_ms: u64,
    },
    /// A frame could not be taken.
    Error {
        /// The work that it named, which has failed for it and is not waited for any more; absent
        /// when it named none that is in hand.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        work: Option<String>,
        /// What was wrong, where, and what was expected.
        message: String,
    },
    /// The connection is closed after this frame.
    Closing {
        /// The code it is closed with (RFC 6455, section 7.4.1).
        code: u16,
        /// Why: replaced by a newer connection, silent for too long, retired, the node stops.
        reason: String,
    },
}
