//! Faults of nodes, disks and wires: nothing committed is lost, nothing is taken twice.

use std::time::Duration;

use synod_journal::AppendError;
use tokio::time::sleep;

use super::world::{G1, SOON, World};
use crate::consensus::GroupError;
use crate::node::NodeId;

#[tokio::test(start_paused = true)]
async fn what_was_committed_survives_the_leaders_power_cut() {
    let mut world = World::new();
    world.three(G1).await;
    let mut stored = Vec::new();
    for round in 0..3 {
        let leader = world.leader(G1).await;
        for number in 0..10 {
            let text = format!("{round}-{number}");
            world.node(leader).append(&text).await.unwrap();
            stored.push(text);
        }
        world.kill(leader).await;
        let next = world.leader(G1).await;
        assert_ne!(next, leader);
        assert_eq!(world.node(next).texts().await, stored);
        world.start(leader.0).await;
        world.even(G1).await;
        world.assert_same(G1);
    }
}

#[tokio::test(start_paused = true)]
async fn all_nodes_lose_power_at_once_and_nothing_committed_is_lost() {
    let mut world = World::new();
    let nodes = world.three(G1).await;
    let leader = world.leader(G1).await;
    let mut stored = Vec::new();
    for number in 0..30 {
        let text = format!("record {number}");
        world.node(leader).append(&text).await.unwrap();
        stored.push(text);
    }
    for node in nodes {
        world.kill(node).await;
    }
    for node in nodes {
        world.start(node.0).await;
    }
    let leader = world.leader(G1).await;
    assert_eq!(world.node(leader).texts().await, stored);
    world.node(leader).append("more").await.unwrap();
    world.even(G1).await;
    world.assert_same(G1);
}

#[tokio::test(start_paused = true)]
async fn a_leader_cut_off_from_the_majority_accepts_nothing_and_says_so_in_time() {
    let mut world = World::new();
    let nodes = world.three(G1).await;
    let old = world.leader(G1).await;
    world.node(old).append("before").await.unwrap();
    world.wires.isolate(&[old], &nodes);
    let first = world.node(old).append("cut off").await;
    assert!(matches!(first, Err(AppendError::OutcomeUnknown | AppendError::NotOwner)), "{first:?}");
    world
        .wait("it knows that it has no majority", |world| {
            !world.node(old).groups.view(G1).accepts()
        })
        .await;
    assert_eq!(world.node(old).append("still cut off").await, Err(AppendError::NotOwner));
    assert!(world.node(old).groups.barrier(G1, Duration::from_secs(3)).await.is_err());
    assert!(world.node(old).groups.lease(G1, Duration::from_secs(3)).await.is_err());

    let new = world.leader(G1).await;
    assert_ne!(new, old);
    world.node(new).append("after").await.unwrap();
    world.wires.heal();
    world.even(G1).await;
    world.assert_same(G1);
    assert_eq!(world.node(new).texts().await, ["before", "after"]);
    assert_eq!(world.node(old).append("by the old one").await, Err(AppendError::NotOwner));
}

#[tokio::test(start_paused = true)]
async fn without_a_majority_nothing_is_taken_and_with_it_work_goes_on() {
    let mut world = World::new();
    let nodes = world.three(G1).await;
    let leader = world.leader(G1).await;
    world.node(leader).append("one").await.unwrap();
    let others: Vec<_> = nodes.into_iter().filter(|node| *node != leader).collect();
    for node in &others {
        world.kill(*node).await;
    }
    world.wait("no majority", |world| world.leaders(G1).is_empty()).await;
    assert_eq!(world.node(leader).append("two").await, Err(AppendError::NotOwner));
    world.start(others[0].0).await;
    let leader = world.leader(G1).await;
    world.node(leader).append("three").await.unwrap();
    let texts = world.node(leader).texts().await;
    assert_eq!((texts.first().unwrap().as_str(), texts.last().unwrap().as_str()), ("one", "three"));
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_of_a_follower_stops_nobody_and_it_catches_up() {
    let mut world = World::new();
    let nodes = world.three(G1).await;
    let leader = world.leader(G1).await;
    let full = nodes.into_iter().find(|node| *node != leader).unwrap();
    world.disks[&full].fail_write(1);
    world.disks[&full].set_free_bytes(0);
    for number in 0..50 {
        world.node(leader).append(&format!("record {number}")).await.unwrap();
    }
    world.disks[&full].set_free_bytes(1 << 40);
    world.even(G1).await;
    world.assert_same(G1);
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_disk_is_full_says_so_and_another_may_lead() {
    let mut world = World::new();
    world.three(G1).await;
    let leader = world.leader(G1).await;
    world.disks[&leader].fail_write(1);
    world.disks[&leader].set_free_bytes(0);
    // A majority has it without the leader's disk, or nobody knows.
    let _ = world.node(leader).append("one").await;
    world
        .wait("it knows", |world| world.node(leader).groups.site.replica(G1).stalled().is_some())
        .await;
    let refused = world.node(leader).append("two").await;
    assert!(matches!(refused, Err(AppendError::DiskFull(_))), "{refused:?}");
    // It can't even note that another leads, so its own view is no witness.
    let to = world.ids().into_iter().find(|node| *node != leader).unwrap();
    let within = Duration::from_secs(5);
    let _ = world.node(leader).groups.transfer_leader(G1, to, within).await;
    world.wait("it takes appends", |world| world.node(to).groups.view(G1).accepts()).await;
    world.node(to).append("three").await.unwrap();
    world.wait("the former leader takes none", |world| world.leaders(G1) == [to]).await;
    world.disks[&leader].set_free_bytes(1 << 40);
    world.even(G1).await;
    world.assert_same(G1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_sync_closes_the_group_on_that_node_alone() {
    let mut world = World::new();
    let nodes = world.three(G1).await;
    let leader = world.leader(G1).await;
    let failing = nodes.into_iter().find(|node| *node != leader).unwrap();
    world.disks[&failing].fail_sync(1);
    for number in 0..5 {
        world.node(leader).append(&format!("record {number}")).await.unwrap();
    }
    world.wait("it tells", |world| world.node(failing).groups.view(G1).fault.is_some()).await;
    world.kill(failing).await;
    world.start(failing.0).await;
    world.even(G1).await;
    world.assert_same(G1);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_lost_its_disk_is_refused_until_it_is_admitted_anew() {
    let mut world = World::new();
    let nodes = world.three(G1).await;
    let leader = world.leader(G1).await;
    world.node(leader).append("one").await.unwrap();
    let lost = nodes.into_iter().find(|node| *node != leader).unwrap();
    world.kill(lost).await;
    world.disks.remove(&lost);
    world.start(lost.0).await;
    world.node(leader).append("two").await.unwrap();
    sleep(Duration::from_secs(20)).await;
    let view = world.node(lost).groups.view(G1);
    assert_eq!((view.last, view.voters.len()), (0, 0), "it got nothing: {view:?}");

    let within = Duration::from_secs(10);
    let groups = &world.node(leader).groups;
    let rest = nodes.into_iter().filter(|node| *node != lost).collect();
    groups.change_voters(G1, rest, within).await.unwrap();
    let storage = world.node(lost).groups.storage(within).await.unwrap();
    groups.add_learner(G1, lost, storage, within).await.unwrap();
    groups.change_voters(G1, nodes.into(), within).await.unwrap();
    world.even(G1).await;
    world.assert_same(G1);
}

#[tokio::test(start_paused = true)]
async fn a_node_with_yesterdays_log_catches_up_by_a_saved_state() {
    let mut world = World::new();
    world.config.snapshot_entries = 100;
    world.config.kept_entries = 10;
    let nodes = world.three(G1).await;
    let leader = world.leader(G1).await;
    world.node(leader).append("yesterday").await.unwrap();
    let late = nodes.into_iter().find(|node| *node != leader).unwrap();
    world.kill(late).await;
    for number in 0..400 {
        world.node(leader).append(&format!("record {number}")).await.unwrap();
    }
    world
        .wait("the log was cut", |world| {
            let running = world.node(leader).groups.site.replica(G1).running().unwrap();
            running.log.size().0 < 200
        })
        .await;
    world.start(late.0).await;
    world.even(G1).await;
    world.assert_same(G1);
    world.kill(late).await;
    world.start(late.0).await;
    world.even(G1).await;
    world.assert_same(G1);
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_is_gone_does_not_make_the_leaders_log_grow() {
    let mut world = World::new();
    world.config.snapshot_bytes = 64 << 10;
    world.config.max_payload_bytes = 64 << 10;
    let nodes = world.three(G1).await;
    let leader = world.leader(G1).await;
    let gone = nodes.into_iter().find(|node| *node != leader).unwrap();
    world.wires.isolate(&[gone], &nodes);
    let text = "x".repeat(8 << 10);
    let mut most = 0;
    for number in 0..300 {
        let committed = world.node(leader).append(&text).await.unwrap();
        let running = world.node(leader).groups.site.replica(G1).running().unwrap();
        most = most.max(running.log.size().1);
        if number % 20 == 19 {
            snapshot(&world, leader, committed.last).await;
            sleep(Duration::from_millis(500)).await;
        }
    }
    assert!(most < 1 << 20, "{most} bytes of log for 2.4 MiB of records");
    world.wires.heal();
    world.even(G1).await;
}

async fn snapshot(world: &World, node: NodeId, at: synod_journal::Position) {
    let save = synod_journal::SaveSnapshot {
        stream: super::world::TASKS,
        at,
        version: 1,
        bytes: b"state".as_slice().into(),
    };
    world.node(node).log(G1).ask(save, super::world::SOON).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn reads_behind_a_barrier_see_all_that_was_committed_and_a_deposed_leader_gives_none() {
    let mut world = World::new();
    let nodes = world.three(G1).await;
    let within = Duration::from_secs(2);
    let leader = world.leader(G1).await;
    world.node(leader).append("one").await.unwrap();
    world.node(leader).groups.barrier(G1, within).await.unwrap();
    world.node(leader).groups.lease(G1, within).await.unwrap();
    for node in nodes.into_iter().filter(|node| *node != leader) {
        let refused = world.node(node).groups.barrier(G1, within).await;
        let expected = GroupError::NotLeader { group: G1, leader: Some(leader) };
        assert_eq!(refused, Err(expected));
    }
    world.wires.isolate(&[leader], &nodes);
    let new = loop {
        let new = world.leaders(G1).into_iter().find(|node| *node != leader);
        match new {
            Some(new) => break new,
            None => sleep(Duration::from_millis(1)).await,
        }
    };
    world.node(new).append("two").await.unwrap();
    // The former leader's lease must have ended before another could be elected.
    assert!(world.node(leader).groups.lease(G1, Duration::from_millis(50)).await.is_err());
    assert!(world.node(leader).groups.barrier(G1, within).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_journals_of_all_nodes_stay_short_however_much_goes_through_a_group() {
    let mut world = World::new();
    world.journal = synod_journal::JournalConfig {
        segment_bytes: 128 << 10,
        max_group_bytes: 64 << 10,
        max_record_bytes: 32 << 10,
        max_pending_bytes: 4 << 20,
        ..Default::default()
    };
    world.config.snapshot_bytes = 64 << 10;
    // Half an hour is less to do at a slower pace.
    world.config.heartbeat_ms = 2_000;
    world.config.election_min_ms = 8_000;
    world.config.election_max_ms = 10_000;
    let nodes = world.three(G1).await;
    let leader = world.leader(G1).await;
    let text = "x".repeat(8 << 10);
    let mut most = 0;
    for number in 0..260 {
        let committed = world.node(leader).append(&text).await.unwrap();
        if number % 20 == 19 {
            snapshot(&world, leader, committed.last).await;
            sleep(Duration::from_secs(120)).await;
            for node in nodes {
                let health = world.node(node).journal.ask(synod_journal::Health {}, SOON).await;
                most = most.max(health.unwrap().segments);
            }
        }
    }
    assert!(most <= 8, "{most} segments of 128 KiB for 2 MiB of records");
    world.even(G1).await;
    world.assert_same(G1);
}
