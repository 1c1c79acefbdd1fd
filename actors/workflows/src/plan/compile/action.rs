//! One action: exactly one doing, and the terms on which it is done.

use std::sync::Arc;

use serde_json::Value;
use synod_agents::AgentId;
use synod_tasks::{CapabilityRequirement, TaskMode};

use super::super::{Action, ApprovalPlan, Collaboration, Doing, EscalationPlan, WaitPlan};
use super::Compiler;
use super::faults::Faults;
use crate::definition::model::{Approval, ErrorKind, Retry, Wait, Work};
use crate::expression::Place;

/// What an action has from its step.
pub(super) struct Terms<'a> {
    /// The step's id, which is the kind of the task unless the action says otherwise.
    pub id: &'a str,
    /// Kinds that a handler says to retry.
    pub retried: Vec<ErrorKind>,
}

impl Compiler<'_, '_> {
    /// Compiles the work of a step, an item, a racer or a compensation.
    pub(super) fn action(
        &mut self,
        work: &Work,
        terms: &Terms<'_>,
        place: Place,
    ) -> Option<Action> {
        self.one_doing(work);
        let doing = self.doing(work, terms, place);
        if let Some(retry) = &work.retry {
            self.faults.enter("retry", |faults| check_retry(retry, faults));
        }
        let key = work.cache_key.clone().map(Value::String);
        Some(Action {
            doing: doing?,
            retry: self.retry(work, &terms.retried),
            timeout: work.timeout,
            priority: work.priority.or(self.definition.priority),
            budget: work.budget,
            cache_key: key.map(|key| self.template("cache_key", &key, place)),
            labels: work.labels.clone(),
        })
    }

    /// The step's retry, or the definition's, or one attempt; with the kinds of handlers in it.
    fn retry(&self, work: &Work, retried: &[ErrorKind]) -> Retry {
        let said = work.retry.as_ref().or(self.definition.retry.as_ref());
        let mut retry = match said {
            Some(retry) => retry.clone(),
            None if retried.is_empty() => Retry::once(),
            None => Retry { retry_on: Some(Vec::new()), ..Retry::default() },
        };
        let kinds = retry.kinds();
        let all = ErrorKind::ALL.iter().copied();
        let kinds = all.filter(|kind| kinds.contains(*kind) || retried.contains(kind));
        let kinds = kinds.filter(|kind| *kind != ErrorKind::CriticalError);
        retry.retry_on = Some(kinds.collect());
        retry
    }

    /// Refuses none, and more than one.
    fn one_doing(&mut self, work: &Work) {
        match work.doings()[..] {
            [] => self
                .faults
                .error("", format!("it does nothing: expected one of {}", Work::DOINGS.join(", "))),
            [_] => {}
            [first, second, ..] => {
                self.faults
                    .error(second, format!("a step does one thing: it has '{first}' already"));
            }
        }
    }

    fn doing(&mut self, work: &Work, terms: &Terms<'_>, place: Place) -> Option<Doing> {
        if let Some(template) = &work.transform {
            return Some(Doing::Transform(self.template("transform", template, place)));
        }
        if let Some(wait) = &work.wait {
            return self.wait(wait, place).map(Doing::Wait);
        }
        if let Some(approval) = &work.approval {
            return Some(Doing::Approval(self.approval(approval, place)));
        }
        if let Some(child) = &work.workflow {
            let input = self.template("workflow/input", &child.input, place);
            let version = child.version.as_deref().map(Arc::from);
            return Some(Doing::Workflow { name: Arc::from(child.name.as_str()), version, input });
        }
        if let Some(emit) = &work.emit {
            let topic = self.template("emit/topic", &Value::from(emit.topic.as_str()), place);
            let payload = self.template("emit/payload", &emit.payload, place);
            return Some(Doing::Emit { topic, payload });
        }
        if let Some(awaits) = &work.awaits {
            let topic = self.template("await/topic", &Value::from(awaits.topic.as_str()), place);
            let place = Place { message: true, ..place };
            let matches = awaits.matches.as_deref();
            let matches = matches.and_then(|text| self.condition("await/match", text, place));
            return Some(Doing::Await { topic, matches });
        }
        if work.doings().is_empty() {
            return None;
        }
        self.execute(work, terms, place)
    }

    fn execute(&mut self, work: &Work, terms: &Terms<'_>, place: Place) -> Option<Doing> {
        let single = work.agent.iter().map(|id| ("agent".to_owned(), id));
        let several = work.agents.iter().enumerate();
        let several = several.map(|(at, id)| (format!("agents/{at}"), id));
        let agents = single.chain(several).filter_map(|(key, id)| {
            AgentId::new(id).map_err(|error| self.faults.error(&key, error.to_string())).ok()
        });
        let agents: Vec<_> = agents.collect();
        let single = work.capability.iter().map(|text| ("capability".to_owned(), text));
        let several = work.capabilities.iter().enumerate();
        let several = several.map(|(at, text)| (format!("capabilities/{at}"), text));
        let capabilities = single.chain(several).filter_map(|(key, text)| {
            capability(text).map_err(|message| self.faults.error(&key, message)).ok()
        });
        let capabilities: Vec<_> = capabilities.collect();
        let mode = work.mode.unwrap_or(TaskMode::Single);
        let allocation = work.allocation.unwrap_or_default();
        if let Err(expected) = allocation.suits(mode, !agents.is_empty()) {
            self.faults.error("allocation", format!("found {allocation}: expected {expected}"));
        }
        Some(Doing::Execute {
            kind: Arc::from(work.kind.as_deref().unwrap_or(terms.id)),
            input: self.template("input", &work.input, place),
            agents,
            capabilities,
            collaboration: Collaboration {
                mode,
                allocation,
                consensus: work.consensus.unwrap_or_default(),
                competitive: work.competitive.unwrap_or_default(),
                allow_partial: work.allow_partial,
            },
        })
    }

    fn wait(&mut self, wait: &Wait, place: Place) -> Option<WaitPlan> {
        match (&wait.for_s, &wait.until) {
            (Some(span), None) => {
                let template = self.template("wait/for_s", span, place);
                let number = |value: &Value| value.as_f64().is_some_and(|span| span >= 0.0);
                if template.as_constant().is_some_and(|value| !number(value.value())) {
                    self.faults.error("wait/for_s", "expected a number of seconds");
                }
                Some(WaitPlan::For(template))
            }
            (None, Some(moment)) => {
                let template = self.template("wait/until", moment, place);
                let time =
                    |value: &Value| -> Option<jiff::Timestamp> { value.as_str()?.parse().ok() };
                if template.as_constant().is_some_and(|value| time(value.value()).is_none()) {
                    let message = "expected a moment like 2030-01-31T12:00:00Z";
                    self.faults.error("wait/until", message);
                }
                Some(WaitPlan::Until(template))
            }
            _ => {
                self.faults.error("wait", "expected one of for_s and until");
                None
            }
        }
    }

    fn approval(&mut self, approval: &Approval, place: Place) -> ApprovalPlan {
        if approval.needed == 0 {
            self.faults.error("approval/needed", "found 0: expected 1 or more");
        }
        let people = approval.people.len();
        if approval.roles.is_empty() && people > 0 && approval.needed as usize > people {
            let needed = approval.needed;
            let message = format!("{needed} must approve, and only {people} may");
            self.faults.error("approval/needed", message);
        }
        let mut escalate: Vec<_> = approval
            .escalate
            .iter()
            .map(|step| EscalationPlan {
                after: step.after_s,
                people: step.people.clone(),
                roles: step.roles.clone(),
            })
            .collect();
        escalate.sort_by_key(|step| step.after);
        if escalate.len() > 16 {
            self.faults.error("approval/escalate", "expected at most 16 steps of escalation");
        }
        ApprovalPlan {
            ask: self.template("approval/ask", &Value::from(approval.ask.as_str()), place),
            payload: self.template("approval/payload", &approval.payload, place),
            editable: approval.editable,
            people: approval.people.clone(),
            roles: approval.roles.clone(),
            needed: approval.needed,
            deadline: approval.deadline_s,
            at_deadline: approval.at_deadline,
            escalate,
        }
    }
}

/// `text.count`, `text.count@1.2`, `text.count@>=1.2.0`
fn capability(text: &str) -> Result<CapabilityRequirement, String> {
    let wrong = |error: synod_tasks::InvalidRequirement| error.to_string();
    let Some((name, version)) = text.split_once('@') else {
        return CapabilityRequirement::any(text).map_err(wrong);
    };
    let version = version.strip_prefix(">=").unwrap_or(version).trim();
    // A minimum may be written short: 1 and 1.2 are 1.0.0 and 1.2.0.
    let full = match version.matches('.').count() {
        0 => format!("{version}.0.0"),
        1 => format!("{version}.0"),
        _ => version.to_owned(),
    };
    format!("{name}@{full}").parse().map_err(wrong)
}

/// The ranges of a retry.
pub(super) fn check_retry(retry: &Retry, faults: &mut Faults) {
    let checks = [
        ((1..=1_000).contains(&retry.max_attempts), "max_attempts", "1 to 1000"),
        (retry.initial_ms <= 3_600_000, "initial_ms", "0 to 3600000"),
        ((1.0..=100.0).contains(&retry.multiplier), "multiplier", "1 to 100"),
        (retry.max_ms <= 86_400_000, "max_ms", "0 to 86400000"),
        ((0.0..=1.0).contains(&retry.jitter), "jitter", "0 to 1"),
        (retry.max_lost <= 1_000, "max_lost", "0 to 1000"),
    ];
    for (_, key, expected) in checks.into_iter().filter(|(good, ..)| !good) {
        faults.error(key, format!("out of range: expected {expected}"));
    }
    if retry.retry_on.as_ref().is_some_and(|kinds| kinds.contains(&ErrorKind::CriticalError)) {
        faults.error("retry_on", "a critical_error is never retried");
    }
}
