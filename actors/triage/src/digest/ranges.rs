//! A set of numbers kept as ranges: which chunks are done.

use serde::{Deserialize, Serialize};

/// Numbers as ordered, disjoint, not adjacent ranges `[from, to)`. Chunks are done nearly in
/// order, so that a few ranges hold millions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// The set of one number.
    pub fn one(number: u64) -> Self {
        Self(vec![(number, number + 1)])
    }

    /// Whether `number` is in it.
    pub fn contains(&self, number: u64) -> bool {
        self.0.iter().any(|(from, to)| (*from..*to).contains(&number))
    }

    /// How many numbers are in it.
    pub fn len(&self) -> u64 {
        self.0.iter().map(|(from, to)| to - from).sum()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a number is in both.
    pub fn overlaps(&self, other: &Self) -> bool {
        let within = |a: &(u64, u64)| other.0.iter().any(|b| a.0 < b.1 && b.0 < a.1);
        self.0.iter().any(within)
    }

    /// How many numbers are in both.
    pub fn common(&self, other: &Self) -> u64 {
        let shared = |a: &(u64, u64), b: &(u64, u64)| a.1.min(b.1).saturating_sub(a.0.max(b.0));
        self.0.iter().flat_map(|a| other.0.iter().map(move |b| shared(a, b))).sum()
    }

    /// Adds all numbers of `other`.
    pub fn join(&mut self, other: &Self) {
        self.0.extend(&other.0);
        self.0.sort_unstable();
        self.0.dedup_by(|next, kept| {
            let touches = next.0 <= kept.1;
            if touches {
                kept.1 = kept.1.max(next.1);
            }
            touches
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjacent_numbers_become_one_range() {
        let mut set = Ranges::default();
        for number in [3, 1, 2, 7] {
            set.join(&Ranges::one(number));
        }
        assert_eq!(set.0, [(1, 4), (7, 8)]);
        assert_eq!(set.len(), 4);
        assert!(set.contains(2) && !set.contains(4));
        assert_eq!(set.common(&Ranges(vec![(2, 8)])), 3);
        assert!(set.overlaps(&Ranges::one(3)) && !set.overlaps(&Ranges::one(5)));
    }
}
