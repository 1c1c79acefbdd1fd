//! Plans: a second written form, which planners of agents produce.
//!
//! ```json
//! {"id": "deploy", "parallel": true, "timeout": 60000,
//!  "steps": [{"id": "build", "agentId": "builder", "action": "build", "input": {"ref": "main"},
//!             "dependencies": [], "retryPolicy": {"maxRetries": 3, "backoffMs": 100}}],
//!  "fallbackPlan": {"id": "roll-back", "steps": [{"id": "undo", "agentId": "builder"}]}}
//! ```
//!
//! A plan becomes a [`Definition`]: a step's agent does a task of the kind `action`, and each
//! step's output is an output of the run under the id that the plan gave it. Inputs are templates,
//! so a step can use what another yielded.
//!
//! Attempts and waits for `maxRetries: 3`, `backoffMs: 100`:
//!
//! | attempt | plan: wait before | with `"multiplier": 2` | a workflow's `{initial_ms: 100}` |
//! |---|---|---|---|
//! | 1 | none | none | none |
//! | 2 | 1 × 100 ms | 100 ms | 100 ms |
//! | 3 | 2 × 100 ms | 200 ms | 200 ms |
//! | 4 | 3 × 100 ms | 400 ms | none: `max_attempts` is 3 |
//!
//! A plan's waits are exact; a workflow's `jitter` (0.2 by default) shortens them by chance.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fault::Fault;
use super::model::{Definition, Order, Retry, RetryForm, Seconds, Step, Work};

/// The label of a step that has the id which its plan gave it.
pub const PLAN_STEP: &str = "plan.step";

/// How deep fallback plans may be nested; see [`Plan`](crate::plan::Plan).
const MAX_FALLBACKS: usize = 4;

/// Longest wait between attempts of a plan, a day, in milliseconds.
const MAX_WAIT_MS: u64 = 86_400_000;

/// A plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanForm {
    /// Its name.
    pub id: String,
    /// What is done.
    pub steps: Vec<PlanFormStep>,
    /// Whether only dependencies order the steps; else each waits for the one before it.
    #[serde(default)]
    pub parallel: bool,
    /// Milliseconds in which it must be done.
    #[serde(default = "five_minutes")]
    pub timeout: u64,
    /// What is done instead when it has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    pub fallback_plan: Option<Box<PlanForm>>,
}

/// A step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanFormStep {
    /// Its name in the plan.
    pub id: String,
    /// Who does it.
    pub agent_id: String,
    /// What kind of work it is; default: the step's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// What the agent gets; a template.
    #[serde(default)]
    pub input: Value,
    /// Steps that must have ended before it begins.
    #[serde(default)]
    pub dependencies: Vec<String>,
    /// How often it is tried again; absent: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_policy: Option<PlanRetry>,
}

/// How often a step of a plan is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanRetry {
    /// Attempts after the first one.
    pub max_retries: u32,
    /// The n-th wait is n times this many milliseconds.
    #[serde(default)]
    pub backoff_ms: u64,
    /// When given, the n-th wait is `backoffMs × multiplier^(n-1)` instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multiplier: Option<f64>,
}

fn five_minutes() -> u64 {
    300_000
}

impl From<PlanRetry> for Retry {
    fn from(plan: PlanRetry) -> Self {
        Self {
            max_attempts: plan.max_retries.saturating_add(1),
            initial_ms: plan.backoff_ms,
            multiplier: plan.multiplier.unwrap_or(1.0),
            max_ms: MAX_WAIT_MS,
            jitter: 0.0,
            form: plan.multiplier.map_or(RetryForm::Linear, |_| RetryForm::Exponential),
            ..Self::default()
        }
    }
}

impl PlanForm {
    /// The workflow that it stands for.
    ///
    /// # Errors
    /// Names that become the same, unknown dependencies, and fallbacks that are nested too deep;
    /// places are those in the plan.
    pub fn definition(&self) -> Result<Definition, Vec<Fault>> {
        let mut faults = Vec::new();
        let definition = self.level(0, "", &mut faults);
        match definition {
            Some(definition) if faults.is_empty() => Ok(definition),
            _ => Err(faults),
        }
    }

    fn level(&self, depth: usize, path: &str, faults: &mut Vec<Fault>) -> Option<Definition> {
        if depth > MAX_FALLBACKS {
            let message = format!("fallback plans are nested deeper than {MAX_FALLBACKS}");
            faults.push(Fault::error(path, message));
            return None;
        }
        let ids = self.ids(path, faults);
        let mut definition = Definition::new(name(&self.id, 128, "plan"));
        definition.order = if self.parallel { Order::Parallel } else { Order::Sequential };
        definition.timeout_s = Seconds::from_millis(self.timeout);
        for (at, step) in self.steps.iter().enumerate() {
            let id = ids.get(step.id.as_str())?.clone();
            let known = |wanted: &String| ids.get(wanted.as_str()).cloned();
            for (place, wanted) in step.dependencies.iter().enumerate() {
                if known(wanted).is_none() {
                    let wanted = crate::expression::shown(wanted);
                    let path = format!("{path}/steps/{at}/dependencies/{place}");
                    faults.push(Fault::error(path, format!("there is no step '{wanted}'")));
                }
            }
            let output = Value::from(format!("${{outputs[\"{id}\"]}}"));
            definition.outputs.insert(step.id.clone(), output);
            let depends_on = step.dependencies.iter().filter_map(known).collect();
            definition.steps.push(Step { depends_on, ..step.step(id) });
        }
        if let Some(fallback) = &self.fallback_plan {
            let inner = fallback.level(depth + 1, &format!("{path}/fallbackPlan"), faults)?;
            definition.fallback = Some(Box::new(inner));
        }
        Some(definition)
    }

    /// The ids of the steps by those of the plan.
    fn ids(&self, path: &str, faults: &mut Vec<Fault>) -> BTreeMap<&str, String> {
        let mut taken = HashSet::new();
        let mut ids = BTreeMap::new();
        for (at, step) in self.steps.iter().enumerate() {
            let id = name(&step.id, 64, "step");
            // Expressions know no difference between the two.
            if !taken.insert(id.replace('-', "_")) {
                let message = format!("another step is '{id}' already");
                faults.push(Fault::error(format!("{path}/steps/{at}/id"), message));
            }
            ids.insert(step.id.as_str(), id);
        }
        ids
    }
}

impl PlanFormStep {
    fn step(&self, id: String) -> Step {
        let work = Work {
            kind: self.action.clone(),
            input: self.input.clone(),
            retry: self.retry_policy.map(Retry::from),
            labels: BTreeMap::from([(PLAN_STEP.to_owned(), self.id.clone())]),
            ..Work::agent(self.agent_id.clone())
        };
        Step::new(id, work)
    }
}

/// A plan's name as one of a workflow or a step: `fetchData 2` becomes `fetch-data-2`.
fn name(text: &str, most: usize, otherwise: &str) -> String {
    let mut name = String::new();
    for letter in text.chars() {
        let joined = name.is_empty() || name.ends_with('-');
        match letter {
            'a'..='z' | '0'..='9' | '_' => name.push(letter),
            'A'..='Z' => {
                if !joined && !name.ends_with(|before: char| before.is_ascii_digit()) {
                    name.push('-');
                }
                name.push(letter.to_ascii_lowercase());
            }
            _ if joined => {}
            _ => name.push('-'),
        }
    }
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        name.insert_str(0, &format!("{otherwise}-"));
    }
    name.truncate(most);
    name.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;

    fn plan(json: Value) -> PlanForm {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_plan_becomes_a_workflow_whose_outputs_have_the_plans_own_ids() {
        let plan = plan(serde_json::json!({
            "id": "Deploy It", "parallel": true, "timeout": 1_500,
            "steps": [
                {"id": "fetchData", "agentId": "fetcher", "action": "fetch", "input": {"n": 1}},
                {"id": "2", "agentId": "judge", "input": "${outputs.fetch_data}",
                 "dependencies": ["fetchData"], "retryPolicy": {"maxRetries": 3, "backoffMs": 100}}
            ],
            "fallbackPlan": {"id": "b", "steps": [{"id": "x", "agentId": "judge"}]}
        }));
        let definition = plan.definition().unwrap();
        assert_eq!(definition.name, "deploy-it");
        assert_eq!(definition.timeout_s.as_millis(), 1_500);
        assert_eq!(definition.order, Order::Parallel);
        assert_eq!(definition.steps[0].id, "fetch-data");
        assert_eq!(definition.steps[0].work.kind.as_deref(), Some("fetch"));
        assert_eq!(definition.steps[1].id, "step-2");
        assert_eq!(definition.steps[1].depends_on, ["fetch-data"]);
        assert_eq!(definition.steps[1].work.labels[PLAN_STEP], "2");
        let outputs: Vec<_> = definition.outputs.keys().collect();
        assert_eq!(outputs, ["2", "fetchData"]);
        let fallback = definition.fallback.as_ref().unwrap();
        assert_eq!((fallback.order, fallback.timeout_s), (Order::Sequential, Seconds::new(300)));
        Plan::compile(&definition).unwrap();
    }

    #[test]
    fn attempts_and_waits_are_those_of_the_table() {
        let waits = |retry: &Retry| -> Vec<u128> {
            (1..retry.max_attempts).map(|error| retry.wait(error, 0.7).as_millis()).collect()
        };
        let plan = PlanRetry { max_retries: 3, backoff_ms: 100, multiplier: None };
        assert_eq!(waits(&plan.into()), [100, 200, 300]);
        let exponential = PlanRetry { multiplier: Some(2.0), ..plan };
        assert_eq!(waits(&exponential.into()), [100, 200, 400]);
        let workflow = Retry { initial_ms: 100, jitter: 0.0, ..Retry::default() };
        assert_eq!(waits(&workflow), [100, 200]);
    }

    #[test]
    fn faults_of_a_plan_have_its_own_places() {
        let plan = plan(serde_json::json!({"id": "a", "steps": [
            {"id": "x y", "agentId": "b"}, {"id": "x_y", "agentId": "b"},
            {"id": "z", "agentId": "b", "dependencies": ["w"]}
        ]}));
        let faults = plan.definition().unwrap_err();
        let paths: Vec<_> = faults.iter().map(|fault| fault.path.as_str()).collect();
        assert_eq!(paths, ["/steps/1/id", "/steps/2/dependencies/0"]);
        assert!(serde_json::from_str::<PlanForm>(r#"{"id": "a", "stepz": []}"#).is_err());
    }
}
