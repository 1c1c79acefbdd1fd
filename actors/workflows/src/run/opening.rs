//! What a run is opened with, and where it comes from.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use synod_runtime::{Principal, Priority};

use super::ticket::Ticket;
use crate::definition::DefinitionHash;
use crate::json::Json;
use crate::messages::RunId;

/// A variable and its value.
pub type Variable = (Arc<str>, Json);

/// What a run is opened with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opening {
    /// Its name.
    pub run: RunId,
    /// What it runs; a changed definition has another hash.
    pub definition: DefinitionHash,
    /// The name of the definition.
    pub name: Arc<str>,
    /// The version of the definition.
    pub version: Arc<str>,
    /// The run's input.
    pub inputs: Json,
    /// Variables that have these values in place of those that the definition gives them.
    pub variables: Vec<Variable>,
    /// Microseconds from admission to the end, in place of the definition's.
    pub timeout_us: Option<u64>,
    /// What decides all that is left to chance: jitter, names of children and approvals.
    pub seed: u64,
    /// Who asked for it.
    pub principal: Principal,
    /// How urgent its steps are that say nothing themselves.
    pub priority: Priority,
    /// Whose run it is.
    pub tenant: Option<Arc<str>>,
    /// Free key-value pairs.
    pub labels: BTreeMap<String, String>,
    /// What made the submission safe to repeat.
    pub idempotency_key: Option<Arc<str>>,
    /// The step of another run that waits for it.
    pub parent: Option<Parent>,
    /// The run that it repeats or continues.
    pub origin: Option<Origin>,
}

/// The step of another run that waits for this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The other run.
    pub run: RunId,
    /// Its step.
    pub ticket: Ticket,
}

/// Where a run comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The older run.
    pub run: RunId,
    /// How many of its events were taken over.
    pub events: u64,
    /// Why there is a new run.
    pub how: Derivation,
    /// Who asked for it.
    pub by: Principal,
}

/// How a run comes from an older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Derivation {
    /// It repeats what had failed.
    Retry,
    /// It goes on from a point of the older run.
    Fork,
    /// It goes on from a named checkpoint of a run that has ended.
    Rollback,
}
