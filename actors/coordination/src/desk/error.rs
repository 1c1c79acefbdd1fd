//! What a desk could not do, and what state was left.

use crate::protocol::Refusal;

/// Why a conversation was not opened, or an input not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeskError {
    /// The protocol, or the desk, does not take it. Nothing has changed.
    #[error(transparent)]
    Refused(Refusal),
    /// There is no conversation of this id, or none any more. Nothing has changed.
    #[error("there is no conversation with this id")]
    Unknown,
    /// A limit of the desk is reached. Which, and how to go on. Nothing has changed.
    #[error("{0}")]
    Full(String),
    /// Nothing is taken now: the desk is draining, or the journal takes no appends. Nothing has
    /// changed; try again later.
    #[error("not accepting: {0}")]
    NotAccepting(String),
    /// The journal did not say whether it was stored. It may have been; who opens with a key may
    /// open again.
    #[error("the outcome is unknown: {0}")]
    OutcomeUnknown(String),
}

impl From<Refusal> for DeskError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
