//! Why something was not taken.

use serde::Serialize;

/// An input that was not taken. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
pub enum Refusal {
    /// A value is not one that is expected: bad from the start, whatever the conversation.
    #[error("{field}: {reason}")]
    Invalid {
        /// Where, as a path: `options[2].name`.
        field: String,
        /// What it is and what was expected.
        reason: String,
    },
    /// Whoever asks may not.
    #[error("{0}")]
    NotAllowed(String),
    /// The conversation is no longer, or not yet, where this can be taken.
    #[error("{0}")]
    TooLate(String),
    /// It contradicts what was taken before: a second vote, a lock that another holds.
    #[error("{0}")]
    Conflict(String),
    /// A limit is reached. Which, and how to go on.
    #[error("{0}")]
    Full(String),
}

impl Refusal {
    /// A value at `field` that is not one that is expected.
    #[must_use]
    pub fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), reason: reason.into() }
    }
}
