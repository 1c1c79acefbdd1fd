//! Decisions of the overseer.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::OverseerConfig;
use super::decide::{self, Step};
use crate::consensus::{GroupId, GroupView, StorageId};
use crate::control::{ControlAnswer, ControlCommand, ControlState, FencingToken, Seats};
use crate::node::{ClusterId, Incarnation, NodeId, NodeName, NodeRecord, Roles};

fn record(id: u64) -> NodeRecord {
    NodeRecord {
        id: NodeId(id),
        name: NodeName::parse(&format!("node-{id}")).unwrap(),
        address: "127.0.0.1:1".to_owned(),
        api: None,
        incarnation: Incarnation(1),
        roles: Roles::default(),
        capacity: 100,
        labels: BTreeMap::new(),
    }
}

fn tell(state: &mut ControlState, command: ControlCommand) -> ControlAnswer {
    state.apply(command, FencingToken { epoch: 1, position: state.epoch })
}

fn formed(groups: u32, nodes: u64) -> ControlState {
    let mut state = ControlState::default();
    let (cluster, founder, storage) = (ClusterId(1), record(1), StorageId(1));
    tell(&mut state, ControlCommand::Form { cluster, groups, founder, storage, at_us: 0 });
    for id in 2..=nodes {
        let (record, storage) = (record(id), StorageId(id));
        tell(&mut state, ControlCommand::Admit { record, storage, at_us: 0 });
    }
    state
}

/// Decides until nothing is left to decide; each state in between.
fn decided(mut state: ControlState, config: &OverseerConfig, now_us: i64) -> Vec<ControlState> {
    let mut states = vec![state.clone()];
    loop {
        let seats = decide::seats(&state, config, now_us);
        if seats.is_empty() {
            return states;
        }
        let epoch = state.epoch;
        let answer = tell(&mut state, ControlCommand::Seat { epoch, seats });
        assert!(matches!(answer, ControlAnswer::Done { .. }), "{answer:?}");
        states.push(state.clone());
        assert!(states.len() < 100, "it never ends");
    }
}

fn led(state: &ControlState) -> BTreeMap<NodeId, usize> {
    let mut led = BTreeMap::new();
    for seats in state.seats.values() {
        *led.entry(seats.preferred.unwrap()).or_default() += 1;
    }
    led
}

#[test]
fn voters_are_odd_in_number_and_leaders_spread() {
    for (nodes, voters) in [(1, 1), (2, 1), (3, 3), (4, 3), (5, 5), (9, 5)] {
        let state = decided(formed(8, nodes), &OverseerConfig::default(), 0).pop().unwrap();
        for (group, seats) in &state.seats {
            assert_eq!(seats.voters.len(), voters, "{nodes} nodes, group {group}");
        }
        // Who votes alone leads alone.
        let able = if voters == 1 { 1 } else { nodes as usize };
        let led = led(&state);
        let most = led.values().max().unwrap();
        assert!(*most <= 9_usize.div_ceil(able).max(2), "{nodes}: {led:?}");
    }
}

#[test]
fn a_node_that_is_down_leads_nothing_at_once_and_votes_until_the_grace_is_over() {
    let config = OverseerConfig::default();
    let mut state = decided(formed(8, 5), &config, 0).pop().unwrap();
    let node = NodeId(2);
    tell(&mut state, ControlCommand::Mark { node, up: false, at_us: 1_000 });
    let soon = decided(state.clone(), &config, 2_000_000).pop().unwrap();
    assert!(!led(&soon).contains_key(&node));
    assert!(soon.seats.values().all(|seats| seats.voters.contains(&node)));
    let late = decided(soon, &config, 100_000_000).pop().unwrap();
    assert!(late.seats.values().all(|seats| !seats.voters.contains(&node)));
    assert!(late.seats.values().all(|seats| seats.voters.len() == 3));
}

#[test]
fn a_drained_node_leads_nothing_and_goes_on_voting() {
    let config = OverseerConfig::default();
    let mut state = decided(formed(8, 3), &config, 0).pop().unwrap();
    tell(&mut state, ControlCommand::Drain { node: NodeId(1), draining: true });
    let drained = decided(state, &config, 0).pop().unwrap();
    assert!(!led(&drained).contains_key(&NodeId(1)));
    assert!(drained.seats.values().all(|seats| seats.voters.len() == 3));
}

#[test]
fn a_newcomer_follows_before_it_votes_and_a_stranger_is_let_go_last() {
    let mut state = formed(1, 3);
    let group = GroupId(1);
    let voters: BTreeSet<_> = [NodeId(1), NodeId(2), NodeId(3)].into();
    let seats = Seats { voters: voters.clone(), preferred: Some(NodeId(2)), pinned: false };
    let seats = BTreeMap::from([(group, seats)]);
    let epoch = state.epoch;
    tell(&mut state, ControlCommand::Seat { epoch, seats });
    let own = NodeId(1);
    let mut view = GroupView { group, voters: [own].into(), ..GroupView::default() };
    let step = |view: &GroupView, near: &[NodeId]| {
        decide::step(&state, view, own, &near.iter().copied().collect())
    };
    assert_eq!(step(&view, &[]), Some(Step::Add(NodeId(2))));
    view.learners = [NodeId(2), NodeId(3), NodeId(9)].into();
    assert_eq!(step(&view, &[NodeId(2)]), None, "the other is far behind");
    assert_eq!(step(&view, &[NodeId(2), NodeId(3)]), Some(Step::Vote(voters.clone())));
    view.voters = voters;
    view.learners = [NodeId(9)].into();
    assert_eq!(step(&view, &[]), Some(Step::Remove([NodeId(9)].into())));
    view.learners.clear();
    assert_eq!(step(&view, &[]), None, "who should lead is behind");
    assert_eq!(step(&view, &[NodeId(2)]), Some(Step::Lead(NodeId(2))));
}

#[test]
fn another_disk_is_refused_until_the_node_was_removed() {
    let mut state = formed(1, 2);
    let admit = |storage| ControlCommand::Admit {
        record: record(2),
        storage: StorageId(storage),
        at_us: 0,
    };
    assert!(matches!(tell(&mut state, admit(2)), ControlAnswer::Done { .. }));
    assert!(matches!(tell(&mut state, admit(9)), ControlAnswer::Refused(_)));
    tell(&mut state, ControlCommand::Remove { node: NodeId(2) });
    assert!(matches!(tell(&mut state, admit(9)), ControlAnswer::Done { .. }));
}

proptest! {
    #[test]
    fn every_step_keeps_most_of_a_groups_voters(
        nodes in 1..9_u64,
        groups in 1..9_u32,
        changes in proptest::collection::vec((1..9_u64, any::<bool>(), any::<bool>()), 0..12)
    ) {
        let config = OverseerConfig::default();
        let mut state = formed(groups, nodes);
        let mut now_us = 0;
        for (node, up, drain) in changes {
            let node = NodeId(node);
            tell(&mut state, ControlCommand::Mark { node, up, at_us: now_us });
            tell(&mut state, ControlCommand::Drain { node, draining: drain && !up });
            now_us += 200_000_000;
            let states = decided(state, &config, now_us);
            for pair in states.windows(2) {
                for (group, before) in &pair[0].seats {
                    let after = &pair[1].seats[group];
                    let kept = before.voters.intersection(&after.voters).count();
                    prop_assert!(!after.voters.is_empty());
                    prop_assert!(kept + 1 >= before.voters.len().min(after.voters.len()));
                }
            }
            state = states.into_iter().last().unwrap();
        }
    }
}
