//! The entries of one node, as one replica of them knows them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::entry::{Change, OriginDelta, OriginDigest, RegistryKey, weigh};
use super::hlc::Hlc;
use crate::node::{Incarnation, NodeId};

/// What one key says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) version: u64,
    pub(super) stamp: Hlc,
    /// None when the entry was removed: a tombstone.
    pub(super) value: Option<Bytes>,
}

/// The entries of one start of one node. Only that node makes versions; replicas follow them in
/// order, so two replicas at the same version hold the same, tombstones aside.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) incarnation: Incarnation,
    /// All changes up to here have been seen.
    pub(super) version: u64,
    /// Tombstones up to here have been dropped.
    pub(super) collected: u64,
    pub(super) slots: BTreeMap<RegistryKey, Slot>,
    by_version: BTreeMap<u64, RegistryKey>,
    /// When each tombstone came to this replica, by version, the oldest first.
    tombstones: VecDeque<(Duration, u64)>,
    pub(super) weight: usize,
}

/// What a delta did to a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Taken {
    /// It was ahead: these keys changed, after all of before was dropped if `anew`.
    News { anew: bool, keys: Vec<RegistryKey> },
    /// All of it was known.
    Known,
    /// It doesn't follow on what is known, or would bring back what was removed.
    Gap,
    /// It is more than the limits allow.
    TooMuch,
}

/// What the entries of one node may amount to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) entries: usize,
    pub(super) bytes: usize,
}

impl Origin {
    pub(super) fn new(incarnation: Incarnation, collected: u64) -> Self {
        Self {
            incarnation,
            version: 0,
            collected,
            slots: BTreeMap::new(),
            by_version: BTreeMap::new(),
            tombstones: VecDeque::new(),
            weight: 0,
        }
    }

    /// Entries that have not been removed.
    pub(super) fn live_count(&self) -> usize {
        self.slots.len() - self.tombstones.len()
    }

    pub(super) fn tombstone_count(&self) -> usize {
        self.tombstones.len()
    }

    /// Whether `key` may get a value (or a tombstone) of this weight.
    pub(super) fn has_room(&self, key: &RegistryKey, weight: usize, limits: Limits) -> bool {
        let before = self.slots.get(key).map_or(0, |slot| weigh(key, slot.value.as_ref()));
        let entries = self.slots.len() + usize::from(before == 0);
        entries <= limits.entries && self.weight - before + weight <= limits.bytes
    }

    /// Takes the next change. Its version is above all there are.
    pub(super) fn set(&mut self, change: Change, now: Duration) {
        self.weight += change.weight();
        let Change { key, version, stamp, value } = change;
        if value.is_none() {
            self.tombstones.push_back((now, version));
        }
        self.version = self.version.max(version);
        self.by_version.insert(version, key.clone());
        let slot = Slot { version, stamp, value };
        if let Some(former) = self.slots.insert(key.clone(), slot) {
            self.weight -= weigh(&key, former.value.as_ref());
            self.by_version.remove(&former.version);
            if former.value.is_none() {
                self.forget_tombstone(former.version);
            }
        }
    }

    fn forget_tombstone(&mut self, version: u64) {
        if let Ok(at) = self.tombstones.binary_search_by_key(&version, |(_, version)| *version) {
            self.tombstones.remove(at);
        }
    }

    /// Drops tombstones that came before `before`, or the oldest one. Whoever has not seen them
    /// yet takes everything anew, so that they keep their effect.
    pub(super) fn collect(&mut self, before: Option<Duration>) -> usize {
        let mut dropped = 0;
        while let Some((at, version)) = self.tombstones.front().copied() {
            if before.is_some_and(|before| at >= before) || before.is_none() && dropped == 1 {
                break;
            }
            self.tombstones.pop_front();
            if let Some(key) = self.by_version.remove(&version) {
                self.weight -= weigh(&key, None);
                self.slots.remove(&key);
            }
            self.collected = self.collected.max(version);
            dropped += 1;
        }
        dropped
    }

    pub(super) fn digest(&self, origin: NodeId) -> OriginDigest {
        let Self { incarnation, version, collected, .. } = self;
        let (incarnation, version, collected) = (*incarnation, *version, *collected);
        OriginDigest { origin, incarnation, version, collected }
    }

    /// Whether a replica at `digest` lacks something that this one has.
    pub(super) fn is_ahead_of(&self, digest: Option<&OriginDigest>) -> bool {
        let Some(digest) = digest else { return self.version > 0 };
        match self.incarnation.cmp(&digest.incarnation) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Greater => self.version > 0,
            std::cmp::Ordering::Equal => self.version > digest.version,
        }
    }

    /// From which version on a replica at `digest` is to be told; 0 also when it has to begin
    /// anew, because it has not seen removals that are forgotten here.
    pub(super) fn start_for(&self, digest: Option<&OriginDigest>) -> u64 {
        match digest {
            Some(digest) if digest.incarnation == self.incarnation => {
                let missed = digest.version < self.collected && digest.collected < self.collected;
                if missed { 0 } else { digest.version }
            }
            _ => 0,
        }
    }

    /// The changes after `from`, as many as `budget` bytes hold, and at least one if `must`.
    pub(super) fn delta(
        &self,
        origin: NodeId,
        from: u64,
        budget: &mut usize,
        must: bool,
    ) -> Option<OriginDelta> {
        let (mut upto, mut changes) = (self.version, Vec::new());
        for (version, key) in self.by_version.range(from + 1..) {
            let Some(slot) = self.slots.get(key) else { continue };
            let (stamp, value) = (slot.stamp, slot.value.clone());
            let change = Change { key: key.clone(), version: *version, stamp, value };
            let fits = change.weight() <= *budget || (must && changes.is_empty());
            if !fits {
                // Nothing between the last that fits and the first that doesn't matters.
                upto = version - 1;
                break;
            }
            *budget = budget.saturating_sub(change.weight());
            changes.push(change);
        }
        if upto <= from {
            return None;
        }
        let (incarnation, collected) = (self.incarnation, self.collected);
        Some(OriginDelta { origin, incarnation, from, upto, collected, changes })
    }

    /// Takes over a delta of the same incarnation.
    pub(super) fn take(&mut self, delta: OriginDelta, now: Duration, limits: Limits) -> Taken {
        let anew = delta.collected > self.collected && self.version < delta.collected;
        if anew {
            if delta.from != 0 {
                return Taken::Gap;
            }
            *self = Self::new(self.incarnation, delta.collected);
        } else if delta.upto <= self.version {
            return Taken::Known;
        } else if delta.from > self.version || self.could_resurrect(&delta) {
            return Taken::Gap;
        }
        let mut keys = Vec::new();
        for change in delta.changes {
            if change.version <= self.version {
                continue;
            }
            let weight = change.weight();
            while !self.has_room(&change.key, weight, limits) {
                // Tombstones make room first; their effect is kept by starting anew.
                if self.collect(None) == 0 {
                    let none = keys.is_empty() && !anew;
                    return if none { Taken::TooMuch } else { Taken::News { anew, keys } };
                }
            }
            keys.push(change.key.clone());
            self.set(change, now);
        }
        self.version = self.version.max(delta.upto);
        Taken::News { anew, keys }
    }

    /// While this replica is catching up over removals that were forgotten elsewhere, one that
    /// has neither seen nor forgotten them may only help if it leads beyond all of them.
    fn could_resurrect(&self, delta: &OriginDelta) -> bool {
        self.version < self.collected
            && delta.collected < self.collected
            && delta.upto < self.collected
    }
}
