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
/// Things that must be apart are placed one after the other, those first that have the fewest
/// nodes to spare. Where room is short even so, a later one may get fewer hosts than it could.
#[must_use]
pub fn placements(
    state: &ControlState,
    wanted: &BTreeMap<String, Placeable>,
    fixed: &BTreeMap<NodeId, BTreeSet<String>>,
) -> BTreeMap<String, Vec<NodeId>> {
    let mut hosts: BTreeMap<String, Vec<NodeId>> = BTreeMap::new();
    let mut order: Vec<_> = wanted.iter().collect();
    // By what members are, not by how they are: a node that fails changes no order.
    order.sort_by_cached_key(|(_, what)| {
        let suited = state.members.values().filter(|member| suits(member, what)).count();
        suited.saturating_sub(usize::try_from(what.instances).unwrap_or(usize::MAX))
    });
    let rivals = rivals(wanted);
    for (name, what) in order {
        let taken = |node: &NodeId| {
            let beside = |rival: &&str| hosts.get(*rival).is_some_and(|on| on.contains(node));
            let mut of_name = rivals.get(name.as_str()).into_iter().flatten();
            let there = fixed.get(node);
            there.is_some_and(|there| !there.is_disjoint(&what.apart_from)) || of_name.any(beside)
        };
        let able = state.members.values();
        let able = able.filter(|member| member.is_available() && suits(member, what));
        let weights: BTreeMap<NodeId, u32> = able
            .map(|member| (member.record.id, member.record.capacity))
            .filter(|(node, _)| !taken(node))
            .collect();
        let chosen = chosen(state, shard_of(name), &weights, what.instances);
        hosts.insert(name.clone(), chosen);
    }
    hosts
}

/// What each thing must be apart from, whichever of the two says so.
fn rivals(wanted: &BTreeMap<String, Placeable>) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut rivals: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, what) in wanted {
        for other in what.apart_from.iter().filter(|other| *other != name) {
            rivals.entry(name).or_default().insert(other);
            rivals.entry(other).or_default().insert(name);
        }
    }
    rivals
}

fn suits(member: &Member, what: &Placeable) -> bool {
    let labels = &member.record.labels;
    member.record.roles.has(NodeRole::Executor)
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
