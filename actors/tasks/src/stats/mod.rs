//! What is measured while the engine runs. It is volatile: counters that must survive are in the
//! ledger ([`crate::machine`]).

mod histogram;
mod rate;

use std::collections::BTreeMap;

pub use self::histogram::Histogram;
pub use self::rate::Rate;
use crate::matching::Requirement;
use crate::messages::{
    BiddingStats, CapabilityStats, LatencyStats, Quantiles, ThroughputStats, Windows,
};

/// Most capabilities that are counted one by one.
const MAX_CAPABILITIES: usize = 256;

/// How an execution ended, as far as statistics are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ran {
    /// With an output, after this many microseconds.
    Completed(u64),
    Failed,
    Lost,
}

/// Latencies, rates and counts since the engine began.
#[derive(Debug, Default)]
pub(crate) struct Statistics {
    queue: Histogram,
    run: Histogram,
    total: Histogram,
    accepted: Rate,
    ended: Rate,
    capabilities: BTreeMap<String, Capability>,
    /// Results that came after their execution had been given up.
    pub late: u64,
    /// Rounds in which agents were asked.
    pub bidding: BiddingStats,
}

#[derive(Debug, Default, Clone, Copy)]
struct Capability {
    completed: u64,
    failed: u64,
    lost: u64,
    busy_us: u64,
}

/// The times of a task that has ended, UTC microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub accepted: i64,
    pub started: Option<i64>,
    pub ended: i64,
}

impl Statistics {
    pub(crate) fn task_accepted(&mut self, now: u64) {
        self.accepted.count(now);
    }

    pub(crate) fn task_ended(&mut self, times: Times, now: u64) {
        let between = |from: i64, to: i64| u64::try_from(to - from).unwrap_or(0);
        self.ended.count(now);
        self.total.record(between(times.accepted, times.ended));
        if let Some(started) = times.started {
            self.queue.record(between(times.accepted, started));
            self.run.record(between(started, times.ended));
        }
    }

    /// Counts an execution for each capability that it required.
    pub(crate) fn ran(&mut self, requirement: &Requirement, ran: Ran) {
        for required in &requirement.capabilities {
            let known = self.capabilities.contains_key(&required.name);
            if !known && self.capabilities.len() < MAX_CAPABILITIES {
                self.capabilities.insert(required.name.clone(), Capability::default());
            }
            let Some(counted) = self.capabilities.get_mut(&required.name) else { continue };
            match ran {
                Ran::Completed(us) => {
                    counted.completed += 1;
                    counted.busy_us += us;
                }
                Ran::Failed => counted.failed += 1,
                Ran::Lost => counted.lost += 1,
            }
        }
    }

    pub(crate) fn latency(&self) -> LatencyStats {
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
        LatencyStats { queue: of(&self.queue), run: of(&self.run), total: of(&self.total) }
    }

    pub(crate) fn throughput(&mut self, now: u64) -> ThroughputStats {
        let of = |rate: &mut Rate| Windows {
            m1: rate.per_second(now, 1),
            m5: rate.per_second(now, 5),
            m15: rate.per_second(now, 15),
        };
        ThroughputStats { accepted: of(&mut self.accepted), ended: of(&mut self.ended) }
    }

    pub(crate) fn capabilities(&self) -> BTreeMap<String, CapabilityStats> {
        let of = |counted: &Capability| CapabilityStats {
            completed: counted.completed,
            failed: counted.failed,
            lost: counted.lost,
            mean_ms: counted.busy_us as f64 / 1_000.0 / counted.completed.max(1) as f64,
        };
        self.capabilities.iter().map(|(name, counted)| (name.clone(), of(counted))).collect()
    }
}
