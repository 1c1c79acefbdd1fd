//! The figures of a case over the rounds.

use std::time::Duration;

use crate::load::Sample;

/// One figure of each round.
#[derive(Debug, Default)]
pub(crate) struct Rounds(Vec<f64>);

impl Rounds {
    pub(crate) fn add(&mut self, figure: f64) {
        self.0.push(figure);
    }

    /// The middle one; of an even number the lower of the two.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::min)
    }

    pub(crate) fn most(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::max)
    }
}

/// All figures of a case; times in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) per_s: Rounds,
    pub(crate) p50: Rounds,
    pub(crate) p99: Rounds,
    /// Processor time for each call.
    pub(crate) node: Rounds,
    pub(crate) client: Rounds,
    pub(crate) agents: Rounds,
}

impl Figures {
    pub(crate) fn add(&mut self, sample: &Sample) {
        let count = sample.latencies.len() as f64;
        self.per_s.add(count / sample.wall.as_secs_f64());
        self.p50.add(percentile(&sample.latencies, 0.5));
        self.p99.add(percentile(&sample.latencies, 0.99));
        self.node.add(millis(sample.cpu.node) / count);
        self.client.add(millis(sample.cpu.client) / count);
        self.agents.add(millis(sample.cpu.agents) / count);
    }

    /// Whether the case was measured at all.
    pub(crate) fn is_there(&self) -> bool {
        !self.per_s.0.is_empty()
    }

    /// Of all processes together.
    pub(crate) fn cpu_ms(&self) -> f64 {
        self.node.median() + self.client.median() + self.agents.median()
    }
}

/// In milliseconds, of sorted times.
pub(crate) fn percentile(sorted: &[Duration], share: f64) -> f64 {
    let index = (sorted.len() as f64 * share) as usize;
    let time = sorted.get(index).or(sorted.last());
    time.map_or(f64::NAN, |time| millis(*time))
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
