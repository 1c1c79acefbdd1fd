//! The meter of busy time: exact where it matters, and without a look at the clock where that
//! would cost as much as what it measures.

use std::time::Duration;

/// A batch that takes less is light.
const LIGHT: Duration = Duration::from_micros(50);
/// Of light batches in a row, at least one in so many is measured.
const MOST_SKIPPED: u32 = 32;

/// Decides which batches are measured. A measured light batch stands for those skipped before
/// it, so the sum is right in the mean; a heavy one is followed by a measured one.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// Batches skipped since the last that was measured.
    skipped: u32,
    /// How many to skip: doubles while batches are light.
    stride: u32,
}

impl Meter {
    /// Whether the batch that ends now is to be measured: always when it had several messages
    /// or `waited`.
    pub(super) fn is_due(&mut self, messages: usize, waited: bool) -> bool {
        let due = messages > 1 || waited || self.skipped >= self.stride;
        if !due {
            self.skipped += 1;
        }
        due
    }

    /// Takes a measured time, and gives what to account for it.
    pub(super) fn account(&mut self, time: Duration) -> Duration {
        let skipped = std::mem::take(&mut self.skipped);
        if time < LIGHT {
            self.stride = (self.stride * 2).clamp(1, MOST_SKIPPED - 1);
            time * (skipped + 1)
        } else {
            self.stride = 0;
            time
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(meter: &mut Meter, time: Duration) -> Option<Duration> {
        meter.is_due(1, false).then(|| meter.account(time))
    }

    #[test]
    fn light_batches_are_sampled_and_their_sum_is_right() {
        let (mut meter, each) = (Meter::default(), Duration::from_micros(1));
        let samples: Vec<Duration> =
            (0..10_000).filter_map(|_| measured(&mut meter, each)).collect();
        let sum: Duration = samples.iter().sum();
        assert!(samples.len() < 400, "{} of 10,000 measured", samples.len());
        assert!(sum > each * 9_960 && sum <= each * 10_000, "{sum:?}");
    }

    #[test]
    fn heavy_batches_are_all_measured_as_they_are() {
        let (mut meter, each) = (Meter::default(), Duration::from_millis(1));
        for _ in 0..100 {
            assert_eq!(measured(&mut meter, each), Some(each));
        }
    }

    #[test]
    fn a_batch_that_waited_or_was_long_is_always_measured() {
        let mut meter = Meter::default();
        for _ in 0..100 {
            measured(&mut meter, Duration::ZERO);
        }
        assert!(meter.is_due(1, true) && meter.is_due(2, false));
    }
}
