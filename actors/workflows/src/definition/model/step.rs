//! A step: where it stands in the order of things, and the work it does.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use synod_runtime::Priority;
use synod_tasks::{Allocation, CompetitiveOptions, ConsensusOptions, TaskMode};

use super::doing::{Approval, Await, Emit, ForEach, SubWorkflow, Wait, is_default, is_false};
use super::error_kind::ErrorHandlers;
use super::limits::{Budget, Timeouts};
use super::on_error::present;
use super::outside;
use super::retry::Retry;

/// A step. Exactly one of the keys that say what it does: `agent`, `agents`, `capability`,
/// `capabilities`, `transform`, `wait`, `approval`, `workflow`, `emit`, `await`, `for_each` and
/// `race`.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct Step {
    /// Its name in the definition: `[a-z][a-z0-9_-]{0,63}`. Expressions call its output
    /// `outputs.<id>`, with `-` written as `_`.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9_-]{0,63}$"))]
    pub id: String,
    /// Steps that must have ended before it begins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// A condition (CEL); when it is false, the step is skipped and its output is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// What is done about a failure, before the definition's `error_handlers`.
    #[serde(default, skip_serializing_if = "ErrorHandlers::is_empty")]
    pub on_error: ErrorHandlers,
    /// What undoes it; its templates see `outputs` of the step itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compensate_with: Option<Box<Work>>,
    /// The same work for each item of a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_each: Option<ForEach>,
    /// Several works at once; the first success wins and the others are cancelled. 2 to 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub race: Vec<Work>,
    /// What it does.
    #[serde(flatten)]
    pub work: Work,
}

/// The work of a step, of an item, of a racer or of a compensation.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("additionalProperties" = false))]
pub struct Work {
    /// An agent by its id does it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Agents by id; how they work together says `mode`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<String>,
    /// Any agent with this capability does it: `text.count`, or `text.count@1.2` for that version
    /// of the agent or a later one (`text.count@>=1.2` says the same).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capability: Option<String>,
    /// Several capabilities; an agent that has all, or a team; or as `mode` says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// Its output is this template.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub transform: Option<Value>,
    /// Waits for a span or until a moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<Wait>,
    /// A person decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// Another workflow runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<SubWorkflow>,
    /// Tells a topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emit: Option<Emit>,
    /// Waits for a message.
    #[serde(rename = "await", skip_serializing_if = "Option::is_none")]
    pub awaits: Option<Await>,

    /// What kind of work it is, for agents that do several; default: the step's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What the agent gets; a template.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub input: Value,
    /// How often it is tried; default: the definition's `retry`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// How long it may take.
    #[serde(skip_serializing_if = "is_default")]
    pub timeout: Timeouts,
    /// How urgent it is: critical, high, normal, low, background, or 1 (most urgent) to 10;
    /// default: the run's.
    #[serde(skip_serializing_if = "Option::is_none", with = "outside::priority")]
    #[schemars(schema_with = "outside::priority::schema")]
    pub priority: Option<Priority>,
    /// How several agents work together.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "outside::mode_schema")]
    pub mode: Option<TaskMode>,
    /// How an agent is chosen among those that can do it and have room: by what was measured (the
    /// default), by lot, by load, or by asking them for a proposal, a price or their votes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "outside::allocation_schema")]
    pub allocation: Option<Allocation>,
    /// In `consensus` mode: who votes, and what decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "outside::consensus_schema")]
    pub consensus: Option<ConsensusOptions>,
    /// In `competitive` mode: who competes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "outside::competitive_schema")]
    pub competitive: Option<CompetitiveOptions>,
    /// In `parallel` mode: whether it completes although some of its parts failed.
    #[serde(skip_serializing_if = "is_false")]
    pub allow_partial: bool,
    /// What all its attempts may use up together.
    #[serde(skip_serializing_if = "is_default")]
    pub budget: Budget,
    /// A template of a text; the result that was kept for this step of this definition under the
    /// same key, by whatever run, is taken instead of doing the work again. Results outlive
    /// restarts; they are kept for `workflows.keep_results_s`, the latest 10,000 of at most 4 MiB
    /// each and 32 MiB together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_key: Option<String>,
    /// Free key-value pairs, handed to the agents.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The output that the handler `default` goes on with; a template.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub default: Option<Value>,
}

impl Work {
    /// The keys that say what is done.
    pub(crate) const DOINGS: &'static [&'static str] = &[
        "agent",
        "agents",
        "capability",
        "capabilities",
        "transform",
        "wait",
        "approval",
        "workflow",
        "emit",
        "await",
        "for_each",
        "race",
    ];

    /// The keys of what it does; one, unless there is a fault. Agents and capabilities together
    /// are one: these agents, with these capabilities.
    pub(crate) fn doings(&self) -> Vec<&'static str> {
        let agents = [
            (self.agent.is_some(), "agent"),
            (!self.agents.is_empty(), "agents"),
            (self.capability.is_some(), "capability"),
            (!self.capabilities.is_empty(), "capabilities"),
        ];
        let builtin = [
            (self.transform.is_some(), "transform"),
            (self.wait.is_some(), "wait"),
            (self.approval.is_some(), "approval"),
            (self.workflow.is_some(), "workflow"),
            (self.emit.is_some(), "emit"),
            (self.awaits.is_some(), "await"),
        ];
        agents.into_iter().chain(builtin).filter_map(|(there, key)| there.then_some(key)).collect()
    }

    /// It with the terms of `outer` where it has none of its own.
    pub(crate) fn under(&self, outer: &Self) -> Self {
        let mut work = self.clone();
        work.kind = work.kind.or_else(|| outer.kind.clone());
        work.retry = work.retry.or_else(|| outer.retry.clone());
        work.priority = work.priority.or(outer.priority);
        if work.timeout == Timeouts::default() {
            work.timeout = outer.timeout;
        }
        if work.budget == Budget::default() {
            work.budget = outer.budget;
        }
        if work.labels.is_empty() {
            work.labels.clone_from(&outer.labels);
        }
        work
    }
}
