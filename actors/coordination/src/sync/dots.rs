//! Dots: the names of writes, and sets of them as ranges (Almeida, Shoker, Baquero, 2018).
//!
//! A set of dots is a causal context: what a replica has seen, whether it is still there or not.
//! Ranges keep it as short as a version vector once nothing is missing, and a vector with
//! exceptions until then.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The last number of a dot: far beyond what anybody writes, far below an overflow.
const LAST_SEQ: u64 = 1 << 48;

/// The name of a replica: a random number that it draws once, never two at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReplicaId(pub u64);

/// The name of one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Dot {
    /// Whose.
    pub replica: ReplicaId,
    /// Which of its writes, from 1.
    pub seq: u64,
}

/// From the first to the last number, both inside.
type Range = (u64, u64);

/// A set of dots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dots {
    /// By replica; in order, apart from each other, never empty.
    ranges: BTreeMap<ReplicaId, Vec<Range>>,
}

impl Dots {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether this one is in it.
    #[must_use]
    pub fn contains(&self, dot: Dot) -> bool {
        let Some(ranges) = self.ranges.get(&dot.replica) else { return false };
        let after = ranges.partition_point(|(first, _)| *first <= dot.seq);
        after > 0 && ranges[after - 1].1 >= dot.seq
    }

    /// The last number of a replica's dots; 0 when there is none.
    #[must_use]
    pub fn last(&self, replica: ReplicaId) -> u64 {
        self.ranges.get(&replica).and_then(|ranges| ranges.last()).map_or(0, |(_, last)| *last)
    }

    /// Puts a dot in.
    pub fn insert(&mut self, dot: Dot) {
        let ranges = self.ranges.entry(dot.replica).or_default();
        // Most often it is the next one.
        match ranges.last_mut() {
            Some((_, last)) if last.saturating_add(1) == dot.seq => *last = dot.seq,
            Some((_, last)) if *last < dot.seq => ranges.push((dot.seq, dot.seq)),
            None => ranges.push((dot.seq, dot.seq)),
            Some(_) => *ranges = joined(ranges, &[(dot.seq, dot.seq)]),
        }
    }

    /// Puts all of these in.
    pub fn join(&mut self, other: &Self) {
        for (replica, theirs) in &other.ranges {
            let ours = self.ranges.entry(*replica).or_default();
            *ours = joined(ours, theirs);
        }
    }

    /// What is in this one and not in the other.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut left = BTreeMap::new();
        for (replica, ours) in &self.ranges {
            let rest = match other.ranges.get(replica) {
                Some(theirs) => cut(ours, theirs),
                None => ours.clone(),
            };
            if !rest.is_empty() {
                left.insert(*replica, rest);
            }
        }
        Self { ranges: left }
    }

    /// What is in both.
    #[must_use]
    pub fn shared_with(&self, other: &Self) -> Self {
        self.without(&self.without(other))
    }

    /// Those up to this dot, in the order of dots.
    #[must_use]
    pub fn up_to(&self, end: Dot) -> Self {
        let mut ranges: BTreeMap<_, Vec<Range>> =
            self.ranges.range(..end.replica).map(|(replica, of)| (*replica, of.clone())).collect();
        let last = self.ranges.get(&end.replica).map(|of| cut(of, &[(end.seq + 1, u64::MAX)]));
        if let Some(last) = last.filter(|of| !of.is_empty()) {
            ranges.insert(end.replica, last);
        }
        Self { ranges }
    }

    /// The ranges, in the order of dots: first and last of each.
    pub fn spans(&self) -> impl Iterator<Item = (Dot, Dot)> {
        self.ranges.iter().flat_map(|(replica, ranges)| {
            let dot = |seq| Dot { replica: *replica, seq };
            ranges.iter().map(move |(first, last)| (dot(*first), dot(*last)))
        })
    }

    /// How many ranges it takes to say it.
    #[must_use]
    pub fn span_count(&self) -> usize {
        self.ranges.values().map(Vec::len).sum()
    }

    /// Whether it is as this module makes it: it may come from anybody.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.ranges.values().all(|ranges| {
            let mut least = 1;
            !ranges.is_empty()
                && ranges.iter().all(|(first, last)| {
                    let sound = least <= *first && first <= last && *last <= LAST_SEQ;
                    least = last.saturating_add(2);
                    sound
                })
        })
    }
}

impl FromIterator<Dot> for Dots {
    fn from_iter<I: IntoIterator<Item = Dot>>(dots: I) -> Self {
        let mut all = Self::default();
        dots.into_iter().for_each(|dot| all.insert(dot));
        all
    }
}

/// Both, in order and apart.
fn joined(ours: &[Range], theirs: &[Range]) -> Vec<Range> {
    let (mut left, mut right) = (ours.iter().peekable(), theirs.iter().peekable());
    let mut all: Vec<Range> = Vec::with_capacity(ours.len().max(theirs.len()));
    loop {
        let next = match (left.peek(), right.peek()) {
            (Some(a), Some(b)) if a.0 <= b.0 => left.next(),
            (Some(_), None) => left.next(),
            (_, Some(_)) => right.next(),
            (None, None) => return all,
        };
        let Some((first, last)) = next.copied() else { return all };
        match all.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => all.push((first, last)),
        }
    }
}

/// The first without the second.
fn cut(from: &[Range], what: &[Range]) -> Vec<Range> {
    let mut left = Vec::new();
    let mut at = 0;
    for (first, last) in from.iter().copied() {
        let mut first = first;
        // What ends before this range ends before all later ones.
        while what.get(at).is_some_and(|(_, end)| *end < first) {
            at += 1;
        }
        let mut next = at;
        let mut is_used_up = false;
        while let Some((begin, end)) = what.get(next).copied().filter(|(begin, _)| *begin <= last) {
            if begin > first {
                left.push((first, begin - 1));
            }
            if end >= last {
                is_used_up = true;
                break;
            }
            first = end + 1;
            next += 1;
        }
        if !is_used_up {
            left.push((first, last));
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn dot(replica: u64, seq: u64) -> Dot {
        Dot { replica: ReplicaId(replica), seq }
    }

    fn dots() -> impl Strategy<Value = BTreeSet<Dot>> {
        let one = (0u64..3, 1u64..30).prop_map(|(replica, seq)| dot(replica, seq));
        prop::collection::btree_set(one, 0..40)
    }

    fn listed(dots: &Dots) -> BTreeSet<Dot> {
        let of =
            |(first, last): (Dot, Dot)| (first.seq..=last.seq).map(move |seq| Dot { seq, ..first });
        dots.spans().flat_map(of).collect()
    }

    proptest! {
        #[test]
        fn ranges_are_the_sets_they_stand_for(
            a in dots(),
            b in dots(),
            end in (0u64..4, 0u64..32),
        ) {
            let of = |dots: &BTreeSet<Dot>| dots.iter().rev().copied().collect::<Dots>();
            let (left, right) = (of(&a), of(&b));
            let mut both = left.clone();
            both.join(&right);
            let end = dot(end.0, end.1);
            let cases = [
                (both, a.union(&b).copied().collect::<BTreeSet<_>>()),
                (left.without(&right), a.difference(&b).copied().collect()),
                (left.shared_with(&right), a.intersection(&b).copied().collect()),
                (left.up_to(end), a.iter().filter(|dot| **dot <= end).copied().collect()),
                (left, a),
            ];
            for (ranges, expected) in cases {
                prop_assert!(ranges.is_sound());
                prop_assert!(expected.iter().all(|dot| ranges.contains(*dot)));
                prop_assert_eq!(ranges == of(&expected), true, "one shape for one set");
                prop_assert_eq!(listed(&ranges), expected);
            }
        }
    }

    #[test]
    fn unsound_sets_are_told_apart() {
        let with = |ranges: Vec<Range>| Dots { ranges: [(ReplicaId(1), ranges)].into() };
        let unsound = [
            vec![],
            vec![(0, 1)],
            vec![(2, 1)],
            vec![(1, 2), (3, 4)],
            vec![(5, 6), (1, 2)],
            vec![(1, u64::MAX)],
        ];
        for ranges in unsound {
            assert!(!with(ranges.clone()).is_sound(), "{ranges:?}");
        }
        assert!(with(vec![(1, 2), (4, 4)]).is_sound());
    }
}
