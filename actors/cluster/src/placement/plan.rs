//! Who should host what: decided from what is agreed on and told, so that all nodes that know the
//! same decide alike. Pure.
//!
//! The owner of a thing's shard hosts it if it can; then the nodes that can, by weighted rendezvous
//! over the shard. So a node that joins or leaves moves little else than what it wins or had, and
//! capacities count.

use std::collections::{BTreeMap, BTreeSet};

use crate::control::{ControlState, Member, ranking, shard_of};
use crate::node::{NodeId, NodeRole};

/// What is to be hosted by a few nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placeable {
    /// How many nodes are to host it. Fewer do when no more can.
    pub instances: u32,
    /// Labels that a node must have to host it: its affinity.
    pub require: BTreeMap<String, String>,
    /// Names of what must not be on the same node: its anti-affinity, which holds both ways.
    pub apart_from: BTreeSet<String>,
    /// The nodes that could host it.
    pub able: BTreeSet<NodeId>,
}

/// The hosts of each thing, the first choice first. Only nodes that are up, are not drained and
/// have the role `executor` are chosen. `fixed` says what is on nodes for good.
///
/// Things that must be apart are placed in the order of their names, none of them twice: where
/// room is short, a later one may get fewer hosts than another order would give it.
#[must_use]
pub fn placements(
    state: &ControlState,
    wanted: &BTreeMap<String, Placeable>,
    fixed: &BTreeMap<NodeId, BTreeSet<String>>,
) -> BTreeMap<String, Vec<NodeId>> {
    let mut hosts: BTreeMap<String, Vec<NodeId>> = BTreeMap::new();
    for (name, what) in wanted {
        let taken = |node: &NodeId| {
            let is_fixed =
                fixed.get(node).is_some_and(|there| !there.is_disjoint(&what.apart_from));
            let clashes = |other: &String| {
                let apart = what.apart_from.contains(other)
                    || wanted.get(other).is_some_and(|other| other.apart_from.contains(name));
                apart && other != name
            };
            is_fixed || hosts.iter().any(|(other, on)| on.contains(node) && clashes(other))
        };
        let able = state.members.values().filter(|member| suits(member, what));
        let weights: BTreeMap<NodeId, u32> = able
            .map(|member| (member.record.id, member.record.capacity))
            .filter(|(node, _)| !taken(node))
            .collect();
        let chosen = chosen(state, shard_of(name), &weights, what.instances);
        hosts.insert(name.clone(), chosen);
    }
    hosts
}

fn suits(member: &Member, what: &Placeable) -> bool {
    let labels = &member.record.labels;
    member.is_available()
        && member.record.roles.has(NodeRole::Executor)
        && what.able.contains(&member.record.id)
        && what.require.iter().all(|(label, value)| labels.get(label) == Some(value))
}

fn chosen(
    state: &ControlState,
    shard: u16,
    weights: &BTreeMap<NodeId, u32>,
    instances: u32,
) -> Vec<NodeId> {
    let mut ranked = ranking(shard, weights);
    let owner = state.shards.owner(shard);
    if let Some(at) = ranked.iter().position(|node| Some(*node) == owner) {
        ranked[..=at].rotate_right(1);
    }
    ranked.truncate(usize::try_from(instances).unwrap_or(usize::MAX));
    ranked
}
