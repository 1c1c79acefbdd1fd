//! Why an agent could not do its work.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::named::named;
use crate::payload::PayloadError;

named! {
    /// The kinds of failure; the kind alone decides whether another attempt makes sense.
    pub enum AgentErrorKind {
        /// The input is not what the capability takes. Another attempt would fail alike.
        InvalidInput = "invalid_input",
        /// The agent takes no work at the moment: at capacity, paused, draining, starting, gone.
        /// Nothing was executed.
        Unavailable = "unavailable",
        /// The agent, or what it calls, asks for fewer requests. Nothing was executed.
        RateLimited = "rate_limited",
        /// The deadline passed; the work was told to stop and then dropped.
        Timeout = "timeout",
        /// It was cancelled on request.
        Cancelled = "cancelled",
        /// The agent will not do this, now or later: policy, an unknown capability, or delivery
        /// given up for good.
        Refused = "refused",
        /// It was tried and went wrong.
        Failed = "failed",
        /// The execution was lost: crash, broken connection, child process gone. Nobody knows
        /// how far it came.
        Lost = "lost",
        /// What no attempt can mend: the work that this belongs to must stop.
        Critical = "critical_error",
    }
}

/// What went wrong, for machines (`kind`) and for people (`message`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct AgentError {
    /// What kind of failure it is.
    pub kind: AgentErrorKind,
    /// One sentence for people; at most [`AgentError::MAX_MESSAGE`] bytes.
    pub message: String,
    /// The earliest moment another attempt makes sense, counted from now, in milliseconds.
    pub retry_after_ms: Option<u64>,
}

impl AgentError {
    /// Longest message in bytes; what is longer is cut.
    pub const MAX_MESSAGE: usize = 2_048;

    /// An error of the given kind.
    #[must_use]
    pub fn new(kind: AgentErrorKind, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > Self::MAX_MESSAGE {
            message.truncate(message.floor_char_boundary(Self::MAX_MESSAGE - 3));
            message.push('…');
        }
        Self { kind, message, retry_after_ms: None }
    }

    /// Adds the earliest moment for another attempt.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after_ms = Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// The input is not what the capability takes.
    #[must_use]
    pub fn invalid_input(message: impl Into<String>) -> Self {
        Self::new(AgentErrorKind::InvalidInput, message)
    }

    /// The agent takes no work at the moment.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(AgentErrorKind::Unavailable, message)
    }

    /// The agent, or what it calls, asks for fewer requests.
    #[must_use]
    pub fn rate_limited(message: impl Into<String>) -> Self {
        Self::new(AgentErrorKind::RateLimited, message)
    }

    /// The deadline passed.
    #[must_use]
    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new(AgentErrorKind::Timeout, message)
    }

    /// It was cancelled on request.
    #[must_use]
    pub fn cancelled(message: impl Into<String>) -> Self {
        Self::new(AgentErrorKind::Cancelled, message)
    }

    /// The agent will not do this.
    #[must_use]
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(AgentErrorKind::Refused, message)
    }

    /// It was tried and went wrong.
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(AgentErrorKind::Failed, message)
    }

    /// The execution was lost.
    #[must_use]
    pub fn lost(message: impl Into<String>) -> Self {
        Self::new(AgentErrorKind::Lost, message)
    }

    /// What no attempt can mend; the work must stop.
    #[must_use]
    pub fn critical(message: impl Into<String>) -> Self {
        Self::new(AgentErrorKind::Critical, message)
    }

    /// Whether another attempt, here or at another agent, may succeed.
    #[must_use]
    pub fn retryable(&self) -> bool {
        use AgentErrorKind::{Failed, Lost, RateLimited, Timeout, Unavailable};
        matches!(self.kind, Unavailable | RateLimited | Timeout | Failed | Lost)
    }
}

impl From<PayloadError> for AgentError {
    /// A payload that can't be read is bad input.
    fn from(error: PayloadError) -> Self {
        Self::invalid_input(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_that_may_pass_are_tried_again() {
        let again: Vec<_> = AgentErrorKind::ALL
            .iter()
            .filter(|kind| AgentError::new(**kind, "").retryable())
            .map(|kind| kind.as_str())
            .collect();
        assert_eq!(again, ["unavailable", "rate_limited", "timeout", "failed", "lost"]);
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let error = AgentError::failed("ä".repeat(5_000));
        assert!(error.message.len() <= AgentError::MAX_MESSAGE);
        assert!(error.message.ends_with('…'));
    }
}
