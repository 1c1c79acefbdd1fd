//! Counts over time in few numbers: a sparse histogram whose buckets double when they get many.

use std::fmt::Write as _;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Occupied buckets of a series; beyond it the width doubles.
const MAX_POINTS: usize = 128;

/// Counts per bucket of `2^shift` seconds.
///
/// The width depends only on what was added, not on the order or the grouping in which it was:
/// it is the smallest power of two of seconds for which at most 128 buckets are occupied. So
/// merging is associative and commutative, and equals having added everything to one series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    shift: u32,
    /// Bucket and count, ordered by bucket.
    points: Vec<(i64, u64)>,
}

impl Series {
    /// Counts one line at `ms` milliseconds since 1970.
    pub fn add(&mut self, ms: i64) {
        let bucket = ms.div_euclid(1000) >> self.shift;
        match self.points.last_mut() {
            Some((last, count)) if *last == bucket => *count += 1,
            Some((last, _)) if *last > bucket => self.insert(bucket, 1),
            _ => self.push(bucket, 1),
        }
    }

    fn insert(&mut self, bucket: i64, count: u64) {
        match self.points.binary_search_by_key(&bucket, |point| point.0) {
            Ok(at) => self.points[at].1 += count,
            Err(at) => {
                self.points.insert(at, (bucket, count));
                self.coarsen();
            }
        }
    }

    fn push(&mut self, bucket: i64, count: u64) {
        self.points.push((bucket, count));
        self.coarsen();
    }

    fn coarsen(&mut self) {
        while self.points.len() > MAX_POINTS {
            self.widen(self.shift + 1);
        }
    }

    fn widen(&mut self, shift: u32) {
        let by = shift - self.shift;
        self.shift = shift;
        for point in &mut self.points {
            point.0 >>= by;
        }
        self.points.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        if other.points.is_empty() {
            return;
        }
        if other.shift > self.shift {
            self.widen(other.shift);
        }
        let by = self.shift - other.shift;
        let mut merged = Vec::with_capacity(self.points.len() + other.points.len());
        let mut own = std::mem::take(&mut self.points).into_iter().peekable();
        for (bucket, count) in &other.points {
            let bucket = bucket >> by;
            while let Some(point) = own.next_if(|point| point.0 <= bucket) {
                accumulate(&mut merged, point);
            }
            accumulate(&mut merged, (bucket, *count));
        }
        for point in own {
            accumulate(&mut merged, point);
        }
        self.points = merged;
        self.coarsen();
    }

    /// Width of a bucket in seconds.
    pub fn width_s(&self) -> i64 {
        1 << self.shift
    }

    /// All that was counted.
    pub fn total(&self) -> u64 {
        self.points.iter().map(|point| point.1).sum()
    }

    /// Start of each occupied bucket in seconds since 1970, and its count.
    pub fn points(&self) -> impl Iterator<Item = (i64, u64)> + '_ {
        self.points.iter().map(|(bucket, count)| (bucket << self.shift, *count))
    }

    /// Counts in buckets of `width_s` seconds from `start_s`, with the empty ones; a bucket of
    /// this series counts where it starts.
    pub fn dense(&self, start_s: i64, width_s: i64, buckets: usize) -> Vec<u64> {
        let mut counts = vec![0; buckets];
        for (second, count) in self.points() {
            let index = (second - start_s).div_euclid(width_s.max(1));
            let last = buckets.saturating_sub(1);
            // A wide bucket may start before the range does.
            let index = usize::try_from(index).unwrap_or(0).min(last);
            if let Some(slot) = counts.get_mut(index) {
                *slot += count;
            }
        }
        counts
    }

    /// The shortest time within `from_s..to_s` that holds at least `share` of what was counted
    /// there: start, end and count.
    pub fn tightest(&self, from_s: i64, to_s: i64, share: f64) -> Option<(i64, i64, u64)> {
        let inside = |point: &(i64, u64)| (from_s..to_s).contains(&point.0);
        let points: Vec<(i64, u64)> = self.points().filter(inside).collect();
        let all: u64 = points.iter().map(|point| point.1).sum();
        let wanted = ((all as f64 * share).ceil() as u64).max(1);
        let (mut first, mut sum, mut best) = (0, 0, None);
        for (second, count) in points.iter().copied() {
            sum += count;
            while sum - points[first].1 >= wanted {
                sum -= points[first].1;
                first += 1;
            }
            let end = second + self.width_s();
            let shorter = |(from, to, _): &(i64, i64, u64)| end - points[first].0 < to - from;
            if sum >= wanted && best.as_ref().is_none_or(shorter) {
                best = Some((points[first].0, end, sum));
            }
        }
        best
    }

    /// The most that was counted within any `window_s` seconds: start, end and count. Where the
    /// buckets are wider than the window, the fullest bucket.
    pub fn busiest(&self, window_s: i64) -> Option<(i64, i64, u64)> {
        let width = self.width_s();
        let window = window_s.max(width);
        let points: Vec<(i64, u64)> = self.points().collect();
        let (mut first, mut sum, mut best) = (0, 0, None);
        for (second, count) in points.iter().copied() {
            sum += count;
            while points[first].0 + window < second + width {
                sum -= points[first].1;
                first += 1;
            }
            if best.is_none_or(|(_, _, most)| sum > most) {
                best = Some((points[first].0, second + width, sum));
            }
        }
        best
    }
}

fn accumulate(points: &mut Vec<(i64, u64)>, point: (i64, u64)) {
    match points.last_mut() {
        Some(last) if last.0 == point.0 => last.1 += point.1,
        _ => points.push(point),
    }
}

/// As text, `shift@first bucket`, then the distance to the bucket before and the count of each
/// bucket: a digest holds thousands of them.
impl Serialize for Series {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = format!("{}", self.shift);
        let mut previous = 0;
        for (bucket, count) in &self.points {
            // Writing into a string does not fail.
            let _ = write!(text, " {}:{count}", bucket - previous);
            previous = *bucket;
        }
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Series {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || D::Error::custom("a series is 'shift distance:count ...'");
        let mut words = text.split(' ');
        let shift = words.next().and_then(|w| w.parse().ok()).filter(|shift| *shift < 48);
        let mut series = Self { shift: shift.ok_or_else(wrong)?, points: Vec::new() };
        let mut bucket = 0_i64;
        for word in words {
            let (distance, count) = word.split_once(':').ok_or_else(wrong)?;
            let distance: i64 = distance.parse().map_err(|_| wrong())?;
            let count = count.parse().map_err(|_| wrong())?;
            let ordered = series.points.is_empty() || distance > 0;
            bucket = bucket.checked_add(distance).filter(|_| ordered).ok_or_else(wrong)?;
            series.push(bucket, count);
        }
        Ok(series)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(seconds: &[i64]) -> Series {
        let mut series = Series::default();
        for second in seconds {
            series.add(second * 1000);
        }
        series
    }

    proptest! {
        #[test]
        fn merging_in_any_grouping_equals_adding_everything(
            a in prop::collection::vec(0_i64..200_000, 0..400),
            b in prop::collection::vec(0_i64..200_000, 0..400),
            c in prop::collection::vec(0_i64..2_000, 0..100),
        ) {
            let whole = of(&[a.clone(), b.clone(), c.clone()].concat());
            let (a, b, c) = (of(&a), of(&b), of(&c));
            let mut left = a.clone();
            left.merge(&b);
            left.merge(&c);
            let mut right = b;
            right.merge(&c);
            right.merge(&a);
            prop_assert_eq!(&left, &whole);
            prop_assert_eq!(&right, &whole);
        }

        #[test]
        fn a_series_survives_its_text(seconds in prop::collection::vec(0_i64..1_000_000, 0..300)) {
            let series = of(&seconds);
            let text = serde_json::to_string(&series).unwrap();
            prop_assert_eq!(serde_json::from_str::<Series>(&text).unwrap(), series);
        }
    }

    #[test]
    fn it_never_holds_more_than_its_bound() {
        let series = of(&(0..100_000).map(|i| i * 97).collect::<Vec<_>>());
        assert!(series.points.len() <= MAX_POINTS);
        assert_eq!(series.total(), 100_000);
    }

    #[test]
    fn the_busiest_window_is_found_across_buckets() {
        let series = of(&[0, 100, 101, 102, 103, 500]);
        assert_eq!(series.busiest(10), Some((100, 104, 4)));
    }

    #[test]
    fn malformed_text_is_refused() {
        for text in ["", "x", "1 2", "1 a:b", "99", "0 5:1 0:1", "0 5:1 -1:1"] {
            assert!(serde_json::from_value::<Series>(text.into()).is_err(), "{text}");
        }
    }
}
