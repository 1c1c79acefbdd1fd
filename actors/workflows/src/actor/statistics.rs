//! What is measured while the engine runs. It is volatile: counters that must survive are in the
//! index.

use synod_tasks::{Histogram, Quantiles, Rate, ThroughputStats, Windows};

use crate::index::Entry;
use crate::messages::RunLatency;

/// Latencies and rates since the engine began.
#[derive(Debug, Default)]
pub(super) struct Statistics {
    admission: Histogram,
    total: Histogram,
    accepted: Rate,
    ended: Rate,
}

impl Statistics {
    pub(super) fn accepted(&mut self, now: u64) {
        self.accepted.count(now);
    }

    pub(super) fn ended(&mut self, entry: &Entry, now: u64) {
        let since = |from: i64, to: i64| u64::try_from(to - from).unwrap_or(0);
        self.ended.count(now);
        if let Some(ended) = entry.ended_at {
            self.total.record(since(entry.accepted_at, ended));
        }
        if let Some(started) = entry.started_at {
            self.admission.record(since(entry.accepted_at, started));
        }
    }

    pub(super) fn latency(&self) -> RunLatency {
        let of = |histogram: &Histogram| {
            let ms = |us: u64| us as f64 / 1_000.0;
            Quantiles {
                count: histogram.count(),
                p50_ms: ms(histogram.quantile(0.5)),
                p90_ms: ms(histogram.quantile(0.9)),
                p99_ms: ms(histogram.quantile(0.99)),
                max_ms: ms(histogram.max()),
            }
        };
        RunLatency { admission: of(&self.admission), total: of(&self.total) }
    }

    pub(super) fn throughput(&mut self, now: u64) -> ThroughputStats {
        let of = |rate: &mut Rate| Windows {
            m1: rate.per_second(now, 1),
            m5: rate.per_second(now, 5),
            m15: rate.per_second(now, 15),
        };
        ThroughputStats { accepted: of(&mut self.accepted), ended: of(&mut self.ended) }
    }

    /// Runs that end in a second, of late.
    pub(super) fn ends_per_second(&mut self, now: u64) -> f64 {
        self.ended.per_second(now, 1)
    }
}
