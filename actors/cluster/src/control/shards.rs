//! Which node has which shard: weighted rendezvous hashing, with few moves at a time.
//!
//! Each node has a score for each shard, `-weight / log(u)` with `u` a hash of both in (0, 1), and
//! the highest wins (Thaler and Ravishankar 1998; weights: Schindelhauer and Schomaker 2005). When
//! a node joins or leaves, only what it wins or had moves.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::node::NodeId;

/// How many shards there are.
pub const SHARDS: u16 = 4_096;

/// Shards that one change may move when nobody has lost theirs: a sixteenth of them.
const MOVES: usize = SHARDS as usize / 16;

/// Which node has which shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardTable {
    /// Rises with every change; the fence of an owner.
    pub epoch: u64,
    /// The owner of each shard; empty before there is a node.
    owners: Vec<NodeId>,
}

impl ShardTable {
    /// Who has a shard.
    #[must_use]
    pub fn owner(&self, shard: u16) -> Option<NodeId> {
        self.owners.get(usize::from(shard)).copied()
    }

    /// How many shards each node has.
    #[must_use]
    pub fn loads(&self) -> BTreeMap<NodeId, usize> {
        let mut loads = BTreeMap::new();
        for owner in &self.owners {
            *loads.entry(*owner).or_default() += 1;
        }
        loads
    }

    /// The table for nodes of these weights. Shards of nodes that aren't among them move at
    /// once; of the others that belong elsewhere, only as many as one change may move. `None`
    /// when nothing changes.
    #[must_use]
    pub fn spread(&self, weights: &BTreeMap<NodeId, u32>) -> Option<Self> {
        if weights.is_empty() {
            return None;
        }
        let mut owners = Vec::with_capacity(usize::from(SHARDS));
        let (mut moved, mut changed) = (0, self.owners.is_empty());
        for shard in 0..SHARDS {
            let best = best(shard, weights);
            let kept = self.owner(shard).filter(|owner| weights.contains_key(owner));
            let owner = match kept {
                Some(owner) if owner == best || moved == MOVES => owner,
                Some(_) => {
                    moved += 1;
                    changed = true;
                    best
                }
                None => {
                    changed = true;
                    best
                }
            };
            owners.push(owner);
        }
        changed.then(|| Self { epoch: self.epoch + 1, owners })
    }

    /// Whether every shard is where it belongs.
    #[must_use]
    pub fn is_settled(&self, weights: &BTreeMap<NodeId, u32>) -> bool {
        self.spread(weights).is_none()
    }

    /// The nodes that have shards.
    #[must_use]
    pub fn nodes(&self) -> BTreeSet<NodeId> {
        self.owners.iter().copied().collect()
    }
}

/// The shard of what has this name.
#[must_use]
pub fn shard_of(name: &str) -> u16 {
    let hash = name.bytes().fold(0, |sum, byte| mixed(sum ^ u64::from(byte)));
    // Below the number of shards, so it fits.
    (hash % u64::from(SHARDS)) as u16
}

/// The node with the highest score for a key.
pub(crate) fn best(key: u16, weights: &BTreeMap<NodeId, u32>) -> NodeId {
    let ranked = weights.iter().map(|(node, weight)| (score(*node, key, *weight), *node));
    ranked.max().map_or(NodeId::default(), |(_, node)| node)
}

/// The nodes by falling score for a key.
pub(crate) fn ranking(key: u16, weights: &BTreeMap<NodeId, u32>) -> Vec<NodeId> {
    let scored = weights.iter().map(|(node, weight)| (score(*node, key, *weight), *node));
    let mut scored: Vec<_> = scored.collect();
    scored.sort_unstable_by(|one, other| other.cmp(one));
    scored.into_iter().map(|(_, node)| node).collect()
}

/// The score in whole numbers, since every replica must come to the same one: a library's
/// logarithm may differ in its last bit from machine to machine.
fn score(node: NodeId, key: u16, weight: u32) -> u64 {
    let hash = mixed(node.0 ^ mixed(u64::from(key) + 1)) | 1;
    // -log2(hash / 2^64), in units of 2^-32; at most 64 of them whole.
    let depth = (64_u64 << 32) - log2(hash);
    (u64::from(weight.max(1)) << 44) / depth.max(1)
}

/// The binary logarithm in units of 2^-32: its whole part by leading zeros, the rest bit by bit
/// by squaring (Turner: A Fast Binary Logarithm Algorithm, 2010).
fn log2(value: u64) -> u64 {
    let whole = 63 - u64::from(value.leading_zeros());
    let mut log = whole << 32;
    // The mantissa in [1, 2) with 63 binary places.
    let mut mantissa = value << value.leading_zeros();
    for bit in (0..32).rev() {
        let square = u128::from(mantissa) * u128::from(mantissa);
        if square >> 127 == 1 {
            log |= 1 << bit;
            mantissa = (square >> 64) as u64;
        } else {
            mantissa = (square >> 63) as u64;
        }
    }
    log
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014).
fn mixed(value: u64) -> u64 {
    let mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(nodes: &[(u64, u32)]) -> BTreeMap<NodeId, u32> {
        nodes.iter().map(|(node, weight)| (NodeId(*node), *weight)).collect()
    }

    fn settled(mut table: ShardTable, weights: &BTreeMap<NodeId, u32>) -> ShardTable {
        while let Some(next) = table.spread(weights) {
            table = next;
        }
        table
    }

    #[test]
    fn shards_are_spread_by_weight() {
        let table = settled(ShardTable::default(), &weights(&[(1, 100), (2, 100), (3, 200)]));
        let loads = table.loads();
        assert_eq!(loads.values().sum::<usize>(), usize::from(SHARDS));
        let share = |node| loads[&NodeId(node)] as f64 / f64::from(SHARDS);
        assert!((0.2..0.3).contains(&share(1)), "{loads:?}");
        assert!((0.2..0.3).contains(&share(2)), "{loads:?}");
        assert!((0.45..0.55).contains(&share(3)), "{loads:?}");
    }

    #[test]
    fn a_node_that_joins_takes_its_share_in_bounded_moves_and_from_each() {
        let before = settled(ShardTable::default(), &weights(&[(1, 100), (2, 100)]));
        let wider = weights(&[(1, 100), (2, 100), (3, 100)]);
        let step = before.spread(&wider).unwrap();
        let moved = (0..SHARDS).filter(|shard| before.owner(*shard) != step.owner(*shard)).count();
        assert_eq!((moved, step.epoch), (MOVES, before.epoch + 1));
        let after = settled(step, &wider);
        for shard in 0..SHARDS {
            let (old, new) = (before.owner(shard), after.owner(shard));
            assert!(old == new || new == Some(NodeId(3)), "only to the newcomer");
        }
        assert!(after.is_settled(&wider));
    }

    #[test]
    fn what_a_lost_node_had_moves_at_once_and_nothing_else_does() {
        let all = weights(&[(1, 100), (2, 100), (3, 100)]);
        let before = settled(ShardTable::default(), &all);
        let left = weights(&[(1, 100), (3, 100)]);
        let after = before.spread(&left).unwrap();
        for shard in 0..SHARDS {
            let lost = before.owner(shard) == Some(NodeId(2));
            assert_eq!(before.owner(shard) != after.owner(shard), lost);
        }
        assert!(after.is_settled(&left));
    }
}
