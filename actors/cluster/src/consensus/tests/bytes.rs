//! What goes over the wire and into the journal reads as it was written, and nothing panics.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use openraft::EntryPayload;
use openraft::entry::RaftEntry;
use openraft::raft::AppendEntriesRequest;
use proptest::prelude::*;

use super::world::{G1, World};
use crate::consensus::group::StorageId;
use crate::consensus::store::log_id;
use crate::consensus::types::{EntryOf, MembershipOf, Proposal, Seat, VoteOf};
use crate::consensus::wire::{GroupCall, Target};
use crate::node::NodeId;

fn entries() -> Vec<EntryOf> {
    let seat = Seat { storage: StorageId(5) };
    let nodes = BTreeMap::from([(NodeId(1), seat), (NodeId(2), seat)]);
    let voters = vec![BTreeSet::from([NodeId(1)])];
    let membership = MembershipOf::new(voters, nodes).unwrap();
    let payloads = [
        EntryPayload::Blank,
        EntryPayload::Normal(Proposal(Bytes::from_static(b"command"))),
        EntryPayload::Membership(membership),
        EntryPayload::Normal(Proposal(Bytes::new())),
    ];
    let numbered = payloads.into_iter().enumerate();
    numbered.map(|(at, payload)| EntryOf::new(log_id((3, at as u64)), payload)).collect()
}

#[test]
fn entries_read_on_the_other_side_as_they_were_sent() {
    let append = AppendEntriesRequest {
        vote: VoteOf::new_committed(3, NodeId(1)),
        prev_log_id: None,
        leader_commit: Some(log_id((2, 1))),
        entries: entries(),
    };
    let to = Target { group: G1, storage: StorageId(9) };
    let bytes = GroupCall::Append(append.clone()).encode(to).unwrap();
    let (target, call) = GroupCall::decode(&bytes).unwrap();
    assert_eq!(target, to);
    assert_eq!(format!("{call:?}"), format!("{:?}", GroupCall::Append(append)));
    for length in 0..bytes.len() {
        assert!(GroupCall::decode(&bytes.slice(..length)).is_err(), "cut at {length}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_a_group_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = GroupCall::decode(&Bytes::from(bytes));
    }
}

#[tokio::test(start_paused = true)]
async fn an_append_larger_than_a_record_survives_a_restart_of_all() {
    let mut world = World::new();
    let nodes = world.three(G1).await;
    let leader = world.leader(G1).await;
    let record = |byte: char| byte.to_string().repeat(900_000);
    let mut large = super::world::append(&record('a'), synod_journal::Expected::Any);
    let other = super::world::append(&record('b'), synod_journal::Expected::Any);
    large.records.extend(other.records);
    world.node(leader).ask(large).await.unwrap();
    let limits = world.node(leader).log(G1).ask(synod_journal::Health {}, super::world::SOON);
    let limits = limits.await.unwrap().limits;
    let length = usize::try_from(limits.record_bytes).unwrap() + 1;
    let too_large = super::world::append(&"c".repeat(length), synod_journal::Expected::Any);
    let refused = world.node(leader).ask(too_large).await;
    assert!(matches!(refused, Err(synod_journal::AppendError::TooLarge { .. })), "{refused:?}");
    for node in nodes {
        world.kill(node).await;
    }
    for node in nodes {
        world.start(node.0).await;
    }
    let leader = world.leader(G1).await;
    assert_eq!(world.node(leader).texts().await, [record('a'), record('b')]);
}
