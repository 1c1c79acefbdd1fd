//! Events in words: for the history of a run, and for who listens to its changes.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::definition::DefinitionHash;
use crate::plan::{Plan, StepIndex};
use crate::run::{Begun, Carried, Ending, Event, Failure, Handling, Part, Spot};

/// Most bytes of a value in a description.
const SHOWN_VALUE: usize = 4 << 10;

/// An event in words.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    /// What happened: `step.completed`.
    pub name: &'static str,
    pub step: Option<Arc<str>>,
    /// One sentence for people.
    pub text: String,
    /// What belongs to it, for programs.
    pub details: Value,
}

/// Follows the events of a run, so that it knows which plan a step's number belongs to.
#[derive(Debug, Default)]
pub(crate) struct Teller {
    /// The plan, and its fallbacks that were begun.
    plans: Vec<Arc<Plan>>,
    /// How many there were at each checkpoint.
    checkpoints: HashMap<Arc<str>, usize>,
    /// How many of them are undone already, the last ones.
    unwound: usize,
}

impl Teller {
    /// Follows an event. `plan` knows the plans of all definitions.
    pub(crate) fn follow(
        &mut self,
        event: &Event,
        plan: impl Fn(&DefinitionHash) -> Option<Arc<Plan>>,
    ) {
        match event {
            Event::Opened(opening) => self.plans = plan(&opening.definition).into_iter().collect(),
            Event::FellBack { .. } => {
                let fallback = self.plans.last().and_then(|plan| plan.fallback.clone());
                self.plans.extend(fallback);
            }
            Event::Unwound => self.unwound += 1,
            Event::Concluded { .. } | Event::Ended { .. } => self.unwound = 0,
            Event::RolledBack { to, .. } => {
                let levels = self.checkpoints.get(to).copied().unwrap_or(1);
                self.plans.truncate(levels.max(1));
                self.unwound = 0;
            }
            Event::Checkpointed { name, .. } => {
                self.checkpoints.insert(Arc::clone(name), self.plans.len());
            }
            Event::Amended(amended) => self.amended(plan(&amended.definition)),
            _ => {}
        }
    }

    /// Each level goes on by what the new definition has in its place.
    fn amended(&mut self, plan: Option<Arc<Plan>>) {
        let (levels, mut next) = (self.plans.len(), plan);
        self.plans.clear();
        while let (true, Some(plan)) = (self.plans.len() < levels, next.take()) {
            next = plan.fallback.clone();
            self.plans.push(plan);
        }
    }

    /// The level that is worked on: 0 for the plan itself, 1 for its fallback, and so on.
    pub(crate) fn level(&self) -> u32 {
        u32::try_from(self.plans.len().saturating_sub(1 + self.unwound)).unwrap_or(u32::MAX)
    }

    /// The id of a step of this level.
    pub(crate) fn step(&self, step: StepIndex) -> Option<Arc<str>> {
        let plan = self.plans.iter().rev().nth(self.unwound)?;
        plan.steps().get(step.at()).map(|step| Arc::clone(&step.id))
    }

    fn spot(&self, spot: Spot) -> (Option<Arc<str>>, String) {
        match spot.part {
            Part::OnFinish => (None, "on_finish".to_owned()),
            Part::OnCancel => (None, "on_cancel".to_owned()),
            part => {
                let id = self.step(spot.step);
                let shown = id.as_deref().unwrap_or("?");
                let text = match part {
                    Part::Item(item) => format!("step '{shown}', item {item}"),
                    Part::Compensation => format!("compensation of step '{shown}'"),
                    _ => format!("step '{shown}'"),
                };
                (id, text)
            }
        }
    }

    /// An event in words, before it is followed.
    pub(crate) fn tell(&self, event: &Event) -> Told {
        match event {
            Event::Opened(_)
            | Event::Began { .. }
            | Event::CancelRequested { .. }
            | Event::Paused { .. }
            | Event::Resumed { .. }
            | Event::HandedBack
            | Event::ChildStopped { .. }
            | Event::MessageKept { .. }
            | Event::MessageDropped
            | Event::Concluded { .. }
            | Event::Ended { .. } => of_run(event),
            Event::LevelFailed { .. }
            | Event::FellBack { .. }
            | Event::Unwound
            | Event::Checkpointed { .. }
            | Event::RollbackBegan { .. }
            | Event::RolledBack { .. }
            | Event::Amended(_) => of_plan(event),
            Event::Carried { .. } | Event::Joined { .. } | Event::Skipped { .. } => {
                self.of_step(event)
            }
            event => self.of_work(event),
        }
    }

    fn of_step(&self, event: &Event) -> Told {
        let (name, index, text, details) = match event {
            Event::Carried { step, visit, result } => {
                let how = match result {
                    Carried::Completed(_) => "completed",
                    Carried::Skipped => "skipped",
                    Carried::Handled(_) => "failed, and handled",
                };
                let text = format!("counts as in the older run: {how}");
                ("step.carried", step, text, json!({"visit": visit, "how": how}))
            }
            Event::Skipped { step } => {
                ("step.skipped", step, "is not to be done".to_owned(), json!({}))
            }
            Event::Joined { step } => {
                ("step.completed", step, "is done, with all its parts".to_owned(), json!({}))
            }
            _ => return told("run.event", "something happened", json!({})),
        };
        let step = self.step(*index);
        let shown = step.as_deref().unwrap_or("?");
        Told { name, text: format!("step '{shown}' {text}"), details, step }
    }

    fn of_work(&self, event: &Event) -> Told {
        let (name, spot, does, mut details) = work(event);
        let (step, shown) = self.spot(spot);
        let part = match spot.part {
            Part::Whole => None,
            Part::Item(item) => Some(json!({"item": item})),
            Part::Compensation => Some(json!("compensation")),
            Part::OnFinish => Some(json!("on_finish")),
            Part::OnCancel => Some(json!("on_cancel")),
        };
        if let (Some(part), Value::Object(members)) = (part, &mut details) {
            members.insert("part".to_owned(), part);
        }
        Told { name, step, text: format!("{shown} {does}"), details }
    }
}

/// What happened to a piece of work: its name, where, in words, for programs.
fn work(event: &Event) -> (&'static str, Spot, String, Value) {
    match event {
        Event::Started { spot, begun, .. } => {
            let (name, does, details) = begun_told(begun);
            (name, *spot, does, details)
        }
        Event::Again { spot, .. } => {
            ("step.started", *spot, "is tried again".to_owned(), json!({"again": true}))
        }
        Event::Redispatched { spot } => {
            let does = "is given out again after a restart".to_owned();
            ("step.started", *spot, does, json!({"again": true}))
        }
        Event::Retrying { spot, failure, until } => {
            let does = format!("failed ({failure}) and is tried again", failure = shown(failure));
            let at = crate::index::time(*until);
            ("step.retrying", *spot, does, json!({"error": error(failure), "at": at}))
        }
        Event::Lost { spot, why } => {
            ("step.lost", *spot, format!("was lost: {why}"), json!({"why": &**why}))
        }
        Event::Succeeded { spot, output, agent, ran_us } => {
            let output = (output.size() <= SHOWN_VALUE).then(|| output.value().clone());
            let ran_ms = *ran_us as f64 / 1_000.0;
            let details = json!({"agent": agent.as_deref(), "ran_ms": ran_ms, "output": output});
            ("step.completed", *spot, "is done".to_owned(), details)
        }
        Event::MessageTaken { spot, number } => {
            let does = "is done, with a message that had come before".to_owned();
            ("step.completed", *spot, does, json!({"message": number}))
        }
        Event::Spent { spot, usage } => {
            let money = usage.money_micros as f64 / 1e6;
            let does = format!("used up {} tokens and {money} in money", usage.tokens);
            ("step.spent", *spot, does, json!({"tokens": usage.tokens, "money": money}))
        }
        Event::Failed { spot, failure, handling } => {
            let then = handling_told(handling);
            let does = format!("failed ({}): {then}", shown(failure));
            ("step.failed", *spot, does, json!({"error": error(failure), "then": then}))
        }
        Event::Decided { spot, decided } => {
            let verdict = if decided.approved { "approved" } else { "rejected" };
            let does = format!("was {verdict} by {}", decided.by);
            let details = json!({
                "verdict": verdict, "by": decided.by.to_string(),
                "reason": decided.reason.as_deref(), "edited": decided.payload.is_some(),
            });
            ("approval.decided", *spot, does, details)
        }
        Event::Escalated { spot, number } => {
            let does = "waits for a decision for long".to_owned();
            ("approval.escalated", *spot, does, json!({"number": number}))
        }
        Event::Late { ticket, error } => {
            let does = "gave a result too late; it is ignored".to_owned();
            let error = error.map(|kind| kind.as_str());
            let details = json!({"attempt": ticket.attempt, "error": error});
            ("step.late", ticket.spot, does, details)
        }
        _ => ("run.event", Spot::whole(StepIndex(0)), String::new(), json!({})),
    }
}

fn begun_told(begun: &Begun) -> (&'static str, String, Value) {
    let time = crate::index::time;
    match begun {
        Begun::Execution => ("step.started", "is given to an agent".to_owned(), json!({})),
        Begun::Timer { until } => {
            let until = time(*until);
            ("step.waiting", format!("waits until {until}"), json!({"until": until}))
        }
        Begun::Child { run } => {
            ("step.started", format!("waits for run {run}"), json!({"child": run}))
        }
        Begun::Approval(asked) => {
            let details = json!({
                "approval": asked.id, "question": &*asked.question,
                "deadline": asked.deadline.map(time),
            });
            ("approval.requested", format!("asks: {}", asked.question), details)
        }
        Begun::Message { topic, until } => {
            let details = json!({"topic": &**topic, "until": until.map(time)});
            ("step.waiting", format!("awaits a message on '{topic}'"), details)
        }
        Begun::Emission { topic } => {
            ("step.started", format!("emits on '{topic}'"), json!({"topic": &**topic}))
        }
        Begun::Items { count } => {
            ("step.started", format!("has {count} items"), json!({"items": count}))
        }
        Begun::Race { count } => {
            ("step.started", format!("is a race of {count}"), json!({"racers": count}))
        }
    }
}

fn handling_told(handling: &Handling) -> &'static str {
    match handling {
        Handling::Skip => "it counts as skipped",
        Handling::Default(_) => "a default stands in for its result",
        Handling::GoTo(_) => "the run goes on elsewhere",
        Handling::Compensate => "what was done is undone",
        Handling::Fail => "the plan fails",
    }
}

fn told(name: &'static str, text: impl Into<String>, details: Value) -> Told {
    Told { name, step: None, text: text.into(), details }
}

fn shown(failure: &Failure) -> String {
    format!("{}: {}", failure.kind, failure.message)
}

pub(crate) fn error(failure: &Failure) -> Value {
    json!({
        "kind": failure.kind.as_str(), "message": &*failure.message,
        "agent": failure.agent.as_deref(),
    })
}

fn of_run(event: &Event) -> Told {
    match event {
        Event::Opened(opening) => {
            let details = json!({"workflow": &*opening.name, "version": &*opening.version});
            told("run.accepted", format!("accepted from {}", opening.principal), details)
        }
        Event::Began { .. } => told("run.started", "admitted", json!({})),
        Event::CancelRequested { by, why, compensate } => {
            let details = json!({"by": by.to_string(), "why": &**why, "compensate": compensate});
            told("run.cancelling", format!("{by} asked to cancel it"), details)
        }
        Event::Paused { by } => {
            told("run.paused", format!("paused by {by}"), json!({"by": by.to_string()}))
        }
        Event::Resumed { by } => {
            told("run.resumed", format!("resumed by {by}"), json!({"by": by.to_string()}))
        }
        Event::HandedBack => {
            told("run.handed_back", "the node stops; what was executed is done again", json!({}))
        }
        Event::ChildStopped { run } => {
            told("run.child_stopped", format!("run {run} has ended"), json!({"child": run}))
        }
        Event::MessageKept { topic, key, .. } => {
            let details = json!({"topic": &**topic, "key": key.as_deref()});
            told(
                "message.kept",
                format!("a message on '{topic}' is kept until it is awaited"),
                details,
            )
        }
        Event::MessageDropped => {
            let text = "the oldest message that was kept is dropped, as there are too many";
            told("message.dropped", text, json!({}))
        }
        Event::Concluded { ending } => ending_told("run.concluding", ending),
        Event::Ended { ending } => {
            let name = match ending {
                Ending::Completed(_) => "run.completed",
                Ending::Failed { .. } => "run.failed",
                Ending::Cancelled { .. } => "run.cancelled",
            };
            ending_told(name, ending)
        }
        _ => told("run.event", "something happened", json!({})),
    }
}

fn ending_told(name: &'static str, ending: &Ending) -> Told {
    match ending {
        Ending::Completed(outputs) => {
            let outputs = (outputs.size() <= SHOWN_VALUE).then(|| outputs.value().clone());
            told(name, "it is done", json!({"outputs": outputs}))
        }
        Ending::Failed { failure, step } => {
            let text = format!("it failed ({})", shown(failure));
            let details = json!({"error": error(failure), "step": step.as_deref()});
            told(name, text, details)
        }
        Ending::Cancelled { by, why } => {
            let details = json!({"by": by.to_string(), "why": &**why});
            told(name, format!("cancelled by {by}: {why}"), details)
        }
    }
}

fn of_plan(event: &Event) -> Told {
    match event {
        Event::LevelFailed { failure } => {
            told("plan.failed", shown(failure), json!({"error": error(failure)}))
        }
        Event::FellBack { .. } => {
            told("plan.fallback", "the plan failed; its fallback goes on", json!({}))
        }
        Event::Unwound => {
            let text = "what the fallback did is undone; now what the plan before it did is";
            told("plan.unwinding", text, json!({}))
        }
        Event::Checkpointed { name, by } => {
            let details = json!({"checkpoint": &**name, "by": by.to_string()});
            told("run.checkpointed", format!("checkpoint '{name}' by {by}"), details)
        }
        Event::RollbackBegan { to, by, why } | Event::RolledBack { to, by, why } => {
            let done = matches!(event, Event::RolledBack { .. });
            let name = if done { "run.rolled_back" } else { "run.rolling_back" };
            let details = json!({"to": &**to, "by": by.to_string(), "why": &**why});
            told(name, format!("back to checkpoint '{to}' for {by}"), details)
        }
        Event::Amended(amended) => {
            let details = json!({
                "definition": amended.definition.to_string(), "by": amended.by.to_string(),
                "why": &*amended.why,
            });
            told("run.amended", format!("amended by {}: {}", amended.by, amended.why), details)
        }
        _ => told("run.event", "something happened", json!({})),
    }
}
