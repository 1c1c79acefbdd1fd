//! Messages that wait at the other end of a link for an answer. Pure.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::envelope::AnswerDocument;
use crate::error::AgentError;

/// The number of a message at a link, from 1.
pub(crate) type LetterNumber = u64;

/// What came of a message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum LetterOutcome {
    /// It was taken, and this was said back.
    Taken(Option<Box<AnswerDocument>>),
    /// The program has not said that it takes messages.
    NotSpoken,
    /// It was not taken, or nobody knows.
    Failed(AgentError),
}

/// The messages that are open, by what they are called at the other end.
#[derive(Debug, Default)]
pub(crate) struct Letters(BTreeMap<u64, (LetterNumber, Instant)>);

impl Letters {
    /// A message has been handed over and is waited for until then.
    pub(crate) fn open(&mut self, name: u64, letter: LetterNumber, until: Instant) {
        self.0.insert(name, (letter, until));
    }

    /// An answer came to what is called so; nothing when nobody waits for it any more.
    pub(crate) fn close(&mut self, name: u64) -> Option<LetterNumber> {
        self.0.remove(&name).map(|(letter, _)| letter)
    }

    /// Those whose time is over; they are not waited for any more.
    pub(crate) fn overdue(&mut self, now: Instant) -> Vec<LetterNumber> {
        let over: Vec<u64> =
            self.0.iter().filter(|(_, (_, until))| *until <= now).map(|(name, _)| *name).collect();
        over.into_iter().filter_map(|name| self.close(name)).collect()
    }

    /// All of them; none is waited for any more.
    pub(crate) fn take_all(&mut self) -> Vec<LetterNumber> {
        std::mem::take(&mut self.0).into_values().map(|(letter, _)| letter).collect()
    }

    /// Whether none is waited for.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When the first is over.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        self.0.values().map(|(_, until)| *until).min()
    }
}

/// The error of a message that nobody answered in its time.
pub(crate) fn unanswered() -> LetterOutcome {
    LetterOutcome::Failed(AgentError::timeout("the agent did not answer the message in time"))
}
