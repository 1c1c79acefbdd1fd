//! The engine's decisions in the log, at level debug, when they go to the journal.

use tracing::Level;

use super::TaskEngine;
use crate::machine::{Effects, Event};
use crate::task::{Failure, TaskId, TaskState, Verdict};

/// What is told of an event beside its task.
#[derive(Default)]
struct Decision<'a> {
    what: &'static str,
    part: Option<u16>,
    attempt: Option<u32>,
    agent: Option<&'a str>,
    chosen: Option<&'a str>,
    failure: Option<&'a Failure>,
    state: Option<TaskState>,
}

impl<'a> Decision<'a> {
    fn of(event: &'a Event) -> Self {
        let told = |what| Self { what, ..Self::default() };
        let of = |part: &u16, what| Self { part: Some(*part), ..told(what) };
        match event {
            Event::Accepted { .. } => told("task accepted"),
            Event::Planned(_) => told("task planned"),
            Event::Started { part, attempt, agent, chosen, .. } => Self {
                attempt: Some(*attempt),
                agent: Some(agent),
                chosen: chosen.as_deref(),
                ..of(part, "part dispatched")
            },
            Event::Succeeded { part, .. } => of(part, "part done"),
            Event::Retried { part, failure, .. } => {
                Self { failure: Some(failure), ..of(part, "part to be retried") }
            }
            Event::Resumed { part } => of(part, "part queued again"),
            Event::Lost { part, why } => {
                Self { failure: why.as_ref(), ..of(part, "execution lost") }
            }
            Event::Returned { part, why } => {
                Self { failure: why.as_ref(), ..of(part, "part handed back") }
            }
            Event::PartFailed { part, failure } => {
                Self { failure: Some(failure), ..of(part, "part failed") }
            }
            Event::Ended(verdict) => Self { state: Some(state(verdict)), ..told("task ended") },
        }
    }
}

fn state(verdict: &Verdict) -> TaskState {
    match verdict {
        Verdict::CompletedBy(_) | Verdict::Completed(_) => TaskState::Completed,
        Verdict::Failed(..) => TaskState::Failed,
        Verdict::Cancelled(_) => TaskState::Cancelled,
    }
}

impl TaskEngine {
    /// Tells each event that is about to be stored, with the trace of its task.
    pub(super) fn log_decisions(&self, effects: &Effects) {
        if !tracing::enabled!(Level::DEBUG) {
            return;
        }
        for gathered in &effects.records {
            for entry in &gathered.record.entries {
                self.log_decision(gathered.record.task, &Decision::of(&entry.event));
            }
        }
    }

    fn log_decision(&self, id: TaskId, decision: &Decision<'_>) {
        let trace = self.machine.book().task(id).and_then(|task| task.spec.correlation);
        tracing::debug!(
            task_id = %id,
            trace_id = trace.map(|trace| tracing::field::display(trace.trace_shown())),
            part = decision.part,
            attempt = decision.attempt,
            agent = decision.agent,
            because = decision.chosen,
            state = decision.state.map(tracing::field::display),
            error = decision.failure.map(|failure| failure.message.as_str()),
            "{}",
            decision.what
        );
    }
}
