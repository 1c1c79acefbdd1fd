//! What the workflow engine refuses, as problems.

use std::time::Duration;

use synod_workflows::definition::Fault;
use synod_workflows::{ControlError, DecideError, DefineError, DefinitionFault, RunId, StartError};

use super::{RUNS, no_run};
use crate::api::problem::{Problem, ProblemType};

const AGAIN: Duration = Duration::from_secs(1);

/// A definition with faults. Lines and columns count in the definition's own text.
pub(in crate::api) fn faulty(
    detail: String,
    faults: impl IntoIterator<Item = DefinitionFault>,
) -> Problem {
    Problem::new(ProblemType::InvalidDefinition, detail).errors(faults)
}

/// A fault as it is told.
pub(in crate::api) fn placed(fault: Fault) -> DefinitionFault {
    let Fault { path, line, column, message, suggestion, .. } = fault;
    DefinitionFault { path, line, column, message, suggestion }
}

fn unavailable(detail: String) -> Problem {
    Problem::new(ProblemType::Unavailable, detail)
        .retry_after(AGAIN)
        .next("GET /readyz says when changes are accepted again; repeat with an idempotency key")
}

/// Why a run was not started.
pub(super) fn start(why: StartError) -> Problem {
    let detail = why.to_string();
    let new = |kind| Problem::new(kind, detail.clone());
    match why {
        StartError::Faulty { faults } => faulty(detail, faults),
        StartError::InvalidInput { reasons } => new(ProblemType::InvalidField)
            .field("input")
            .expected("what `inputs` of the definition describes", reasons.join("; "))
            .next("give what `inputs` of the definition asks for"),
        StartError::Invalid { field, expected, got } => Problem::invalid(field, expected, got),
        StartError::UnknownDefinition { name, .. } => new(ProblemType::NotFound)
            .field("workflow")
            .expected("a definition that the node keeps", format!("{name:?}"))
            .next("GET /api/v1/workflows/definitions lists them"),
        StartError::UnknownRun => {
            new(ProblemType::NotFound).next("GET /api/v1/workflows lists those that are kept")
        }
        StartError::NotRetryable { .. } => {
            new(ProblemType::Conflict).next("wait for its end, or start a new run")
        }
        StartError::TooManyRuns { retry_after_s } => {
            new(ProblemType::LimitReached).retry_after(Duration::from_secs(retry_after_s))
        }
        StartError::IdempotencyConflict { existing } => new(ProblemType::IdempotencyConflict)
            .field("idempotency_key")
            .expected("the definition and input that the key was first used with", "others")
            .next(format!("use another key; GET {RUNS}/{existing} is the run of this one")),
        StartError::Unavailable { .. } => unavailable(detail),
        StartError::Draining => new(ProblemType::Unavailable)
            .next("start it on another node, or after the restart")
            .untouched(),
    }
}

/// Why nothing was done to a run.
pub(super) fn control(id: RunId, why: ControlError) -> Problem {
    let detail = why.to_string();
    match why {
        ControlError::NotFound => no_run(id),
        ControlError::AlreadyEnded { .. } => {
            Problem::new(ProblemType::Conflict, detail).next(format!(
                "GET {RUNS}/{id} has what came of it; what has ended never reopens: `fork` starts \
                 a run from any point of it"
            ))
        }
        ControlError::NotNow { .. } => Problem::new(ProblemType::Conflict, detail)
            .next(format!("GET {RUNS}/{id} says how it stands")),
        ControlError::Faulty { faults } => faulty(detail, faults),
        ControlError::Invalid { field, expected, got } => Problem::invalid(field, expected, got),
        ControlError::Unavailable { .. } => unavailable(detail),
    }
}

/// Why a definition was not kept or forgotten.
pub(super) fn define(why: DefineError) -> Problem {
    let detail = why.to_string();
    match why {
        DefineError::Faulty { faults } => faulty(detail, faults),
        DefineError::VersionTaken { .. } => Problem::new(ProblemType::Conflict, detail)
            .field("version")
            .next("runs and other definitions may name this version: give the new one another"),
        DefineError::NotFound { .. } => Problem::new(ProblemType::NotFound, detail)
            .next("GET /api/v1/workflows/definitions lists them"),
        DefineError::Full { .. } => Problem::new(ProblemType::LimitReached, detail),
        DefineError::Unavailable { .. } => unavailable(detail),
    }
}

/// Why a decision was not taken.
pub(in crate::api) fn decide(id: &str, why: DecideError) -> Problem {
    let detail = why.to_string();
    match why {
        DecideError::NotFound => {
            Problem::not_found("approval", id, "GET /api/v1/approvals lists those that are open")
        }
        DecideError::AlreadyDecided { .. } | DecideError::Expired | DecideError::Twice { .. } => {
            Problem::new(ProblemType::Conflict, detail)
                .next("GET /api/v1/approvals lists those that are open")
        }
        DecideError::NotAllowed { .. } => Problem::new(ProblemType::Forbidden, detail)
            .next("let one of those decide, or name the `role` in which you do"),
        DecideError::InvalidPayload { expected, got } => Problem::invalid("payload", expected, got),
        DecideError::Unavailable { .. } => unavailable(detail),
    }
}
