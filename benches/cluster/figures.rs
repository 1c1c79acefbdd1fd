//! Figures over rounds.

use std::time::Duration;

/// One figure of each round.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rounds(Vec<f64>);

impl Rounds {
    pub(crate) fn add(&mut self, figure: f64) {
        self.0.push(figure);
    }

    /// The middle one; of an even number the lower of the two. NaN of none.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
    }

    fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::min)
    }

    fn most(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::max)
    }

    /// The median, and from where to where the rounds went.
    pub(crate) fn spread(&self, digits: usize) -> String {
        let (least, most) = (self.least(), self.most());
        format!("{:.digits$} [{least:.digits$}..{most:.digits$}]", self.median())
    }
}

/// What one run of a load gave.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    /// Of what ended while it was counted.
    latencies: Vec<Duration>,
    wall: Duration,
}

impl Sample {
    pub(crate) fn new(mut latencies: Vec<Duration>, wall: Duration) -> Self {
        latencies.sort_unstable();
        Self { latencies, wall }
    }

    pub(crate) fn per_s(&self) -> f64 {
        self.latencies.len() as f64 / self.wall.as_secs_f64()
    }

    /// In microseconds.
    pub(crate) fn percentile_us(&self, share: f64) -> f64 {
        let index = (self.latencies.len() as f64 * share) as usize;
        let time = self.latencies.get(index).or(self.latencies.last());
        time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
    }
}

/// Whether what was aimed at has been reached.
pub(crate) fn aim(what: &str, is_reached: bool) {
    println!("aim: {what}: {}", if is_reached { "reached" } else { "missed" });
}
