//! What shared state could not do, and what state was left.

use super::document::EditRefusal;

/// Why a write was refused. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, thiserror::Error)]
pub enum SharedRefusal {
    /// The name of the document is none.
    #[error("document: '{found}' is no name, expected 1 to 64 of A-Z a-z 0-9 . _ : -")]
    Name {
        /// What was given, or the beginning of it.
        found: String,
    },
    /// An edit can't be made.
    #[error(transparent)]
    Edit(#[from] EditRefusal),
    /// The write brings too much at once.
    #[error("edits: {found} bytes in one write, at most {limit} (`delta_bytes`)")]
    TooLarge {
        /// How much.
        found: usize,
        /// How much it may be.
        limit: usize,
    },
    /// There are as many documents as there may be.
    #[error("document: there are {limit} already, as many as there may be (`max_documents`)")]
    TooManyDocuments {
        /// How many there may be.
        limit: usize,
    },
    /// All documents together are as large as they may be.
    #[error("all documents have {limit} bytes, as many as they may (`max_total_bytes`)")]
    Full {
        /// How many they may have.
        limit: usize,
    },
}

/// Why a write was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SharedError {
    /// It is refused. Nothing has changed.
    #[error(transparent)]
    Refused(#[from] SharedRefusal),
    /// More writes wait for the journal than may. Nothing has changed; try again.
    #[error("{0} writes wait for the journal, as many as may")]
    Busy(usize),
    /// The journal did not take it. Nothing has changed.
    #[error("the write could not be made durable: {0}")]
    NotDurable(String),
    /// The journal may have it or not; reading tells.
    #[error("it is unknown whether the write was stored: {0}")]
    OutcomeUnknown(String),
}
