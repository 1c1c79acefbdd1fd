//! The published list of error kinds, and what can be done about each.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::on_error::ErrorHandler;

/// Declares the kinds once: the enum, its names, and the table of handlers with a key for each.
macro_rules! error_kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident = $name:ident,)+) => {
        /// Why a step failed.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
            JsonSchema,
        )]
        #[serde(rename_all = "snake_case")]
        #[repr(u8)]
        pub enum ErrorKind {
            $($(#[doc = $doc])+ $kind,)+
        }

        impl ErrorKind {
            /// Every kind, in the order of the published list.
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            /// The name, as in definitions and histories.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => stringify!($name),)+
                }
            }
        }

        /// What is done about a failure, by its kind; `any` for the kinds that have no entry.
        ///
        /// A handler says what happens when the step has failed, so after the attempts that the
        /// step's `retry` allows.
        #[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct ErrorHandlers {
            $($(#[doc = $doc])+
            #[serde(skip_serializing_if = "Option::is_none")]
            pub $name: Option<ErrorHandler>,)+
            /// Every kind that has no entry of its own.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub any: Option<ErrorHandler>,
        }

        impl ErrorHandlers {
            /// The entry of exactly this kind.
            #[must_use]
            pub fn of(&self, kind: ErrorKind) -> Option<&ErrorHandler> {
                match kind {
                    $(ErrorKind::$kind => self.$name.as_ref(),)+
                }
            }

            /// Sets the entry of a kind.
            pub fn set(&mut self, kind: ErrorKind, handler: ErrorHandler) {
                match kind {
                    $(ErrorKind::$kind => self.$name = Some(handler),)+
                }
            }
        }
    };
}

error_kinds! {
    /// The input or the output does not fit what was declared.
    ValidationError = validation_error,
    /// It did not start, end or give a sign of life in time.
    Timeout = timeout,
    /// The agent, or what it depends on, can't be reached now.
    Unavailable = unavailable,
    /// The agent was asked too often.
    RateLimited = rate_limited,
    /// The agent, or a policy, declined.
    Refused = refused,
    /// The agent tried and did not succeed.
    Failed = failed,
    /// The execution was lost with its agent or its node, more often than is allowed.
    Lost = lost,
    /// It was cancelled from outside of the run.
    Cancelled = cancelled,
    /// No agent has what the step requires.
    NoCapableAgent = no_capable_agent,
    /// A value is larger than the limits allow.
    Oversize = oversize,
    /// An expression could not be evaluated, or would cost too much.
    ExpressionError = expression_error,
    /// The step or the run used up its budget.
    BudgetExceeded = budget_exceeded,
    /// An approval was rejected.
    ApprovalRejected = approval_rejected,
    /// Nobody decided about an approval in time.
    ApprovalExpired = approval_expired,
    /// A workflow that the step started did not complete.
    ChildFailed = child_failed,
    /// The agent says that nothing must go on; never retried.
    CriticalError = critical_error,
}

impl ErrorKind {
    /// Whether a `retry` without `retry_on` tries again after it.
    #[must_use]
    pub const fn retryable(self) -> bool {
        use ErrorKind::{Failed, Lost, NoCapableAgent, RateLimited, Timeout, Unavailable};
        matches!(self, Timeout | Unavailable | RateLimited | Failed | Lost | NoCapableAgent)
    }

    /// The kind of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ErrorHandlers {
    /// Whether there is no entry at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.any.is_none() && ErrorKind::ALL.iter().all(|kind| self.of(*kind).is_none())
    }

    /// The entry of this kind, or that of `any`.
    #[must_use]
    pub fn get(&self, kind: ErrorKind) -> Option<&ErrorHandler> {
        self.of(kind).or(self.any.as_ref())
    }
}

/// A set of error kinds.
#[derive(Default, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorKinds(u32);

impl ErrorKinds {
    /// The kinds that are retried unless a definition says otherwise.
    #[must_use]
    pub fn retryable() -> Self {
        ErrorKind::ALL.iter().copied().filter(|kind| kind.retryable()).collect()
    }

    /// Whether `kind` is in it.
    #[must_use]
    pub const fn contains(self, kind: ErrorKind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    /// The set with `kind` in it.
    #[must_use]
    pub const fn with(self, kind: ErrorKind) -> Self {
        Self(self.0 | (1 << kind as u8))
    }
}

impl FromIterator<ErrorKind> for ErrorKinds {
    fn from_iter<I: IntoIterator<Item = ErrorKind>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::default(), Self::with)
    }
}

impl fmt::Debug for ErrorKinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(ErrorKind::ALL.iter().filter(|kind| self.contains(**kind))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_reads_back_by_its_name() {
        for kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::named(kind.as_str()), Some(*kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert_eq!(ErrorKind::named("oops"), None);
    }

    #[test]
    fn a_critical_error_is_not_retryable() {
        let kinds = ErrorKinds::retryable();
        assert!(kinds.contains(ErrorKind::Timeout) && !kinds.contains(ErrorKind::CriticalError));
    }
}
