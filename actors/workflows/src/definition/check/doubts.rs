//! What can be run and is hardly meant so: conditions that never hold, outputs nobody looks at.

use std::collections::HashSet;
use std::sync::Arc;

use super::known::works;
use crate::definition::fault::Fault;
use crate::definition::model::{Definition, Step, Work};
use crate::expression::Root;
use crate::plan::{Plan, StepIndex};
use synod_tasks::TaskMode;

/// The doubts about a definition and its fallbacks.
pub(super) fn of(definition: &Definition, plan: &Plan) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut level = Some((definition, plan));
    let mut prefix = String::new();
    while let Some((definition, plan)) = level {
        unreachable(plan, &prefix, &mut faults);
        unused(definition, plan, &prefix, &mut faults);
        idle(definition, &prefix, &mut faults);
        prefix.push_str("/fallback");
        level = definition.fallback.as_deref().zip(plan.fallback.as_deref());
    }
    faults
}

/// Steps whose condition never holds, and those that are skipped because of them.
fn unreachable(plan: &Plan, prefix: &str, faults: &mut Vec<Fault>) {
    let mut never = vec![false; plan.len()];
    for index in plan.order() {
        let step = plan.step(*index);
        let at = index.0;
        let constant = step.when.as_ref().and_then(|when| when.as_constant());
        if constant == Some(false) {
            never[index.at()] = true;
            let path = format!("{prefix}/steps/{at}/when");
            faults.push(Fault::warning(
                path,
                "the condition never holds: the step is always skipped",
            ));
        } else if !step.depends_on.is_empty() && step.depends_on.iter().all(|on| never[on.at()]) {
            never[index.at()] = true;
            let path = format!("{prefix}/steps/{at}");
            let message =
                format!("'{}' is never reached: all that it depends on is skipped", step.id);
            faults.push(Fault::warning(path, message));
        } else if constant == Some(true) {
            let path = format!("{prefix}/steps/{at}/when");
            faults.push(Fault::warning(path, "the condition always holds"));
        }
    }
}

/// Outputs of steps and variables that nothing looks at.
fn unused(definition: &Definition, plan: &Plan, prefix: &str, faults: &mut Vec<Fault>) {
    let mut steps: HashSet<StepIndex> = HashSet::new();
    let mut variables: HashSet<Arc<str>> = HashSet::new();
    plan.each_root(&mut |root| match root {
        Root::Output(step) | Root::State(step) => {
            steps.insert(*step);
        }
        Root::Variable(name) => {
            variables.insert(name.clone());
        }
        _ => {}
    });
    for ((index, step), defined) in plan.indexed().zip(&definition.steps) {
        if yields(defined) && !steps.contains(&index) {
            let path = format!("{prefix}/steps/{}", index.0);
            let message = format!("nothing looks at the output of '{}'", step.id);
            let meant =
                format!("use outputs.{}, or put it into outputs", step.id.replace('-', "_"));
            faults.push(Fault::warning(path, message).suggest(meant));
        }
    }
    for name in definition.variables.keys() {
        if !variables.contains(name.as_str()) {
            let path = format!("{prefix}/variables/{name}");
            faults.push(Fault::warning(path, format!("nothing looks at the variable '{name}'")));
        }
    }
}

/// Whether a step is there for its output: others have an effect, or decide or wait.
fn yields(step: &Step) -> bool {
    let work = &step.work;
    let effect = work.wait.is_some()
        || work.approval.is_some()
        || work.emit.is_some()
        || work.awaits.is_some()
        || work.workflow.is_some()
        || step.compensate_with.is_some();
    !effect
}

/// Keys that have no effect where they stand.
fn idle(definition: &Definition, prefix: &str, faults: &mut Vec<Fault>) {
    for (at, step) in definition.steps.iter().enumerate() {
        let outer = step.for_each.is_some() || !step.race.is_empty();
        for (path, work) in works(step) {
            let container = outer && path.is_empty();
            if !container && work.doings().iter().all(|doing| AGENTS.contains(doing)) {
                let single = matches!(work.mode, None | Some(TaskMode::Single));
                let first = work.allocation.unwrap_or_default().is_default();
                if single && first && work.doings().contains(&"agents") && work.agents.len() > 1 {
                    let path = format!("{prefix}/steps/{at}{path}/agents");
                    let message = "without a mode, the first of the agents that is free does it";
                    faults.push(Fault::warning(path, message));
                }
                continue;
            }
            let what = if container { "a step with works of its own" } else { "this kind of step" };
            for key in without_effect(work, container) {
                let path = format!("{prefix}/steps/{at}{path}/{key}");
                faults.push(Fault::warning(path, format!("'{key}' has no effect in {what}")));
            }
        }
    }
}

/// The doings that agents do.
const AGENTS: &[&str] = &["agent", "agents", "capability", "capabilities"];

/// Keys that only agents' work looks at. Works take the kind from the step around them.
fn without_effect(work: &Work, container: bool) -> Vec<&'static str> {
    let keys = [
        (!work.input.is_null(), "input"),
        (work.kind.is_some() && !container, "kind"),
        (work.mode.is_some(), "mode"),
        (work.allocation.is_some(), "allocation"),
        (work.consensus.is_some(), "consensus"),
        (work.competitive.is_some(), "competitive"),
        (work.allow_partial, "allow_partial"),
    ];
    keys.into_iter().filter_map(|(there, key)| there.then_some(key)).collect()
}
