//! Metrics of the engine.

use metrics::{Counter, Gauge, counter, gauge};
use synod_runtime::{Actor, Context};

use crate::machine::{TaskMachine, total};
use crate::messages::LatencyStats;
use crate::task::Moment;

/// Shortest time between updates, microseconds.
const PERIOD_US: u64 = 500_000;

/// Handles of the engine's metrics.
pub(super) struct Gauges {
    accepted: Counter,
    completed: Counter,
    failed: Counter,
    cancelled: Counter,
    executions: Counter,
    lost: Counter,
    kept: Counter,
    kept_open: Gauge,
    pending: Gauge,
    queued: Gauge,
    running: Gauge,
    /// Median and 99th percentile, in seconds, of each of the three latencies.
    latencies: [(Gauge, Gauge); 3],
    updated: u64,
}

impl Gauges {
    pub(super) fn new() -> Self {
        Self {
            accepted: counter!("synod_tasks_accepted_total"),
            completed: counter!("synod_tasks_ended_total", "state" => "completed"),
            failed: counter!("synod_tasks_ended_total", "state" => "failed"),
            cancelled: counter!("synod_tasks_ended_total", "state" => "cancelled"),
            executions: counter!("synod_task_executions_total"),
            lost: counter!("synod_task_executions_lost_total"),
            kept: counter!("synod_kept_executions_total"),
            kept_open: gauge!("synod_kept_executions_open"),
            pending: gauge!("synod_tasks_open", "state" => "pending"),
            queued: gauge!("synod_tasks_open", "state" => "queued"),
            running: gauge!("synod_tasks_open", "state" => "running"),
            latencies: ["queue", "run", "total"].map(|phase| {
                let of = |quantile: &'static str| {
                    gauge!("synod_task_latency_seconds", "phase" => phase, "quantile" => quantile)
                };
                (of("0.5"), of("0.99"))
            }),
            updated: 0,
        }
    }

    /// Brings them up to date, if that was not done just now.
    pub(super) fn update<A: Actor>(
        &mut self,
        now: Moment,
        machine: &TaskMachine,
        ctx: &Context<A>,
    ) {
        if now.mono < self.updated + PERIOD_US && self.updated > 0 {
            return;
        }
        self.updated = now.mono;
        let (counters, open) = (&machine.book().counters, &machine.book().open);
        self.accepted.absolute(total(&counters.accepted));
        self.completed.absolute(total(&counters.completed));
        self.failed.absolute(total(&counters.failed));
        self.cancelled.absolute(total(&counters.cancelled));
        self.executions.absolute(counters.parts.started);
        self.lost.absolute(counters.parts.lost);
        let kept = machine.executions();
        self.kept.absolute(kept.started);
        self.kept_open.set(kept.open as f64);
        self.pending.set(total(&open.pending) as f64);
        self.queued.set(total(&open.queued) as f64);
        self.running.set(total(&open.running) as f64);
        let LatencyStats { queue, run, total: whole } = machine.latency();
        for ((median, high), quantiles) in self.latencies.iter().zip([queue, run, whole]) {
            median.set(quantiles.p50_ms / 1_000.0);
            high.set(quantiles.p99_ms / 1_000.0);
        }
        let waiting = total(&open.pending) + total(&open.queued);
        ctx.describe(format!("{waiting} waiting, {} running", total(&open.running)));
    }
}
