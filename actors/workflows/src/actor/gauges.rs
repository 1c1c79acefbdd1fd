//! Metrics of the engine.

use metrics::{Counter, Gauge, counter, gauge};
use synod_runtime::Context;

use super::WorkflowEngine;
use crate::index::Index;
use crate::messages::RunState;

/// Shortest time between updates, microseconds.
const PERIOD_US: u64 = 500_000;

/// The states in which a run is open.
const OPEN: [RunState; 5] = [
    RunState::Pending,
    RunState::Running,
    RunState::Waiting,
    RunState::Paused,
    RunState::Compensating,
];

/// Handles of the engine's metrics.
pub(super) struct Gauges {
    accepted: Counter,
    ended: [(RunState, Counter); 3],
    executions: Counter,
    open: [(RunState, Gauge); 5],
    active: Gauge,
    history_bytes: Gauge,
    updated: Option<u64>,
}

impl Gauges {
    pub(super) fn new() -> Self {
        let ended = |state: RunState| {
            (state, counter!("synod_workflow_runs_ended_total", "state" => state.to_string()))
        };
        let open = |state: RunState| {
            (state, gauge!("synod_workflow_runs_open", "state" => state.to_string()))
        };
        Self {
            accepted: counter!("synod_workflow_runs_accepted_total"),
            ended: [RunState::Completed, RunState::Failed, RunState::Cancelled].map(ended),
            executions: counter!("synod_workflow_executions_total"),
            open: OPEN.map(open),
            active: gauge!("synod_workflow_runs_active"),
            history_bytes: gauge!("synod_workflow_history_bytes"),
            updated: None,
        }
    }

    fn set(&self, index: &Index, active: usize) {
        let counters = &index.counters;
        self.accepted.absolute(counters.accepted);
        self.executions.absolute(counters.steps.executions);
        for (state, counter) in &self.ended {
            counter.absolute(match state {
                RunState::Completed => counters.completed,
                RunState::Failed => counters.failed,
                _ => counters.cancelled,
            });
        }
        for (state, gauge) in &self.open {
            gauge.set(index.count(*state) as f64);
        }
        self.active.set(active as f64);
        self.history_bytes.set(index.held() as f64);
    }
}

impl WorkflowEngine {
    /// Brings the metrics up to date, if that was not done just now.
    pub(super) fn update_gauges(&mut self, ctx: &Context<Self>) {
        let now = self.mono(ctx);
        if self.gauges.updated.is_some_and(|updated| now < updated + PERIOD_US) {
            return;
        }
        self.gauges.updated = Some(now);
        self.gauges.set(&self.index, self.seats.len());
        let (open, active) = (self.index.counters.open(), self.seats.len());
        ctx.describe(format!("{open} open, {active} with an actor"));
    }
}
