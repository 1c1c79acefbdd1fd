//! What a user submits.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use synod_agents::PayloadError;
use synod_coordination::{Quorum, Rules, Threshold, TieRule};
use synod_runtime::Priority;

use crate::task::{Allocation, CapabilityRequirement, RetryPolicy, TaskMode};

/// A task to be done. Only `kind` is required.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskSubmissionRequest {
    /// What kind of task it is, 1 to 128 visible ASCII characters. Where neither capabilities nor
    /// agents are given, it is the required capability.
    #[schema(example = "text.count")]
    pub kind: String,
    /// The input, any JSON value. With a `content_type` of `text/…` it is a JSON string, and the
    /// agent gets its text.
    #[serde(default)]
    #[schema(value_type = Value)]
    pub payload: Option<Box<RawValue>>,
    /// What the input is: `application/json` (the default), another `…+json` or a `text/…`.
    #[serde(default)]
    pub content_type: Option<String>,
    /// `critical`, `high`, `normal`, `low`, `background`, or a number from 1 (most urgent) to 10,
    /// where 5 is normal.
    #[serde(default, deserialize_with = "priority")]
    #[schema(value_type = String, default = "normal")]
    pub priority: Priority,
    /// Capabilities an agent must have, or a team between them.
    #[serde(default)]
    pub capabilities: Vec<CapabilityRequirement>,
    /// Agents by id, in order. In `single` mode the first one that is free does it; in the others
    /// each of them takes part.
    #[serde(default)]
    pub agents: Vec<String>,
    /// How the agents work together.
    #[serde(default = "single")]
    #[schema(default = "single")]
    pub mode: TaskMode,
    /// How an agent is chosen among those that can do it and have room. In the modes of several it
    /// holds for each part that no agent is named for. Left out of what an idempotency key stands
    /// for where it is the default.
    #[serde(default, skip_serializing_if = "Allocation::is_default")]
    #[schema(default = "measured")]
    pub allocation: Allocation,
    /// The longest time from acceptance to end, in seconds: waiting, all attempts and all
    /// back-offs. Default: the node's, 300, unless a `deadline` is given.
    #[serde(default)]
    pub timeout_s: Option<u64>,
    /// When it is given up (RFC 3339). With a timeout, whichever comes first.
    #[serde(default, deserialize_with = "deadline")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub deadline: Option<Timestamp>,
    /// How often it is tried; what is left out is as the node's configuration says.
    #[serde(default)]
    pub retry: RetryOptions,
    /// Makes the submission safe to repeat: the same key (of the same tenant) with the same
    /// request names the same task. 1 to 255 visible ASCII characters.
    #[serde(default)]
    pub idempotency_key: Option<String>,
    /// Whose task it is; tenants share the agents fairly. 1 to 64 of `A-Z a-z 0-9 . _ -`; default
    /// `default`.
    #[serde(default)]
    pub tenant: Option<String>,
    /// What all its executions may cost together, in the unit of the agents' cards.
    #[serde(default)]
    #[schema(minimum = 0)]
    pub budget: Option<f64>,
    /// Free key-value pairs, handed to the agents.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// In `parallel` mode: whether it completes although some of its parts failed.
    #[serde(default)]
    pub allow_partial: bool,
    /// In `consensus` mode: who votes, and what decides.
    #[serde(default)]
    pub consensus: Option<ConsensusOptions>,
    /// In `competitive` mode: who competes.
    #[serde(default)]
    pub competitive: Option<CompetitiveOptions>,
}

fn single() -> TaskMode {
    TaskMode::Single
}

/// The ballot of a consensus task.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConsensusOptions {
    /// How many capable agents vote when none are named; default 3.
    #[schema(minimum = 1, default = 3)]
    pub voters: u16,
    /// How many must take part; default half of them.
    pub quorum: Quorum,
    /// How many of the votes the winner needs; default the majority.
    pub threshold: Threshold,
    /// Who wins a tie; default nobody, things stay as they are.
    pub tie: TieRule,
}

impl Default for ConsensusOptions {
    fn default() -> Self {
        let Rules { quorum, threshold, tie } = Rules::default();
        Self { voters: 3, quorum, threshold, tie }
    }
}

impl ConsensusOptions {
    /// The rules of the ballot.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules { quorum: self.quorum, threshold: self.threshold, tie: self.tie }
    }
}

/// The race of a competitive task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CompetitiveOptions {
    /// How many capable agents compete, at most, when none are named; default 2.
    #[schema(minimum = 1, default = 2)]
    pub racers: u16,
}

impl Default for CompetitiveOptions {
    fn default() -> Self {
        Self { racers: 2 }
    }
}

/// How often a task is tried, as far as it says; see [`RetryPolicy`] for meanings and ranges.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryOptions {
    /// Executions that may end in an error, the first one included.
    pub max_attempts: Option<u32>,
    /// Executions that may be lost.
    pub max_lost: Option<u32>,
    /// Wait after the first error, in milliseconds; losses wait alike.
    pub initial_ms: Option<u64>,
    /// What the wait is multiplied by after each further one.
    pub multiplier: Option<f64>,
    /// Longest wait, in milliseconds.
    pub max_ms: Option<u64>,
    /// Share of the wait that is left to chance.
    pub jitter: Option<f64>,
}

impl RetryOptions {
    /// The policy that these options make of the node's.
    #[must_use]
    pub fn over(self, node: RetryPolicy) -> RetryPolicy {
        RetryPolicy {
            max_attempts: self.max_attempts.unwrap_or(node.max_attempts),
            max_lost: self.max_lost.unwrap_or(node.max_lost),
            initial_ms: self.initial_ms.unwrap_or(node.initial_ms),
            multiplier: self.multiplier.unwrap_or(node.multiplier),
            max_ms: self.max_ms.unwrap_or(node.max_ms),
            jitter: self.jitter.unwrap_or(node.jitter),
        }
    }
}

impl TaskSubmissionRequest {
    /// A task of this kind, with everything at its default.
    #[must_use]
    pub fn new(kind: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            payload: None,
            content_type: None,
            priority: Priority::Normal,
            capabilities: Vec::new(),
            agents: Vec::new(),
            mode: TaskMode::Single,
            allocation: Allocation::default(),
            timeout_s: None,
            deadline: None,
            retry: RetryOptions::default(),
            idempotency_key: None,
            tenant: None,
            budget: None,
            labels: BTreeMap::new(),
            allow_partial: false,
            consensus: None,
            competitive: None,
        }
    }

    /// Sets the input, as JSON.
    ///
    /// # Errors
    /// [`PayloadError::Malformed`] when the value has no form in JSON.
    pub fn payload<T: Serialize + ?Sized>(mut self, input: &T) -> Result<Self, PayloadError> {
        let raw = serde_json::value::to_raw_value(input);
        self.payload = Some(raw.map_err(|error| PayloadError::Malformed(error.to_string()))?);
        Ok(self)
    }

    /// Sets the priority.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Adds a required capability.
    #[must_use]
    pub fn capability(mut self, capability: CapabilityRequirement) -> Self {
        self.capabilities.push(capability);
        self
    }

    /// Adds a named agent.
    #[must_use]
    pub fn agent(mut self, id: impl Into<String>) -> Self {
        self.agents.push(id.into());
        self
    }

    /// Sets how the agents work together.
    #[must_use]
    pub fn mode(mut self, mode: TaskMode) -> Self {
        self.mode = mode;
        self
    }

    /// Sets how an agent is chosen among those that can do it.
    #[must_use]
    pub fn allocation(mut self, allocation: Allocation) -> Self {
        self.allocation = allocation;
        self
    }

    /// Sets the longest time from acceptance to end, in seconds.
    #[must_use]
    pub fn timeout_s(mut self, seconds: u64) -> Self {
        self.timeout_s = Some(seconds);
        self
    }

    /// Makes the submission safe to repeat.
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Says whose task it is.
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }
}

/// Reads a priority: a name in any case, or a number from 1 to 10.
fn priority<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Priority, D::Error> {
    struct NameOrNumber;
    impl serde::de::Visitor<'_> for NameOrNumber {
        type Value = Priority;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("critical, high, normal, low, background or a number from 1 to 10")
        }

        fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Priority, E> {
            name.parse().map_err(|_| E::invalid_value(serde::de::Unexpected::Str(name), &self))
        }

        fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Priority, E> {
            let lane = number.checked_sub(1).map(|number| number / 2);
            let priority = lane.and_then(|lane| Priority::ALL.get(lane as usize)).copied();
            let unexpected = serde::de::Unexpected::Unsigned(number);
            priority.ok_or_else(|| E::invalid_value(unexpected, &self))
        }

        fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Priority, E> {
            let unexpected = serde::de::Unexpected::Signed(number);
            let number = u64::try_from(number).map_err(|_| E::invalid_value(unexpected, &self))?;
            self.visit_u64(number)
        }
    }
    deserializer.deserialize_any(NameOrNumber)
}

/// Reads a time, or none.
fn deadline<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    use serde::de::{Error, Unexpected};
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let expected = "a time such as 2030-01-31T12:00:00Z (RFC 3339)";
    let unexpected = Unexpected::Str(&text);
    text.parse().map(Some).map_err(|_| D::Error::invalid_value(unexpected, &expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<TaskSubmissionRequest, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn numbers_from_1_to_10_are_priorities_two_by_two() {
        let of = |number: u32| {
            read(&format!(r#"{{"kind": "a", "priority": {number}}}"#)).map(|r| r.priority)
        };
        for (number, expected) in [
            (1, Priority::Critical),
            (2, Priority::Critical),
            (3, Priority::High),
            (5, Priority::Normal),
            (6, Priority::Normal),
            (8, Priority::Low),
            (10, Priority::Background),
        ] {
            assert_eq!(of(number).unwrap(), expected, "{number}");
        }
        assert!(of(0).is_err() && of(11).is_err());
    }

    #[test]
    fn a_wrong_priority_says_what_was_expected() {
        let error = read(r#"{"kind": "a", "priority": "urgent"}"#).unwrap_err().to_string();
        assert!(error.contains("critical, high, normal, low, background"), "{error}");
        assert_eq!(read(r#"{"kind": "a", "priority": "HIGH"}"#).unwrap().priority, Priority::High);
    }

    #[test]
    fn a_deadline_that_is_no_time_says_how_one_is_written() {
        let with = |deadline: &str| read(&format!(r#"{{"kind": "a", "deadline": {deadline}}}"#));
        let error = with("\"tomorrow\"").unwrap_err().to_string();
        assert!(error.contains("\"tomorrow\", expected a time such as 2030"), "{error}");
        assert_eq!(with("null").unwrap().deadline, None);
        let given = with("\"2030-01-31T12:00:00Z\"").unwrap().deadline;
        assert_eq!(given, "2030-01-31T12:00:00Z".parse().ok());
    }

    #[test]
    fn unknown_fields_are_refused() {
        assert!(read(r#"{"kind": "a", "kinde": "b"}"#).is_err());
        assert!(read(r#"{"kind": "a", "consensus": {"quorom": 1}}"#).is_err());
    }

    #[test]
    fn a_payload_is_kept_as_it_was_written() {
        let request = read(r#"{"kind": "a", "payload": {"n":  1.50}}"#).unwrap();
        assert_eq!(request.payload.unwrap().get(), r#"{"n":  1.50}"#);
    }

    #[test]
    fn options_left_out_are_the_nodes() {
        let request = read(r#"{"kind": "a", "retry": {"max_attempts": 9}}"#).unwrap();
        let node = RetryPolicy { max_lost: 7, ..RetryPolicy::default() };
        let policy = request.retry.over(node);
        assert_eq!((policy.max_attempts, policy.max_lost), (9, 7));
    }
}
