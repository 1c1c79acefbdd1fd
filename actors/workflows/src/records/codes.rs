//! The codes by which values of the trade are stored. A code is never used again for another.

use synod_runtime::Priority;

use super::RecordError;
use crate::definition::ErrorKind;
use crate::messages::RunState;
use crate::run::Derivation;

/// Declares both ways between values and their codes.
macro_rules! codes {
    ($to:ident, $from:ident, $type:ty, $what:literal { $($value:path = $code:literal,)+ }) => {
        pub(super) const fn $to(value: $type) -> u8 {
            match value { $($value => $code,)+ }
        }

        pub(super) fn $from(code: u8) -> Result<$type, RecordError> {
            match code {
                $($code => Ok($value),)+
                _ => Err(RecordError::UnknownValue { what: $what, found: code.to_string() }),
            }
        }
    };
}

codes!(state_code, state, RunState, "state" {
    RunState::Pending = 0,
    RunState::Running = 1,
    RunState::Waiting = 2,
    RunState::Paused = 3,
    RunState::Compensating = 4,
    RunState::Completed = 5,
    RunState::Failed = 6,
    RunState::Cancelled = 7,
});

codes!(priority_code, priority, Priority, "priority" {
    Priority::Critical = 0,
    Priority::High = 1,
    Priority::Normal = 2,
    Priority::Low = 3,
    Priority::Background = 4,
});

codes!(derivation_code, derivation, Derivation, "way of deriving a run" {
    Derivation::Retry = 0,
    Derivation::Fork = 1,
    Derivation::Rollback = 2,
});

codes!(error_code, error, ErrorKind, "kind of error" {
    ErrorKind::ValidationError = 0,
    ErrorKind::Timeout = 1,
    ErrorKind::Unavailable = 2,
    ErrorKind::RateLimited = 3,
    ErrorKind::Refused = 4,
    ErrorKind::Failed = 5,
    ErrorKind::Lost = 6,
    ErrorKind::Cancelled = 7,
    ErrorKind::NoCapableAgent = 8,
    ErrorKind::Oversize = 9,
    ErrorKind::ExpressionError = 10,
    ErrorKind::BudgetExceeded = 11,
    ErrorKind::ApprovalRejected = 12,
    ErrorKind::ApprovalExpired = 13,
    ErrorKind::ChildFailed = 14,
    ErrorKind::CriticalError = 15,
});
