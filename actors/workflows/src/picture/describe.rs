//! Steps in a few words.

use serde_json::Value;

use super::text::{between, span};
use crate::definition::model::{Step, Wait, Work};
use crate::messages::{RunStatusResponse, StepState, StepStatus, WaitKind};
use jiff::Timestamp;

/// What a step of a definition does: `agent reader`, `for each: capability text.count`.
pub(super) fn doing(step: &Step) -> String {
    if let Some(each) = &step.for_each {
        return format!("for each: {}", work(&each.step));
    }
    if !step.race.is_empty() {
        return format!("race of {}", step.race.len());
    }
    work(&step.work)
}

fn work(work: &Work) -> String {
    let named = |what: &str, name: &str| format!("{what} {name}");
    if let Some(agent) = &work.agent {
        return named("agent", agent);
    }
    if let Some(capability) = &work.capability {
        return named("capability", capability);
    }
    if let Some(wait) = &work.wait {
        return waiting(wait);
    }
    if let Some(workflow) = &work.workflow {
        return named("workflow", &workflow.name);
    }
    if let Some(emit) = &work.emit {
        return named("emit", &emit.topic);
    }
    if let Some(awaited) = &work.awaits {
        return named("await", &awaited.topic);
    }
    let lists = [("agents", &work.agents), ("capabilities", &work.capabilities)];
    if let Some((what, names)) = lists.into_iter().find(|(_, names)| !names.is_empty()) {
        return named(what, &names.join(", "));
    }
    if work.approval.is_some() { "approval".to_owned() } else { "transform".to_owned() }
}

fn waiting(wait: &Wait) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match (&wait.for_s, &wait.until) {
        (Some(seconds), _) => format!("wait {} s", text(seconds)),
        (None, Some(until)) => format!("wait until {}", text(until)),
        (None, None) => "wait".to_owned(),
    }
}

/// What a step of a run is and who has it.
pub(super) fn running(step: &StepStatus) -> String {
    let doing = step.doing.replace('_', " ");
    step.agent.as_ref().map_or(doing, |agent| format!("{} {agent}", step.doing))
}

/// How a step of a run stands: its time, attempts and items.
pub(super) fn standing(step: &StepStatus, now: Timestamp) -> String {
    let mut told = Vec::new();
    if let Some(started) = step.started_at {
        told.push(span(between(started, step.ended_at.unwrap_or(now))));
    }
    if let Some(items) = step.items {
        told.push(format!("{}/{} items", items.completed, items.total));
    }
    if step.attempts > 1 {
        told.push(format!("{} attempts", step.attempts));
    }
    if let Some(waits) = step.waiting_for.as_ref().filter(|_| step.state == StepState::Waiting) {
        told.push(format!("waits for {}", awaited(waits.what)));
    }
    told.join(", ")
}

fn awaited(what: WaitKind) -> &'static str {
    match what {
        WaitKind::Time => "a time",
        WaitKind::Retry => "its next attempt",
        WaitKind::Approval => "a decision",
        WaitKind::Message => "a message",
        WaitKind::Run => "a run",
    }
}

/// The steps of a run by plan: those of the definition, and those of its fallback.
pub(super) fn plans(run: &RunStatusResponse) -> Vec<(&'static str, &[StepStatus])> {
    let all = [("", run.steps.as_slice()), ("fallback", run.fallback.as_slice())];
    all.into_iter().filter(|(name, steps)| name.is_empty() || !steps.is_empty()).collect()
}
