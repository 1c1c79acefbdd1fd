//! Replicas of a registry for tests, and what can be seen in them.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use crate::node::{Incarnation, NodeId};
use crate::registry::entry::RegistryKey;
use crate::registry::hlc::Hlc;
use crate::registry::origin::Limits;
use crate::registry::owner_map::OwnerMap;

pub(super) const LIMITS: Limits = Limits { entries: 1000, bytes: 1 << 20 };

/// The replica of node `place + 1`, which knows of `count` members.
pub(super) fn replica(place: u64, count: u64) -> OwnerMap {
    let mut map = OwnerMap::new(NodeId(place + 1), Incarnation(1), LIMITS);
    for other in 0..count {
        map.admit(NodeId(other + 1), Incarnation(1));
    }
    map
}

pub(super) fn key(name: u8) -> RegistryKey {
    RegistryKey::parse(&format!("k{name}")).unwrap()
}

/// Writes or removes an own entry; the stamp and the time of day are `at`.
pub(super) fn write(map: &mut OwnerMap, name: u8, value: Option<u8>, at: u64) {
    let value = value.map(|value| Bytes::from(vec![value]));
    map.write(key(name), value, Hlc::at(at), Duration::from_secs(at)).unwrap();
}

/// Lets `reader` ask `teller` until it knows all, in pieces of `budget` bytes.
pub(super) fn learn_all(reader: &mut OwnerMap, teller: &OwnerMap, budget: usize) {
    let from = teller.own();
    for turn in 0.. {
        assert!(turn < 10_000, "no end to what is told");
        let (deltas, more) = teller.deltas_for(&reader.digest(), turn, budget);
        for delta in deltas {
            reader.take(from, delta, Duration::ZERO, &mut Vec::new());
        }
        if !more {
            return;
        }
    }
}

/// All entries, by node and key, tombstones left out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen(BTreeMap<(NodeId, RegistryKey), (Bytes, Hlc)>);

impl Seen {
    pub(super) fn of(map: &OwnerMap) -> Self {
        let all = map.list("", None, usize::MAX).into_iter();
        Self(all.map(|entry| ((entry.node, entry.key), (entry.value, entry.stamp))).collect())
    }

    pub(super) fn entries(&self) -> usize {
        self.0.len()
    }
}

impl OwnerMap {
    pub(super) fn own(&self) -> NodeId {
        self.sizes().map(|(node, _)| node).find(|node| self.is_own(*node)).unwrap()
    }

    pub(super) fn version_of(&self, node: NodeId) -> Option<u64> {
        self.sizes().find(|(known, _)| *known == node).map(|(_, origin)| origin.version)
    }
}
