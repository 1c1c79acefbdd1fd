//! What a run may use up, and what a step may.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::seconds::Seconds;

/// What a run may use up before it is failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Steps of a definition; its fallback has as many for itself.
    #[schemars(range(min = 1, max = 10_000))]
    pub steps: u32,
    /// Events in the history of a run.
    #[schemars(range(min = 100, max = 10_000_000))]
    pub history_events: u64,
    /// Bytes of one value as JSON text: an input, an output, a result of an expression.
    #[schemars(range(min = 1_024, max = 67_108_864))]
    pub payload_bytes: u64,
    /// Bytes of all values that the run keeps.
    #[schemars(range(min = 65_536, max = 4_294_967_296_u64))]
    pub memory_bytes: u64,
    /// Seconds from start to end, waits and fallbacks included; absent: no such limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<Seconds>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 10_000,
            history_events: 1_000_000,
            payload_bytes: 1 << 20,
            memory_bytes: 64 << 20,
            duration_s: None,
        }
    }
}

/// How long a step may take.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// Seconds of an attempt until an agent begins with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_s: Option<Seconds>,
    /// Seconds of an attempt from its start to its end; of an approval, a wait for a message and a
    /// sub-workflow as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_s: Option<Seconds>,
    /// Longest silence of an agent at work, in seconds: without a report of progress for so long,
    /// the attempt is cancelled and has failed with `timeout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat_s: Option<Seconds>,
}

/// What all attempts of a step may use up together. Tokens and money count over all its items,
/// racers and visits as well; time and attempts are those of each item and visit.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Seconds from its first attempt on, waits included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_s: Option<Seconds>,
    /// Tokens of models, as the agents report them. A result that took more is not taken: the step
    /// fails with `budget_exceeded`, and is not tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Cost in the unit of the agents' cards: what the agents report, or else what their cards say.
    /// Beyond it as with tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub money: Option<f64>,
    /// Executions, lost ones included.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub attempts: Option<u32>,
}
