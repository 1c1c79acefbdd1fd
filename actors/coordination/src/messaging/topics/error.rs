//! Why topics refuse.

/// Something was refused; nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// A value is not what is expected.
    #[error("{field}: {reason}")]
    Invalid {
        /// Which.
        field: &'static str,
        /// What it is and what was expected.
        reason: String,
    },
    /// There is no durable subscription of this name.
    #[error("no durable subscription '{0}'")]
    Unknown(String),
    /// It contradicts what is there.
    #[error("{0}")]
    Conflict(String),
    /// A limit is reached. Which, and how to go on.
    #[error("{0}")]
    Full(String),
    /// The journal did not take it, or it is unknown whether it did.
    #[error("not at the moment: {0}")]
    Unavailable(String),
}

impl TopicError {
    pub(super) fn invalid(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Invalid { field, reason: reason.into() }
    }
}
