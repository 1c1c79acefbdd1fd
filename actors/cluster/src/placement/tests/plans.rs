//! Properties of a plan.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{admit, mark, only, record, settle};
use crate::control::ControlState;
use crate::node::{NodeId, NodeRole};
use crate::placement::{Placeable, placements};

type Hosts = BTreeMap<String, Vec<NodeId>>;

fn cluster(capacities: &[u32]) -> ControlState {
    let mut state = ControlState::default();
    for (index, capacity) in capacities.iter().enumerate() {
        admit(&mut state, record(index as u64 + 1, *capacity));
    }
    settle(&mut state);
    state
}

/// So many things that all nodes up to 63 could host.
fn things(count: usize, instances: u32) -> BTreeMap<String, Placeable> {
    let able: BTreeSet<NodeId> = (1..64).map(NodeId).collect();
    let thing = |n: usize| {
        let thing = Placeable { instances, able: able.clone(), ..Placeable::default() };
        (format!("agent-{n}"), thing)
    };
    (0..count).map(thing).collect()
}

fn plan(state: &ControlState, wanted: &BTreeMap<String, Placeable>) -> Hosts {
    placements(state, wanted, &BTreeMap::new())
}

#[test]
fn what_is_placed_is_spread_by_capacity() {
    let state = cluster(&[100, 100, 200]);
    let hosts = plan(&state, &things(4_000, 1));
    let share = |node| {
        let on = hosts.values().filter(|hosts| hosts[..] == [NodeId(node)]).count();
        on as f64 / 4_000.0
    };
    assert!((0.21..0.29).contains(&share(1)), "{}", share(1));
    assert!((0.21..0.29).contains(&share(2)), "{}", share(2));
    assert!((0.46..0.54).contains(&share(3)), "{}", share(3));
}

#[test]
fn labels_roles_and_who_is_able_are_respected() {
    let mut state = cluster(&[100]);
    let mut labelled = record(2, 100);
    labelled.labels.insert("disk".to_owned(), "ssd".to_owned());
    admit(&mut state, labelled.clone());
    labelled.id = NodeId(3);
    labelled.name = record(3, 1).name;
    labelled.roles = only(NodeRole::Control);
    admit(&mut state, labelled);
    settle(&mut state);
    let mut wanted = things(1, 3);
    let thing = wanted.get_mut("agent-0").unwrap();
    thing.require.insert("disk".to_owned(), "ssd".to_owned());
    assert_eq!(plan(&state, &wanted)["agent-0"], [NodeId(2)], "node 3 has no agents");
    wanted.get_mut("agent-0").unwrap().able = [NodeId(1), NodeId(3)].into();
    assert!(plan(&state, &wanted)["agent-0"].is_empty());
}

#[test]
fn what_must_be_apart_is_never_on_one_node_whoever_says_so() {
    let state = cluster(&[100, 100]);
    let mut wanted = things(3, 1);
    wanted.get_mut("agent-0").unwrap().apart_from.insert("agent-1".to_owned());
    wanted.get_mut("agent-2").unwrap().apart_from.insert("fixed".to_owned());
    let fixed = BTreeMap::from([(NodeId(1), ["fixed".to_owned()].into())]);
    let hosts = placements(&state, &wanted, &fixed);
    assert_ne!(hosts["agent-0"], hosts["agent-1"]);
    assert_eq!(hosts["agent-2"], [NodeId(2)]);
}

#[test]
fn what_has_few_nodes_to_choose_from_chooses_first() {
    for nodes in 2..6 {
        let mut state = cluster(&vec![100; nodes]);
        let mut labelled = record(nodes as u64 + 1, 100);
        labelled.labels.insert("disk".to_owned(), "ssd".to_owned());
        admit(&mut state, labelled.clone());
        settle(&mut state);
        let mut wanted = things(2, nodes as u32);
        wanted.get_mut("agent-0").unwrap().apart_from.insert("agent-1".to_owned());
        let choosy = wanted.get_mut("agent-1").unwrap();
        (choosy.instances, choosy.require) = (1, labelled.labels);
        let hosts = plan(&state, &wanted);
        assert_eq!((hosts["agent-0"].len(), &hosts["agent-1"][..]), (nodes, &[labelled.id][..]));
    }
}

#[test]
fn a_thing_apart_from_itself_by_name_is_placed_all_the_same() {
    let state = cluster(&[100, 100]);
    let mut wanted = things(1, 2);
    wanted.get_mut("agent-0").unwrap().apart_from.insert("agent-0".to_owned());
    assert_eq!(plan(&state, &wanted)["agent-0"].len(), 2);
}

proptest! {
    // Each case spreads 4,096 shards.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn each_has_as_many_hosts_as_it_should_and_all_different(
        capacities in prop::collection::vec(1_u32..1_000, 1..9),
        down in prop::collection::btree_set(1_u64..9, 0..4),
        instances in 1_u32..5,
    ) {
        let mut state = cluster(&capacities);
        down.iter().for_each(|node| mark(&mut state, *node, false));
        settle(&mut state);
        let up = state.members.values().filter(|member| member.is_available()).count();
        for (name, hosts) in plan(&state, &things(40, instances)) {
            let different: BTreeSet<_> = hosts.iter().collect();
            prop_assert_eq!(different.len(), hosts.len(), "{}", name);
            prop_assert_eq!(hosts.len(), up.min(instances as usize), "{}", name);
            prop_assert!(hosts.iter().all(|node| !down.contains(&node.0)));
        }
    }

    #[test]
    fn a_node_that_goes_moves_nothing_but_what_it_had(
        capacities in prop::collection::vec(1_u32..1_000, 2..9),
        instances in 1_u32..4,
    ) {
        let mut state = cluster(&capacities);
        let wanted = things(60, instances);
        let before = plan(&state, &wanted);
        mark(&mut state, 1, false);
        for settled in [false, true] {
            if settled { settle(&mut state) }
            for (name, hosts) in plan(&state, &wanted) {
                let kept = before[&name].iter().filter(|node| **node != NodeId(1));
                for node in kept {
                    prop_assert!(hosts.contains(node), "{} left {}", name, node);
                }
            }
        }
    }

    #[test]
    fn a_node_that_comes_takes_what_it_wins_and_nothing_else_moves(
        capacities in prop::collection::vec(1_u32..1_000, 1..8),
        capacity in 1_u32..1_000,
        instances in 1_u32..4,
    ) {
        let mut state = cluster(&capacities);
        let wanted = things(60, instances);
        let before = plan(&state, &wanted);
        let newcomer = NodeId(capacities.len() as u64 + 1);
        admit(&mut state, record(newcomer.0, capacity));
        settle(&mut state);
        for (name, hosts) in plan(&state, &wanted) {
            let came: Vec<_> = hosts.iter().filter(|node| !before[&name].contains(node)).collect();
            prop_assert!(came.is_empty() || came == [&newcomer], "{}: {:?}", name, came);
        }
    }
}
