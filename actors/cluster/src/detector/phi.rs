//! The phi accrual failure detector of one node (Hayashibara, Défago, Yared, Katayama, 2004).

use std::collections::VecDeque;
use std::time::Duration;

use super::config::DetectorConfig;

/// How unlikely it is that a node that has been silent for so long still lives:
/// `phi = -log10(P(a heartbeat comes later than this))`, intervals taken as normal.
///
/// Pure: times are given by the caller, from any origin, and never go back; one that does counts
/// as no time passed.
#[derive(Debug, Clone)]
pub struct PhiAccrual {
    config: DetectorConfig,
    /// Intervals in microseconds, the oldest first.
    intervals: VecDeque<u64>,
    sum: u64,
    squares: u128,
    last: Duration,
}

impl PhiAccrual {
    /// A detector whose node gave its first sign of life at `now`.
    #[must_use]
    pub fn new(config: DetectorConfig, now: Duration) -> Self {
        let mut detector =
            Self { config, intervals: VecDeque::new(), sum: 0, squares: 0, last: now };
        // Two guesses around the expected interval, so that there is a deviation from the start.
        let (usual, quarter) = (config.interval(), config.interval() / 4);
        detector.remember(usual - quarter);
        detector.remember(usual + quarter);
        detector
    }

    /// A heartbeat has come.
    pub fn heartbeat(&mut self, now: Duration) {
        let silence = now.saturating_sub(self.last);
        // What was an outage says nothing about the usual rhythm.
        if self.phi(now, Duration::ZERO) < self.config.threshold {
            self.remember(silence);
        }
        self.last = self.last.max(now);
    }

    /// How long the node has been silent.
    #[must_use]
    pub fn silence(&self, now: Duration) -> Duration {
        now.saturating_sub(self.last)
    }

    /// Phi at `now`: 0 and up. `slack` is silence that is our own fault: how late this node's own
    /// event loop is.
    #[must_use]
    pub fn phi(&self, now: Duration, slack: Duration) -> f64 {
        let count = self.intervals.len() as f64;
        let mean = self.sum as f64 / count;
        let variance = (self.squares as f64 / count - mean * mean).max(0.0);
        let deviation = variance.sqrt().max(micros(self.config.min_deviation()) as f64);
        let usual = mean + (micros(self.config.acceptable_pause()) + micros(slack)) as f64;
        let y = (micros(self.silence(now)) as f64 - usual) / deviation;
        // The logistic approximation of the normal distribution, good to 0.014 %:
        // P_later = 1 / (1 + e^x), so phi = ln(1 + e^x) / ln 10, here without an overflow.
        let x = y * (1.5976 + 0.070_566 * y * y);
        (x.max(0.0) + (-x.abs()).exp().ln_1p()) / std::f64::consts::LN_10
    }

    /// Whether phi has reached the threshold.
    #[must_use]
    pub fn is_suspicious(&self, now: Duration, slack: Duration) -> bool {
        self.phi(now, slack) >= self.config.threshold
    }

    fn remember(&mut self, interval: Duration) {
        let interval = micros(interval);
        if self.intervals.len() >= self.config.samples.max(2)
            && let Some(oldest) = self.intervals.pop_front()
        {
            self.sum -= oldest;
            self.squares -= square(oldest);
        }
        self.intervals.push_back(interval);
        self.sum += interval;
        self.squares += square(interval);
    }
}

/// Microseconds, at most an hour of them, so that sums can't overflow.
fn micros(time: Duration) -> u64 {
    const HOUR: Duration = Duration::from_secs(3600);
    time.min(HOUR).as_micros() as u64
}

fn square(value: u64) -> u128 {
    u128::from(value) * u128::from(value)
}
