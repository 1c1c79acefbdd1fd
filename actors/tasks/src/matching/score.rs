//! How good a choice an agent is now, from what was measured and never from its own word.

/// Number of levels; level 0 is the best.
pub(crate) const LEVELS: usize = 64;

/// Weight of a new sample, the gain of RFC 6298's smoothed round-trip time.
const GAIN: f64 = 1.0 / 8.0;

/// What an unknown agent is taken for, microseconds: quick, so that it is tried.
const PRIOR_US: f64 = 1_000.0;

/// What an agent's executions have shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measure {
    /// Smoothed time of an execution, microseconds.
    latency_us: f64,
    /// Smoothed share of executions that succeeded.
    success: f64,
    samples: u64,
}

impl Default for Measure {
    fn default() -> Self {
        Self { latency_us: PRIOR_US, success: 1.0, samples: 0 }
    }
}

impl Measure {
    /// Takes one execution into account.
    pub(crate) fn record(&mut self, ran_us: u64, succeeded: bool) {
        let gain = if self.samples == 0 { 1.0 } else { GAIN };
        self.samples += 1;
        self.latency_us += gain * (ran_us as f64 - self.latency_us);
        self.success += GAIN * (f64::from(u8::from(succeeded)) - self.success);
    }

    pub(crate) fn latency_us(&self) -> f64 {
        if self.samples == 0 { 0.0 } else { self.latency_us }
    }

    /// Executions that were measured.
    pub(crate) fn samples(&self) -> u64 {
        self.samples
    }

    pub(crate) fn success(&self) -> f64 {
        self.success
    }

    /// The level of an agent with `running` of `capacity` executions in hand: the time until a
    /// success, expected from its latency under its load and the tries that its success rate asks
    /// for, in half octaves of a microsecond. What differs by less than that is equal.
    pub(crate) fn level(&self, running: u32, capacity: u32) -> usize {
        let load = f64::from(running) / f64::from(capacity.max(1));
        let tries = 1.0 / self.success.max(0.02);
        let expected = self.latency_us.max(1.0) * (1.0 + load) * tries * tries;
        ((expected.log2() * 2.0) as usize).min(LEVELS - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(samples: &[(u64, bool)]) -> Measure {
        let mut measure = Measure::default();
        for (ran, succeeded) in samples {
            measure.record(*ran, *succeeded);
        }
        measure
    }

    #[test]
    fn a_quicker_a_less_loaded_and_a_more_reliable_agent_are_each_the_better_choice() {
        let quick = measured(&[(1_000, true); 9]);
        let slow = measured(&[(9_000, true); 9]);
        let flaky = measured(&[(1_000, true), (1_000, false), (1_000, false)]);
        assert!(quick.level(0, 4) < slow.level(0, 4));
        assert!(quick.level(0, 4) < quick.level(3, 4));
        assert!(quick.level(0, 4) < flaky.level(0, 4));
    }

    #[test]
    fn a_difference_that_means_nothing_is_none() {
        assert_eq!(measured(&[(1_100, true)]).level(0, 1), measured(&[(1_200, true)]).level(0, 1));
    }

    #[test]
    fn every_measure_has_a_level() {
        let worst = measured(&[(u64::MAX, false); 99]);
        assert_eq!(worst.level(u32::MAX, 1), LEVELS - 1);
        assert_eq!(measured(&[(0, true)]).level(0, 0), 0);
    }
}
