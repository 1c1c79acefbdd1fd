//! Why a task or a part of it failed.

use synod_agents::{AgentError, AgentErrorKind};

use super::named::named;

named! {
    /// Why a task or a part of it failed.
    pub enum FailureKind {
        /// The input is not what the agent takes.
        InvalidInput = "invalid_input" / 0,
        /// No agent took it.
        Unavailable = "unavailable" / 1,
        /// The agent asked for fewer requests.
        RateLimited = "rate_limited" / 2,
        /// The agent took longer than it may.
        Timeout = "timeout" / 3,
        /// The agent was told to stop by somebody else.
        Cancelled = "cancelled" / 4,
        /// The agent, or a policy on the way to it, refused.
        Refused = "refused" / 5,
        /// The agent tried, and it went wrong.
        Failed = "failed" / 6,
        /// Executions were lost (crash, broken connection) more often than allowed.
        Lost = "lost" / 7,
        /// The task's deadline passed.
        DeadlinePassed = "deadline_passed" / 8,
        /// Too few voters took part.
        NoQuorum = "no_quorum" / 9,
        /// No choice got enough of the votes.
        NoMajority = "no_majority" / 10,
        /// Another attempt would cost more than the task's budget has left.
        OverBudget = "over_budget" / 11,
        /// The output is larger than a result may be.
        TooLarge = "too_large" / 12,
        /// No registered agent can do it. Of executions that their callers keep only.
        NoCapableAgent = "no_capable_agent" / 13,
        /// No agent had it in the time it may wait for one. Of executions that their callers keep
        /// only.
        StartTimeout = "start_timeout" / 14,
        /// The agent says that no attempt can mend it.
        Critical = "critical_error" / 15,
    }
}

impl FailureKind {
    /// Whether an execution that ended so was never begun, or at least has done nothing.
    pub(crate) fn is_undone(self) -> bool {
        matches!(self, Self::Unavailable | Self::RateLimited | Self::Cancelled)
    }

    /// Whether a part whose execution ended so is queued again at once, without having failed.
    pub(crate) fn sends_back(self) -> bool {
        self.is_undone() || self == Self::Lost
    }
}

impl From<AgentErrorKind> for FailureKind {
    fn from(kind: AgentErrorKind) -> Self {
        match kind {
            AgentErrorKind::InvalidInput => Self::InvalidInput,
            AgentErrorKind::Unavailable => Self::Unavailable,
            AgentErrorKind::RateLimited => Self::RateLimited,
            AgentErrorKind::Timeout => Self::Timeout,
            AgentErrorKind::Cancelled => Self::Cancelled,
            AgentErrorKind::Refused => Self::Refused,
            AgentErrorKind::Failed => Self::Failed,
            AgentErrorKind::Lost => Self::Lost,
            AgentErrorKind::Critical => Self::Critical,
        }
    }
}

/// A failure, for machines (`kind`) and for people (`message`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// One sentence for people.
    pub message: String,
}

impl Failure {
    pub(crate) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl From<AgentError> for Failure {
    fn from(error: AgentError) -> Self {
        Self { kind: error.kind.into(), message: error.message }
    }
}
