//! Why messages and publications were not taken, as problems.

use std::time::Duration;

use synod_coordination::messaging::router::RouteError;
use synod_coordination::messaging::topics::TopicError;

use crate::api::problem::{Problem, ProblemType};

const SOON: Duration = Duration::from_secs(1);

/// The problem of a message that went to nobody.
pub(super) fn unsent(why: RouteError) -> Problem {
    let detail = why.to_string();
    let new = |kind| Problem::new(kind, detail.clone());
    match why {
        RouteError::Invalid(fault) => invalid(fault.field, &fault.reason),
        RouteError::Topic(error) => untaken(error),
        RouteError::NoRecipient(_) => new(ProblemType::NotFound)
            .field("recipient")
            .next("GET /api/v1/agents lists who is there, and who can do what"),
        RouteError::TooMany { .. } => new(ProblemType::InvalidField).field("recipient"),
        RouteError::NotAParticipant { .. } => new(ProblemType::NotAllowed)
            .field("conversation")
            .next("open a conversation of your own: leave the field out, or name a new UUID"),
        RouteError::Busy(_) => new(ProblemType::LimitReached)
            .retry_after(SOON)
            .next("try again later, or raise messaging.max_under_way"),
        RouteError::Unavailable(_) => new(ProblemType::Unavailable).retry_after(SOON),
    }
}

/// The problem of what topics did not take.
pub(super) fn untaken(why: TopicError) -> Problem {
    let detail = why.to_string();
    let new = |kind| Problem::new(kind, detail.clone());
    match why {
        TopicError::Invalid { field, reason } => invalid(field, &reason),
        TopicError::Unknown(name) => unknown(&name),
        TopicError::Conflict(_) => new(ProblemType::Conflict),
        TopicError::Full(_) => new(ProblemType::LimitReached)
            .retry_after(SOON)
            .next("try again later, or raise the limit in the section `topics`"),
        TopicError::Unavailable(_) => new(ProblemType::Unavailable)
            .retry_after(SOON)
            .next("it may have been taken; look before it is sent again"),
    }
}

/// There is no such durable subscription.
pub(super) fn unknown(name: &str) -> Problem {
    let next = "GET /api/v1/coordination/subscriptions lists those that are kept";
    Problem::not_found("durable subscription", name, next)
}

/// A field that is not what was expected; the reason says what it is.
pub(super) fn invalid(field: &str, reason: &str) -> Problem {
    Problem::new(ProblemType::InvalidField, format!("`{field}`: {reason}")).field(field)
}
