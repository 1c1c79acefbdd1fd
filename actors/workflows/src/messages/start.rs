//! Starting runs: of a definition that comes along, or of one that the node keeps by name.

use std::collections::BTreeMap;

use semver::VersionReq;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use synod_runtime::{Ask, Principal, Priority};
use uuid::Uuid;

use super::status::RunState;
use crate::error::StartError;

/// The name of a run: a UUID of version 7, whose last three hexadecimal digits are its partition.
pub type RunId = Uuid;

/// Run this. Answered when the run is durable.
#[derive(Debug, Clone)]
pub struct StartRun {
    /// What is to be run.
    pub source: RunSource,
    /// Its input, which the definition's `inputs` describe; `null` for none.
    pub input: Value,
    /// What else is asked for.
    pub options: RunOptions,
    /// Who asks.
    pub principal: Principal,
}

impl Ask for StartRun {
    type Reply = Result<RunAccepted, StartError>;
}

/// Where the definition of a run comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum RunSource {
    /// The text of a definition, YAML or JSON.
    Text(String),
    /// A definition that the node keeps.
    Named {
        /// Its name.
        name: String,
        /// Which of its versions: the newest that fits. `None`: the newest of all.
        version: Option<VersionReq>,
    },
}

/// What may be said of a run beside its definition and its input. What is left out is as the
/// definition says.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RunOptions {
    /// How urgent it is: `critical`, `high`, `normal`, `low`, `background`.
    #[schema(value_type = Option<String>)]
    pub priority: Option<Priority>,
    /// Labels, over those of the definition. A key has at most 63 bytes, a value 255.
    pub labels: BTreeMap<String, String>,
    /// Makes the start safe to repeat: the same key (of the same definition's name) with the same
    /// definition and input names the same run. 1 to 255 visible ASCII characters.
    pub idempotency_key: Option<String>,
    /// The longest time from admission to the end, in seconds.
    pub timeout_s: Option<u64>,
    /// Values of variables, in place of those that the definition gives them.
    #[schema(value_type = BTreeMap<String, Value>)]
    pub variables: BTreeMap<String, Value>,
}

/// A run is accepted: it is durable, and it will end in exactly one final state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunAccepted {
    /// Its name.
    #[schema(value_type = String, format = "uuid")]
    pub run_id: RunId,
    /// How it stood when the answer was made: `running`, or `pending` while it waits for room.
    pub state: RunState,
    /// Whether it is the run of an earlier start with the same idempotency key.
    pub duplicate: bool,
}
