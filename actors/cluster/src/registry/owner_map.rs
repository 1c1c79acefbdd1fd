//! What every node says of itself, replicated: per node a versioned map that only it writes.
//!
//! After Scuttlebutt (van Renesse, Dumitriu, Gough, Thomas, 2008), with tombstones that are
//! forgotten as chitchat does it: who missed a forgotten removal takes all of that node anew.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::entry::{
    Change, OriginDelta, OriginDigest, RegistryChange, RegistryEntry, RegistryKey, weigh,
};
use super::hlc::Hlc;
use super::origin::{Limits, Origin, Slot, Taken};
use crate::node::{Incarnation, NodeId};

/// Forgotten nodes that are remembered as such.
const MAX_GRAVES: usize = 4096;

/// Why an entry was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RegistryRefusal {
    /// This node has as many entries, or as many bytes in them, as it may.
    #[error("the registry holds as much of this node as it may (`max_entries`, `max_bytes`)")]
    Full,
    /// The value is longer than a value may be.
    #[error("the value has {bytes} bytes; at most {limit} are allowed (`max_value_bytes`)")]
    TooLarge {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
}

/// The registry of one node. Pure.
#[derive(Debug)]
pub(super) struct OwnerMap {
    own: NodeId,
    limits: Limits,
    origins: BTreeMap<NodeId, Origin>,
    /// Which start of each member may be told of. Others' words on anybody else are not heard.
    admitted: BTreeMap<NodeId, Incarnation>,
    /// Nodes that were forgotten: only they themselves can come back.
    graves: BTreeMap<NodeId, Incarnation>,
    grave_order: VecDeque<NodeId>,
}

impl OwnerMap {
    pub(super) fn new(own: NodeId, incarnation: Incarnation, limits: Limits) -> Self {
        let origins = BTreeMap::from([(own, Origin::new(incarnation, 0))]);
        let admitted = BTreeMap::from([(own, incarnation)]);
        let (graves, grave_order) = (BTreeMap::new(), VecDeque::new());
        Self { own, limits, origins, admitted, graves, grave_order }
    }

    // ---- what this node says ----

    /// Writes an own entry, or removes it. False when it says so already.
    pub(super) fn write(
        &mut self,
        key: RegistryKey,
        value: Option<Bytes>,
        stamp: Hlc,
        now: Duration,
    ) -> Result<bool, RegistryRefusal> {
        let limits = self.limits;
        let Some(origin) = self.origins.get_mut(&self.own) else { return Ok(false) };
        let former = origin.slots.get(&key).and_then(|slot| slot.value.as_ref());
        if former == value.as_ref() {
            return Ok(false);
        }
        let weight = weigh(&key, value.as_ref());
        while !origin.has_room(&key, weight, limits) {
            if origin.collect(None) == 0 {
                return Err(RegistryRefusal::Full);
            }
        }
        let version = origin.version + 1;
        origin.set(Change { key, version, stamp, value }, now);
        Ok(true)
    }

    #[cfg(test)]
    pub(super) fn is_own(&self, node: NodeId) -> bool {
        self.own == node
    }

    /// The version of this node's own last change.
    pub(super) fn own_version(&self) -> u64 {
        self.origins.get(&self.own).map_or(0, |origin| origin.version)
    }

    // ---- who there is ----

    /// A node is a member, in this start of it. What was known of an older one is dropped.
    pub(super) fn admit(&mut self, node: NodeId, incarnation: Incarnation) -> bool {
        if node == self.own || self.admitted.get(&node).is_some_and(|known| *known >= incarnation) {
            return false;
        }
        self.admitted.insert(node, incarnation);
        self.drop_older(node, incarnation)
    }

    fn drop_older(&mut self, node: NodeId, incarnation: Incarnation) -> bool {
        let older = self.origins.get(&node).is_some_and(|origin| origin.incarnation < incarnation);
        older && self.origins.remove(&node).is_some_and(|origin| origin.live_count() > 0)
    }

    /// Forgets a node and what it said. True when there was something to forget.
    pub(super) fn forget(&mut self, node: NodeId) -> bool {
        if node == self.own {
            return false;
        }
        let Some(incarnation) = self.admitted.remove(&node) else { return false };
        if self.graves.insert(node, incarnation).is_none() {
            self.grave_order.push_back(node);
        }
        while self.graves.len() > MAX_GRAVES {
            let Some(oldest) = self.grave_order.pop_front() else { break };
            self.graves.remove(&oldest);
        }
        self.origins.remove(&node).is_some_and(|origin| origin.live_count() > 0)
    }

    /// Drops tombstones that came before `before`.
    pub(super) fn collect(&mut self, before: Duration) -> usize {
        self.origins.values_mut().map(|origin| origin.collect(Some(before))).sum()
    }

    // ---- replication ----

    /// What this replica has, in short.
    pub(super) fn digest(&self) -> Vec<OriginDigest> {
        let known = self.origins.iter().filter(|(_, origin)| origin.version > 0);
        known.map(|(node, origin)| origin.digest(*node)).collect()
    }

    /// A number that two replicas have in common when they have the same.
    pub(super) fn fingerprint(&self) -> u64 {
        let known = self.origins.iter().filter(|(_, origin)| origin.version > 0);
        known.fold(0, |sum: u64, (node, origin)| {
            let of = [node.0, origin.incarnation.0, origin.version];
            sum.wrapping_add(of.into_iter().fold(0, |hash, part| mix(hash ^ part)))
        })
    }

    /// Whether this replica has something that one with `digest` lacks.
    pub(super) fn is_ahead_of(&self, digest: &[OriginDigest]) -> bool {
        let theirs = by_origin(digest);
        self.origins.iter().any(|(node, origin)| origin.is_ahead_of(theirs.get(node).copied()))
    }

    /// Whether a replica with `digest` has something of a member that this one lacks.
    pub(super) fn is_behind(&self, digest: &[OriginDigest]) -> bool {
        digest.iter().any(|theirs| {
            let known = self.admitted.get(&theirs.origin);
            known.is_some_and(|known| *known <= theirs.incarnation)
                && self.origins.get(&theirs.origin).is_none_or(|ours| {
                    (ours.incarnation, ours.version) < (theirs.incarnation, theirs.version)
                })
        })
    }

    /// What a replica with `digest` lacks, at most about `budget` bytes of it, beginning with the
    /// origin at `first` so that none is always left out. True when there is more.
    pub(super) fn deltas_for(
        &self,
        digest: &[OriginDigest],
        first: usize,
        mut budget: usize,
    ) -> (Vec<OriginDelta>, bool) {
        let theirs = by_origin(digest);
        let count = self.origins.len();
        let order = self.origins.iter().cycle().skip(first % count.max(1)).take(count);
        let mut deltas: Vec<OriginDelta> = Vec::new();
        for (node, origin) in order {
            let theirs = theirs.get(node).copied();
            if !origin.is_ahead_of(theirs) {
                continue;
            }
            let from = origin.start_for(theirs);
            let Some(delta) = origin.delta(*node, from, &mut budget, deltas.is_empty()) else {
                return (deltas, true);
            };
            let is_all = delta.upto == origin.version;
            deltas.push(delta);
            if !is_all {
                return (deltas, true);
            }
        }
        (deltas, false)
    }

    /// The changes of `node` after `from`, for those who are not far behind.
    pub(super) fn changes_since(
        &self,
        node: NodeId,
        from: u64,
        budget: &mut usize,
    ) -> Option<OriginDelta> {
        self.origins.get(&node)?.delta(node, from, budget, false)
    }

    /// Takes over a delta that came from `teller`; what changed is added to `changes`.
    pub(super) fn take(
        &mut self,
        teller: NodeId,
        delta: OriginDelta,
        now: Duration,
        changes: &mut Vec<RegistryChange>,
    ) -> Taken {
        let (node, incarnation) = (delta.origin, delta.incarnation);
        if node == self.own || !self.may_tell(teller, node, incarnation) {
            return Taken::Known;
        }
        let known = self.origins.get(&node).map(|origin| origin.incarnation);
        if known.is_some_and(|known| known > incarnation) {
            return Taken::Known;
        }
        if known != Some(incarnation) {
            if delta.from != 0 {
                return Taken::Gap;
            }
            if self.drop_older(node, incarnation) {
                changes.push(RegistryChange::Forgotten { node });
            }
            self.origins.insert(node, Origin::new(incarnation, delta.collected));
        }
        let limits = self.limits;
        let Some(origin) = self.origins.get_mut(&node) else { return Taken::Known };
        let had = origin.live_count() > 0;
        let taken = origin.take(delta, now, limits);
        if let Taken::News { anew, keys } = &taken {
            if *anew && had {
                changes.push(RegistryChange::Forgotten { node });
            }
            changes.extend(keys.iter().filter_map(|key| origin.change(node, key)));
        }
        taken
    }

    fn may_tell(&mut self, teller: NodeId, node: NodeId, incarnation: Incarnation) -> bool {
        if self.admitted.get(&node).is_none_or(|known| *known > incarnation) {
            return false;
        }
        let buried = self.graves.get(&node).is_some_and(|grave| *grave >= incarnation);
        if buried && teller != node {
            return false;
        }
        if self.graves.remove(&node).is_some() {
            self.grave_order.retain(|buried| *buried != node);
        }
        true
    }

    // ---- reading ----

    /// What all nodes say under `key`, the one that holds first.
    pub(super) fn get(&self, key: &str) -> Vec<RegistryEntry> {
        let mut found: Vec<_> = self
            .origins
            .iter()
            .filter_map(|(node, origin)| {
                let (key, slot) = origin.slots.get_key_value(key)?;
                entry(*node, key, slot)
            })
            .collect();
        found.sort_by_key(|entry| std::cmp::Reverse((entry.stamp, entry.node)));
        found
    }

    /// Entries whose keys begin with `prefix`, by node and key, after the one named by `after`.
    pub(super) fn list(
        &self,
        prefix: &str,
        after: Option<&(NodeId, RegistryKey)>,
        limit: usize,
    ) -> Vec<RegistryEntry> {
        let first = after.map_or(NodeId(0), |(node, _)| *node);
        let all = self.origins.range(first..).flat_map(|(node, origin)| {
            let begun = after.filter(|(last, _)| last == node).map(|(_, key)| key);
            let keys = origin.keys_from(begun.map_or(prefix, |key| key.as_str().max(prefix)));
            let keys = keys.filter(move |(key, _)| begun != Some(*key));
            let keys = keys.take_while(|(key, _)| key.as_str().starts_with(prefix));
            keys.filter_map(|(key, slot)| entry(*node, key, slot))
        });
        all.take(limit).collect()
    }

    /// The entries of all nodes, per node: entries, tombstones and bytes.
    pub(super) fn sizes(&self) -> impl Iterator<Item = (NodeId, &Origin)> {
        self.origins.iter().map(|(node, origin)| (*node, origin))
    }
}

impl Origin {
    fn keys_from(&self, first: &str) -> impl Iterator<Item = (&RegistryKey, &Slot)> {
        let bounds = (std::ops::Bound::Included(first), std::ops::Bound::Unbounded);
        self.slots.range::<str, _>(bounds)
    }

    fn change(&self, node: NodeId, key: &RegistryKey) -> Option<RegistryChange> {
        let slot = self.slots.get(key)?;
        let put = entry(node, key, slot).map(RegistryChange::Put);
        Some(put.unwrap_or_else(|| RegistryChange::Removed { node, key: key.clone() }))
    }
}

fn entry(node: NodeId, key: &RegistryKey, slot: &Slot) -> Option<RegistryEntry> {
    let value = slot.value.clone()?;
    Some(RegistryEntry { node, key: key.clone(), value, stamp: slot.stamp })
}

fn by_origin(digest: &[OriginDigest]) -> BTreeMap<NodeId, &OriginDigest> {
    digest.iter().map(|digest| (digest.origin, digest)).collect()
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood, 2014): every bit depends on all.
fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
