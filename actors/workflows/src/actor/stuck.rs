//! Runs that nobody can go on with: their actor ended again and again without having stored
//! anything, because their history can't be read or replayed. They are left as they are, visible
//! with the reason; nothing of them is lost. A restart of the engine and every order tries again.

use std::sync::Arc;

use synod_runtime::{Context, ExitReason};

use super::WorkflowEngine;
use crate::index::{Entry, summary};
use crate::messages::{RunError, RunId, RunPage, RunStatusResponse};

/// Tries in a row after which a run is left alone.
pub(super) const TRIES: u32 = 8;

/// What a run's error is called while it is stuck.
const STUCK: &str = "stuck";

impl WorkflowEngine {
    /// Leaves a run alone that can't be gone on with, and answers who waits for its end.
    pub(super) fn strand(&mut self, run: RunId, reason: &ExitReason, ctx: &mut Context<Self>) {
        tracing::error!(run_id = %run, %reason, "a run is stuck: nobody can go on with it");
        self.seats.stuck.insert(run, Arc::from(reason.to_string()));
        let waiters = self.waiters.take(run);
        self.show_all(run, waiters, ctx);
    }

    /// Why a run is stuck, if it is.
    pub(super) fn stuck(&self, run: RunId) -> Option<&Arc<str>> {
        self.seats.stuck.get(&run)
    }

    /// Says of runs on a page which are stuck.
    pub(super) fn tell_stuck(&self, page: &mut RunPage) {
        for run in &mut page.runs {
            run.stuck = self.stuck(run.run_id).map(ToString::to_string);
        }
    }
}

/// What can be told of a run whose history can't be read.
pub(super) fn unreadable(run: RunId, entry: &Entry, why: &str) -> RunStatusResponse {
    let mut summary = summary(run, entry);
    summary.stuck = Some(why.to_owned());
    let error = RunError {
        kind: STUCK.to_owned(),
        message: format!("the run can't be gone on with: {why}"),
        step: None,
        agent: None,
    };
    RunStatusResponse {
        summary,
        input: serde_json::Value::Null,
        variables: Default::default(),
        steps: Vec::new(),
        fallback: Vec::new(),
        outputs: None,
        error: Some(error),
        links: Vec::new(),
        history_events: entry.events,
        idempotency_key: entry.key.as_ref().map(|(key, _)| key.to_string()),
        deadline: None,
    }
}
