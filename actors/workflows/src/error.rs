//! Why the engine did not do what it was asked, and what state was left.

use serde::{Deserialize, Serialize};

use crate::messages::{DefinitionFault, RunId, RunState};

/// Why a run was not started. Unless it says otherwise, nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum StartError {
    /// The definition can't be run.
    #[error("the definition has {} {}{}", faults.len(), plural(faults), first(faults))]
    Faulty {
        /// Each fault, with its place.
        faults: Vec<DefinitionFault>,
    },
    /// The input is not what the definition asks for.
    #[error("the input does not fit: {}", reasons.join("; "))]
    InvalidInput {
        /// What, where, and what was expected.
        reasons: Vec<String>,
    },
    /// An option has a value it can't have.
    #[error("{field}: expected {expected}, got {got}")]
    Invalid {
        /// The path of the field: `labels.env`, `timeout_s`.
        field: String,
        /// What would have been right.
        expected: String,
        /// What was given.
        got: String,
    },
    /// There is no definition of that name, or none of a version that fits.
    #[error("no definition '{name}'{}", of_version(version.as_deref()))]
    UnknownDefinition {
        /// Its name.
        name: String,
        /// Which version was asked for.
        version: Option<String>,
    },
    /// There is no such run to retry or to fork, or it is forgotten.
    #[error("no such run")]
    UnknownRun,
    /// Only what failed or was cancelled can be retried.
    #[error("the run is {state}; only one that failed or was cancelled can be retried")]
    NotRetryable {
        /// How it stands.
        state: RunState,
    },
    /// As many runs are open as the limits allow.
    #[error("too many runs are open; try again in {retry_after_s} s")]
    TooManyRuns {
        /// When there may be room, by the present throughput.
        retry_after_s: u64,
    },
    /// The idempotency key was used for another definition or input.
    #[error("the idempotency key was used for another start, of run {existing}")]
    IdempotencyConflict {
        /// The run it was used for.
        existing: RunId,
    },
    /// The journal takes nothing, or the engine is not ready. Where the reason says that the
    /// outcome is unknown, the run may have been accepted: repeat it with the same idempotency key.
    #[error("runs are not accepted: {reason}")]
    Unavailable {
        /// Why not.
        reason: String,
    },
    /// The node is about to stop.
    #[error("the node is draining and accepts no more runs")]
    Draining,
}

/// Who it is; a person who has not said so has no name.
fn named(who: &str) -> &str {
    if who.is_empty() { "an unauthenticated user" } else { who }
}

fn of_version(version: Option<&str>) -> String {
    version.map_or(String::new(), |version| format!(" of version {version}"))
}

fn plural(faults: &[DefinitionFault]) -> &'static str {
    if faults.len() == 1 { "fault" } else { "faults" }
}

fn first(faults: &[DefinitionFault]) -> String {
    let Some(fault) = faults.first() else { return String::new() };
    let place = match (fault.line, fault.path.as_str()) {
        (0, "") => String::new(),
        (0, path) => format!(" at {path}"),
        (line, _) => format!(" at {line}:{}", fault.column),
    };
    format!("; the first{place}: {}", fault.message)
}

/// Why nothing was done to a run. Unless it says otherwise, nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum ControlError {
    /// There is no such run, or it is forgotten.
    #[error("no such run")]
    NotFound,
    /// It has ended, and what has ended never reopens.
    #[error("the run has already ended: {state}")]
    AlreadyEnded {
        /// How it ended.
        state: RunState,
    },
    /// What is asked does not fit how it stands: resuming what is not paused.
    #[error("the run is {state}: {reason}")]
    NotNow {
        /// How it stands.
        state: RunState,
        /// What does not fit.
        reason: String,
    },
    /// The definition that it is to go on by can't be run.
    #[error("the definition has {} {}{}", faults.len(), plural(faults), first(faults))]
    Faulty {
        /// Each fault, with its place.
        faults: Vec<DefinitionFault>,
    },
    /// What was given can't be used.
    #[error("{field}: expected {expected}, got {got}")]
    Invalid {
        /// The path of the field.
        field: String,
        /// What would have been right.
        expected: String,
        /// What was given.
        got: String,
    },
    /// The journal takes nothing, or the engine is not ready. Where the reason says that the
    /// outcome is unknown, it may have been done.
    #[error("runs can't be changed: {reason}")]
    Unavailable {
        /// Why not.
        reason: String,
    },
}

/// Why a definition was not kept or forgotten. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum DefineError {
    /// It can't be run.
    #[error("the definition has {} {}{}", faults.len(), plural(faults), first(faults))]
    Faulty {
        /// Each fault, with its place.
        faults: Vec<DefinitionFault>,
    },
    /// There is another definition of this name and version.
    #[error("'{name}' {version} is defined otherwise; give the new one another version")]
    VersionTaken {
        /// Its name.
        name: String,
        /// Its version.
        version: String,
    },
    /// There is none of that name and version.
    #[error("no definition '{name}' of version {version}")]
    NotFound {
        /// Its name.
        name: String,
        /// Its version.
        version: String,
    },
    /// As many are kept as the limits allow.
    #[error("{what}: there are as many as allowed, {limit}")]
    Full {
        /// What there is too much of.
        what: String,
        /// What is allowed.
        limit: u64,
    },
    /// The journal takes nothing, or the engine is not ready.
    #[error("definitions can't be changed: {reason}")]
    Unavailable {
        /// Why not.
        reason: String,
    },
}

/// Why a decision was not taken. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum DecideError {
    /// There is no such approval, or its run is forgotten.
    #[error("no such approval")]
    NotFound,
    /// It was decided, or withdrawn, before.
    #[error("the approval is no longer open: {state}")]
    AlreadyDecided {
        /// How it stands.
        state: String,
    },
    /// Its deadline has passed.
    #[error("the deadline of the approval has passed")]
    Expired,
    /// Who decides may not.
    #[error("{} may not decide; expected {}", named(who), deciders.join(", "))]
    NotAllowed {
        /// Who.
        who: String,
        /// Who may.
        deciders: Vec<String>,
    },
    /// Who decides has decided before.
    #[error("{} has decided already", named(who))]
    Twice {
        /// Who.
        who: String,
    },
    /// The payload may not be changed, or not so.
    #[error("payload: expected {expected}, got {got}")]
    InvalidPayload {
        /// What would have been right.
        expected: String,
        /// What was given.
        got: String,
    },
    /// The journal takes nothing, or the engine is not ready. Where the reason says that the
    /// outcome is unknown, the decision may have been taken.
    #[error("decisions are not taken: {reason}")]
    Unavailable {
        /// Why not.
        reason: String,
    },
}

/// The cursor is none that a page carried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one that a page carried")]
pub struct InvalidCursor;
