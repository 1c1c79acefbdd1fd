//! Why a desk took something not, as problems.

use std::time::Duration;

use synod_coordination::Refusal;
use synod_coordination::desk::DeskError;

use crate::api::problem::{Problem, ProblemType};

/// The problem of what a desk did not take.
pub(super) fn refused(why: DeskError) -> Problem {
    let detail = why.to_string();
    let new = |kind| Problem::new(kind, detail.clone());
    match why {
        DeskError::Refused(refusal) => of_protocol(refusal),
        DeskError::Unknown => new(ProblemType::NotFound)
            .next("GET /api/v1/coordination/{protocol} lists those that are kept"),
        DeskError::Full(_) => new(ProblemType::LimitReached)
            .retry_after(Duration::from_secs(1))
            .next("try again later, or raise the limit in the section `coordination`"),
        DeskError::NotAccepting(_) => {
            new(ProblemType::Unavailable).retry_after(Duration::from_secs(1)).untouched()
        }
        DeskError::OutcomeUnknown(_) => new(ProblemType::Unavailable)
            .retry_after(Duration::from_secs(1))
            .next("it may have been taken; look before it is sent again, or open with a key"),
    }
}

/// What the protocol itself says.
pub(super) fn of_protocol(refusal: Refusal) -> Problem {
    let detail = refusal.to_string();
    let new = |kind| Problem::new(kind, detail.clone());
    match refusal {
        Refusal::Invalid { field, .. } => new(ProblemType::InvalidField).field(field),
        Refusal::NotAllowed(_) => new(ProblemType::NotAllowed),
        Refusal::TooLate(_) | Refusal::Conflict(_) => new(ProblemType::Conflict),
        Refusal::Full(_) => {
            new(ProblemType::LimitReached).next("send less, or open another conversation")
        }
    }
}
