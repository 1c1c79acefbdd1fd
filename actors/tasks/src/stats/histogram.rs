//! A histogram of durations: logarithmic in the large, linear in the small.
//!
//! Each power of two is split into 32 buckets of equal width, so that a value is known within
//! 1/32 of itself, half of that from the middle of its bucket. That is the layout of HdrHistogram
//! (Tene); written out here because a fixed array and thirty lines are all that is needed of it.

/// Bits of a value below its leading one that choose the bucket.
const SUB_BITS: u32 = 5;
const SUB: usize = 1 << SUB_BITS;

/// Largest power of two with its own buckets: 2^41 microseconds are 25 days.
const MAX_EXPONENT: u32 = 41;
const BUCKETS: usize = SUB * (MAX_EXPONENT - SUB_BITS + 2) as usize;

/// Counts of durations in microseconds.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Box<[u64]>,
    count: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS].into(), count: 0, max: 0 }
    }
}

impl Histogram {
    /// Adds a duration.
    pub fn record(&mut self, us: u64) {
        self.counts[bucket(us)] += 1;
        self.count += 1;
        self.max = self.max.max(us);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The longest; 0 when there are none.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The duration that `share` of all are not above, within 1.6 %; 0 when there are none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> u64 {
        let rank = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut below = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            below += count;
            if below >= rank {
                return middle(bucket).min(self.max);
            }
        }
        self.max
    }
}

/// Values below `SUB` have a bucket each; above, the leading one chooses the group and the
/// following bits the bucket in it.
fn bucket(us: u64) -> usize {
    let exponent = us.max(1).ilog2();
    if exponent < SUB_BITS {
        return us as usize;
    }
    if exponent > MAX_EXPONENT {
        return BUCKETS - 1;
    }
    let shift = exponent - SUB_BITS;
    let within = (us >> shift) as usize - SUB;
    SUB * (shift as usize + 1) + within
}

fn middle(bucket: usize) -> u64 {
    if bucket < SUB {
        return bucket as u64;
    }
    let shift = bucket / SUB - 1;
    let low = ((SUB + bucket % SUB) as u64) << shift;
    low + ((1 << shift) / 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_of_a_known_set_are_right() {
        let mut histogram = Histogram::default();
        for us in 1..=1_000 {
            histogram.record(us);
        }
        for (share, expected) in [(0.5, 500.0), (0.9, 900.0), (0.99, 990.0)] {
            let error = (histogram.quantile(share) as f64 - expected).abs() / expected;
            assert!(error < 0.016, "{share}: {}", histogram.quantile(share));
        }
        assert_eq!((histogram.quantile(1.0), histogram.max()), (1_000, 1_000));
        assert_eq!(Histogram::default().quantile(0.5), 0);
    }

    proptest! {
        #[test]
        fn every_duration_is_known_within_two_percent(us in 0..1_u64 << MAX_EXPONENT) {
            let error = middle(bucket(us)).abs_diff(us);
            prop_assert!(error as f64 <= us as f64 * 0.016, "{us}: {error}");
        }

        #[test]
        fn longer_durations_never_fall_into_earlier_buckets(a in any::<u64>(), b in any::<u64>()) {
            prop_assert!(bucket(a.min(b)) <= bucket(a.max(b)));
        }
    }
}
