//! What must hold however replicas hear of each other.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::replicas::{LIMITS, Seen, key, learn_all, replica, write};
use crate::node::{Incarnation, NodeId};
use crate::registry::entry::{OriginDelta, OriginDigest};
use crate::registry::hlc::Hlc;
use crate::registry::origin::{Limits, Taken};
use crate::registry::owner_map::{OwnerMap, RegistryRefusal};

/// What a node does to its own entries: which key, and what to say (none removes it).
type Write = (usize, u8, Option<u8>);

fn writes() -> impl Strategy<Value = Vec<Write>> {
    prop::collection::vec((0usize..3, 0u8..6, prop::option::of(any::<u8>())), 0..40)
}

/// Three owners that have written, and know nothing of each other.
fn owners(writes: &[Write]) -> Vec<OwnerMap> {
    let mut owners: Vec<_> = (0..3).map(|owner| replica(owner, 6)).collect();
    for (at, (owner, name, value)) in writes.iter().enumerate() {
        write(&mut owners[*owner], *name, *value, at as u64);
    }
    owners
}

proptest! {
    #[test]
    fn merging_is_commutative_associative_and_idempotent(writes in writes()) {
        let owners = owners(&writes);
        let merged = |order: &[usize]| {
            let mut reader = replica(5, 6);
            order.iter().for_each(|owner| learn_all(&mut reader, &owners[*owner], 1 << 20));
            Seen::of(&reader)
        };
        let expected = merged(&[0, 1, 2]);
        for order in [&[2, 1, 0][..], &[1, 0, 2], &[0, 0, 1, 2, 1, 0], &[2, 0, 1, 0, 2]] {
            prop_assert_eq!(&merged(order), &expected);
        }
        // (0 + 1) + 2 = 0 + (1 + 2), through replicas that pass on what they heard.
        let mut left = replica(4, 6);
        learn_all(&mut left, &owners[0], 1 << 20);
        learn_all(&mut left, &owners[1], 1 << 20);
        learn_all(&mut left, &owners[2], 1 << 20);
        let mut right = replica(3, 6);
        learn_all(&mut right, &owners[1], 1 << 20);
        learn_all(&mut right, &owners[2], 1 << 20);
        let mut whole = replica(5, 6);
        learn_all(&mut whole, &owners[0], 1 << 20);
        learn_all(&mut whole, &right, 1 << 20);
        prop_assert_eq!(Seen::of(&left), Seen::of(&whole));
        prop_assert_eq!(left.fingerprint(), whole.fingerprint());
    }

    #[test]
    fn replicas_converge_in_pieces_of_any_size(writes in writes(), budget in 1usize..200) {
        let owners = owners(&writes);
        let mut reader = replica(5, 6);
        owners.iter().for_each(|owner| learn_all(&mut reader, owner, budget));
        let mut expected = BTreeMap::new();
        for (owner, name, value) in &writes {
            match value {
                Some(value) => expected.insert((*owner, *name), *value),
                None => expected.remove(&(*owner, *name)),
            };
        }
        prop_assert_eq!(Seen::of(&reader).entries(), expected.len());
        for ((owner, name), value) in expected {
            let found = reader.get(key(name).as_str());
            let of = found.iter().find(|entry| entry.node == NodeId(owner as u64 + 1));
            prop_assert_eq!(of.map(|entry| entry.value[0]), Some(value));
        }
    }

    /// The hardest law: replicas hear of an owner in any order, in pieces, through each other,
    /// and forget removals whenever they like. What the owner removed must not come back.
    #[test]
    fn nothing_that_was_removed_ever_comes_back(
        steps in prop::collection::vec((0usize..8, 0usize..4, 0u8..6, 1usize..150), 1..200),
    ) {
        let mut replicas: Vec<_> = (0..4).map(|place| replica(place, 4)).collect();
        for (at, (what, other, name, budget)) in steps.iter().enumerate() {
            let at = at as u64;
            match what {
                0..=1 => write(&mut replicas[0], *name, Some(*name), at),
                2 => write(&mut replicas[0], *name, None, at),
                3 => drop(replicas[*other].collect(Duration::from_secs(at + 1))),
                _ => {
                    let teller = (*what + *budget) % 4;
                    if teller != *other {
                        exchange_once(&mut replicas, teller, *other, *budget);
                    }
                }
            }
            for other in 1..4 {
                let (ours, theirs) = (&replicas[0], &replicas[other]);
                if theirs.version_of(NodeId(1)) == ours.version_of(NodeId(1)) {
                    prop_assert_eq!(Seen::of(theirs), Seen::of(ours), "step {}", at);
                }
            }
        }
        for other in 1..4 {
            let (owner, rest) = replicas.split_at_mut(1);
            learn_all(&mut rest[other - 1], &owner[0], 1 << 20);
            prop_assert_eq!(Seen::of(&rest[other - 1]), Seen::of(&owner[0]));
        }
    }

    #[test]
    fn deltas_of_any_shape_keep_a_replica_within_its_limits(
        deltas in prop::collection::vec((0u64..50, 0u64..50, 0u64..50, 0u8..30), 0..60),
    ) {
        let limits = Limits { entries: 8, bytes: 400 };
        let mut reader = OwnerMap::new(NodeId(9), Incarnation(1), limits);
        reader.admit(NodeId(1), Incarnation(1));
        let mut changes = Vec::new();
        for (from, upto, collected, name) in deltas {
            let change = crate::registry::entry::Change {
                key: key(name),
                version: upto,
                stamp: Hlc::at(upto),
                value: Some(Bytes::from(vec![name; usize::from(name)])),
            };
            let (origin, incarnation) = (NodeId(1), Incarnation(1));
            let delta =
                OriginDelta { origin, incarnation, from, upto, collected, changes: vec![change] };
            reader.take(NodeId(1), delta, Duration::ZERO, &mut changes);
            for (_, origin) in reader.sizes() {
                prop_assert!(origin.live_count() <= 8 && origin.weight <= 400);
            }
        }
    }
}

/// `teller` tells `reader` one piece of what it lacks.
fn exchange_once(replicas: &mut [OwnerMap], teller: usize, reader: usize, budget: usize) {
    let (deltas, _) = replicas[teller].deltas_for(&replicas[reader].digest(), 0, budget);
    let from = NodeId(teller as u64 + 1);
    for delta in deltas {
        replicas[reader].take(from, delta, Duration::from_secs(1), &mut Vec::new());
    }
}

#[test]
fn who_missed_forgotten_removals_begins_anew() {
    let (mut owner, mut reader) = (replica(0, 2), replica(1, 2));
    (0..4).for_each(|name| write(&mut owner, name, Some(1), 0));
    learn_all(&mut reader, &owner, 1 << 20);
    write(&mut owner, 1, None, 1);
    write(&mut owner, 4, Some(1), 2);
    assert_eq!(owner.collect(Duration::from_secs(100)), 1);
    let (deltas, more) = owner.deltas_for(&reader.digest(), 0, 1 << 20);
    assert_eq!((deltas.len(), deltas[0].from, more), (1, 0, false));
    let mut changes = Vec::new();
    let taken = reader.take(NodeId(1), deltas[0].clone(), Duration::ZERO, &mut changes);
    assert!(matches!(taken, Taken::News { anew: true, .. }));
    assert_eq!(Seen::of(&reader), Seen::of(&owner));
    assert_eq!(changes.len(), 5, "forgotten, and four entries");
}

#[test]
fn only_a_node_itself_brings_back_what_it_said_before_it_was_forgotten() {
    let (mut owner, mut reader, mut stale) = (replica(0, 3), replica(1, 3), replica(2, 3));
    write(&mut owner, 1, Some(1), 0);
    learn_all(&mut reader, &owner, 1 << 20);
    learn_all(&mut stale, &owner, 1 << 20);
    assert!(reader.forget(NodeId(1)));
    assert!(reader.get("k1").is_empty());
    learn_all(&mut reader, &stale, 1 << 20);
    assert!(reader.get("k1").is_empty(), "no member, not heard");
    reader.admit(NodeId(1), Incarnation(1));
    learn_all(&mut reader, &stale, 1 << 20);
    assert!(reader.get("k1").is_empty(), "hearsay on one that was forgotten");
    learn_all(&mut reader, &owner, 1 << 20);
    assert_eq!(reader.get("k1").len(), 1, "its own word");
}

#[test]
fn a_restarted_node_speaks_for_itself_alone() {
    let (mut owner, mut reader, mut stale) = (replica(0, 3), replica(1, 3), replica(2, 3));
    write(&mut owner, 1, Some(1), 0);
    learn_all(&mut reader, &owner, 1 << 20);
    learn_all(&mut stale, &owner, 1 << 20);
    assert!(reader.admit(NodeId(1), Incarnation(2)), "what it said before is gone");
    learn_all(&mut reader, &stale, 1 << 20);
    assert!(reader.get("k1").is_empty());
    let mut restarted = OwnerMap::new(NodeId(1), Incarnation(2), LIMITS);
    write(&mut restarted, 2, Some(2), 9);
    learn_all(&mut reader, &restarted, 1 << 20);
    learn_all(&mut reader, &owner, 1 << 20);
    assert!(reader.get("k1").is_empty() && reader.get("k2").len() == 1);
}

#[test]
fn nobody_else_writes_a_nodes_entries() {
    let (mut owner, mut other) = (replica(0, 2), replica(1, 2));
    write(&mut owner, 1, Some(1), 0);
    learn_all(&mut other, &owner, 1 << 20);
    let mut forged = other.deltas_for(&[], 0, 1 << 20).0;
    forged[0].changes[0].version = 7;
    forged[0].upto = 7;
    let mut changes = Vec::new();
    owner.take(NodeId(2), forged[0].clone(), Duration::ZERO, &mut changes);
    assert!(changes.is_empty() && owner.own_version() == 1);
}

#[test]
fn of_two_claims_the_later_one_holds() {
    let (mut first, mut second, mut reader) = (replica(0, 3), replica(1, 3), replica(2, 3));
    write(&mut second, 1, Some(2), 5);
    write(&mut first, 1, Some(1), 6);
    learn_all(&mut reader, &first, 1 << 20);
    learn_all(&mut reader, &second, 1 << 20);
    let nodes: Vec<_> = reader.get("k1").iter().map(|entry| entry.node).collect();
    assert_eq!(nodes, [NodeId(1), NodeId(2)]);
}

#[test]
fn a_full_registry_refuses_and_makes_room_from_removals_first() {
    let limits = Limits { entries: 4, bytes: 1 << 20 };
    let mut owner = OwnerMap::new(NodeId(1), Incarnation(1), limits);
    (0..4).for_each(|name| write(&mut owner, name, Some(1), 0));
    let stamp = Hlc::at(1);
    let more = owner.write(key(9), Some(Bytes::from_static(b"x")), stamp, Duration::ZERO);
    assert_eq!(more, Err(RegistryRefusal::Full));
    write(&mut owner, 0, None, 1);
    let more = owner.write(key(9), Some(Bytes::from_static(b"x")), stamp, Duration::ZERO);
    assert_eq!(more, Ok(true));
    assert_eq!(owner.sizes().map(|(_, origin)| origin.tombstone_count()).sum::<usize>(), 0);
}

#[test]
fn a_list_goes_on_where_it_ended() {
    let (mut one, mut two) = (replica(0, 2), replica(1, 2));
    (0..6).for_each(|name| write(&mut one, name, Some(1), 0));
    (0..6).for_each(|name| write(&mut two, name, Some(2), 0));
    learn_all(&mut two, &one, 1 << 20);
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = two.list("k", after.as_ref(), 5);
        let Some(last) = page.last() else { break };
        after = Some((last.node, last.key.clone()));
        seen.extend(page.into_iter().map(|entry| (entry.node, entry.key)));
    }
    assert_eq!(seen.len(), 12);
    assert!(seen.is_sorted());
    assert_eq!(two.list("k3", None, 10).len(), 2);
    assert!(two.list("x", None, 10).is_empty());
}

#[test]
fn a_digest_of_the_future_asks_for_nothing_back() {
    let owner = replica(0, 2);
    let digest = OriginDigest {
        origin: NodeId(2),
        incarnation: Incarnation(1),
        version: u64::MAX,
        collected: u64::MAX,
    };
    assert!(!owner.is_ahead_of(&[digest]) && owner.is_behind(&[digest]));
    assert!(owner.deltas_for(&[digest], usize::MAX, 0).0.is_empty());
}
