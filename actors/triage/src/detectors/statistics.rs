//! The few statistics that the detectors need.

/// Median; 0 of nothing. Sorts its argument.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

/// Median and median absolute deviation from it.
pub(crate) fn median_and_mad(counts: &[u64]) -> (f64, f64) {
    let mut values: Vec<f64> = counts.iter().map(|count| *count as f64).collect();
    let center = median(&mut values);
    values.iter_mut().for_each(|value| *value = (*value - center).abs());
    (center, median(&mut values))
}

/// The robust z-score 0.6745 (x - median) / MAD (Iglewicz and Hoaglin, "How to Detect and Handle
/// Outliers", 1993). The deviation is at least that of a Poisson variable with this median, so
/// that a series of equal counts does not make every change infinitely unlikely.
pub(crate) fn robust_z(value: f64, median: f64, mad: f64) -> f64 {
    let poisson = 0.6745 * median.max(1.0).sqrt();
    0.6745 * (value - median) / mad.max(poisson)
}

/// Minus log2 of P(X >= `count`) for a Poisson variable with mean `rate`, by the Chernoff bound
/// P(X >= k) <= exp(-rate) (e rate / k)^k for k > rate; 0 where `count` is not above the mean.
/// The bound never overstates the surprise.
pub(crate) fn poisson_surprise_bits(count: u64, rate: f64) -> f64 {
    let k = count as f64;
    let rate = rate.max(1e-9);
    if k <= rate {
        return 0.0;
    }
    (rate - k + k * (k / rate).ln()) / std::f64::consts::LN_2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_ignores_outliers() {
        assert_eq!(median_and_mad(&[1, 2, 3, 4, 1000]), (3.0, 1.0));
        assert_eq!(median(&mut []), 0.0);
        assert_eq!(median(&mut [4.0, 1.0]), 2.5);
    }

    #[test]
    fn surprise_grows_with_the_count_and_is_zero_at_the_mean() {
        assert_eq!(poisson_surprise_bits(5, 5.0), 0.0);
        let bits: Vec<f64> = [6, 10, 50].map(|k| poisson_surprise_bits(k, 5.0)).into();
        assert!(bits[0] < bits[1] && bits[1] < bits[2], "{bits:?}");
        // P(X >= 10 | 5) is 0.0318, that is 4.97 bits; the bound must not say more.
        assert!(bits[1] <= 4.98 && bits[1] > 2.5, "{bits:?}");
    }

    #[test]
    fn equal_counts_do_not_make_a_small_change_an_outlier() {
        let (median, mad) = median_and_mad(&[10; 50]);
        assert!(robust_z(14.0, median, mad) < 3.0);
        assert!(robust_z(60.0, median, mad) > 10.0);
    }
}
