//! Version vectors: which state of a replicated thing comes before which (Parker et al.: Detection
//! of mutual inconsistency in distributed systems, 1983).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How two versions stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The first is contained in the second.
    Before,
    /// The second is contained in the first.
    After,
    /// They are the same.
    Equal,
    /// Each has something that the other has not seen: a conflict.
    Concurrent,
}

/// How many changes of each replica a state contains.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct VersionVector(pub BTreeMap<String, u64>);

impl VersionVector {
    /// One more change at `replica`.
    pub fn bump(&mut self, replica: &str) {
        let count = self.0.entry(replica.to_owned()).or_default();
        *count = count.saturating_add(1);
    }

    /// How many changes of `replica` it contains.
    #[must_use]
    pub fn of(&self, replica: &str) -> u64 {
        self.0.get(replica).copied().unwrap_or(0)
    }

    /// How it stands to `other`. O(n log n) in the number of replicas.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Order {
        let within = |a: &Self, b: &Self| a.0.iter().all(|(name, count)| *count <= b.of(name));
        match (within(self, other), within(other, self)) {
            (true, true) => Order::Equal,
            (true, false) => Order::Before,
            (false, true) => Order::After,
            (false, false) => Order::Concurrent,
        }
    }

    /// Contains what `other` contains too from now on.
    pub fn merge(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            let own = self.0.entry(name.clone()).or_default();
            *own = (*own).max(*count);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vector() -> impl Strategy<Value = VersionVector> {
        prop::collection::btree_map("[a-c]", 0_u64..4, 0..4).prop_map(VersionVector)
    }

    #[test]
    fn two_who_change_the_same_apart_are_concurrent_until_one_has_seen_the_other() {
        let (mut a, mut b) = (VersionVector::default(), VersionVector::default());
        a.bump("a");
        assert_eq!((a.compare(&b), b.compare(&a)), (Order::After, Order::Before));
        b.bump("b");
        assert_eq!(a.compare(&b), Order::Concurrent);
        a.merge(&b);
        assert_eq!(a.compare(&b), Order::After);
        b.merge(&a);
        assert_eq!(a.compare(&b), Order::Equal);
    }

    proptest! {
        #[test]
        fn merging_gives_the_least_that_contains_both(a in vector(), b in vector()) {
            let mut both = a.clone();
            both.merge(&b);
            let mut turned = b.clone();
            turned.merge(&a);
            prop_assert_eq!(both.compare(&turned), Order::Equal);
            for one in [&a, &b] {
                prop_assert!(matches!(one.compare(&both), Order::Before | Order::Equal));
            }
            let opposite = match b.compare(&a) {
                Order::Before => Order::After,
                Order::After => Order::Before,
                same => same,
            };
            prop_assert_eq!(a.compare(&b), opposite);
        }
    }
}
