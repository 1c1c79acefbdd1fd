//! Members that come and go; several groups; a node that was alone.

use std::collections::BTreeSet;
use std::time::Duration;

use synod_journal::{GetBlob, LoadSnapshot, PutBlob, SaveSnapshot};

use super::world::{CLUSTER, G1, SOON, TASKS, World, record};
use crate::consensus::GroupId;
use crate::control::{ControlAnswer, ControlCommand, ControlError, LeaseName, OverseerConfig};
use crate::node::NodeId;

fn overseen(logs: u32) -> World {
    let mut world = World::new();
    world.overseer = Some(OverseerConfig { down_grace_ms: 5_000, ..OverseerConfig::default() });
    world.logs = logs;
    world
}

/// Three nodes: the first forms the cluster, the others join it.
async fn cluster(world: &mut World, groups: u32) -> [NodeId; 3] {
    let nodes = [world.start(1).await, world.start(2).await, world.start(3).await];
    let founder = world.node(nodes[0]);
    founder.control.form(CLUSTER, groups, record(nodes[0]), SOON).await.unwrap();
    for node in &nodes[1..] {
        let joined = world.node(*node).control.join(nodes[0], record(*node), SOON).await;
        joined.unwrap();
    }
    settled(world, &nodes, groups).await;
    nodes
}

/// Waits until these vote in every group, and the leaders are spread.
async fn settled(world: &World, nodes: &[NodeId], groups: u32) {
    let voters: BTreeSet<_> = nodes.iter().copied().collect();
    world
        .wait("every group has its voters and its leader", |world| {
            (0..=groups).map(GroupId).all(|group| {
                let leaders = world.leaders(group);
                let [leader] = leaders.as_slice() else { return false };
                let seats = world.node(*leader).control.read().seats[&group].clone();
                world.node(*leader).groups.view(group).voters == voters
                    && seats.preferred == Some(*leader)
            })
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn nodes_that_join_vote_in_every_group_and_the_leaders_are_spread() {
    let mut world = overseen(8);
    let nodes = cluster(&mut world, 8).await;
    let led =
        |node: NodeId| (0..=8).map(GroupId).filter(|group| world.leaders(*group) == [node]).count();
    assert!(nodes.into_iter().all(|node| led(node) == 3), "{:?}", nodes.map(led));
    let state = world.node(nodes[2]).control.read();
    assert_eq!(state.members.len(), 3);
    assert_eq!(state.shards.nodes(), nodes.into());
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_down_for_long_loses_its_votes_and_has_them_again_when_it_is_back() {
    let mut world = overseen(2);
    let mut nodes = cluster(&mut world, 2).await.to_vec();
    for number in 4..=5 {
        let node = world.start(number).await;
        world.node(node).control.join(nodes[0], record(node), SOON).await.unwrap();
        nodes.push(node);
    }
    settled(&world, &nodes, 2).await;
    let down = nodes[1];
    world.kill(down).await;
    for node in world.nodes.values() {
        let seen = crate::control::OverseerMessage::Seen { node: down, up: false };
        node.overseer.send(seen).await.unwrap();
    }
    world
        .wait("three of the four vote", |world| {
            (0..=2).map(GroupId).all(|group| {
                world.leaders(group).iter().any(|leader| {
                    let view = world.node(*leader).groups.view(group);
                    view.voters.len() == 3 && !view.voters.contains(&down)
                })
            })
        })
        .await;
    world.start(down.0).await;
    for node in world.nodes.values() {
        let seen = crate::control::OverseerMessage::Seen { node: down, up: true };
        node.overseer.send(seen).await.unwrap();
    }
    settled(&world, &nodes, 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_drained_node_leads_nothing_and_is_removed_without_a_trace() {
    let mut world = overseen(4);
    let nodes = cluster(&mut world, 4).await;
    let drained = nodes[0];
    let drain = ControlCommand::Drain { node: drained, draining: true };
    world.node(nodes[1]).control.propose(drain, SOON).await.unwrap();
    world
        .wait("it leads nothing", |world| {
            (0..=4).map(GroupId).all(|group| {
                let leaders = world.leaders(group);
                leaders.len() == 1 && leaders != [drained]
            })
        })
        .await;
    let remove = ControlCommand::Remove { node: drained };
    world.node(nodes[1]).control.propose(remove, SOON).await.unwrap();
    world
        .wait("nobody counts on it", |world| {
            (0..=4).map(GroupId).all(|group| {
                world.leaders(group).iter().any(|leader| {
                    let view = world.node(*leader).groups.view(group);
                    !view.voters.contains(&drained) && !view.learners.contains(&drained)
                })
            })
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_lock_has_one_holder_at_a_time_and_its_tokens_only_rise() {
    let mut world = overseen(1);
    let nodes = cluster(&mut world, 1).await;
    let name = LeaseName::parse("singleton/reporter").unwrap();
    let acquire = |holder| ControlCommand::Acquire {
        name: name.clone(),
        holder,
        for_us: 2_000_000,
        at_us: 0,
    };
    let ask = async |node: NodeId| world.node(node).control.propose(acquire(node), SOON).await;
    let Ok(ControlAnswer::Leased { token: first, .. }) = ask(nodes[0]).await else { panic!() };
    assert!(matches!(ask(nodes[1]).await, Err(ControlError::Refused(_))));
    let Ok(ControlAnswer::Leased { token: same, .. }) = ask(nodes[0]).await else { panic!() };
    assert_eq!(first, same, "a renewal keeps the fence");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let Ok(ControlAnswer::Leased { token: second, .. }) = ask(nodes[1]).await else { panic!() };
    assert!(second > first);
    let state = world.node(nodes[2]).control.read_linearizable(SOON).await.unwrap();
    assert_eq!(state.leases[&name].holder, nodes[1]);
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_gets_the_state_in_chunks_with_its_snapshots_and_blobs() {
    let mut world = World::new();
    world.config.snapshot_entries = 100;
    world.config.kept_entries = 0;
    let nodes = world.three(G1).await;
    let leader = world.leader(G1).await;
    let log = world.node(leader).log(G1).clone();
    let blob: bytes::Bytes =
        (0..3_000_000_u32).map(|at| (at % 251) as u8).collect::<Vec<_>>().into();
    let put = PutBlob { owner: TASKS, bytes: blob.clone(), expected: None };
    let id = log.ask(put, SOON).await.unwrap().unwrap();
    let state: bytes::Bytes = vec![7; 1_500_000].into();
    let mut last = synod_journal::Position::START;
    for number in 0..300 {
        last = world.node(leader).append(&format!("record {number}")).await.unwrap().last;
    }
    let save = SaveSnapshot { stream: TASKS, at: last, version: 3, bytes: state.clone() };
    log.ask(save, SOON).await.unwrap().unwrap();
    world
        .wait("the log was cut", |world| {
            let running = world.node(leader).groups.site.replica(G1).running().unwrap();
            running.log.size().0 < 150
        })
        .await;

    let newcomer = world.start(4).await;
    let storage = world.node(newcomer).groups.storage(SOON).await.unwrap();
    let groups = &world.node(leader).groups;
    groups.add_learner(G1, newcomer, storage, SOON).await.unwrap();
    world.even(G1).await;
    world.assert_same(G1);
    let voters: BTreeSet<_> = nodes.into_iter().filter(|node| *node != leader).collect();
    let voters = voters.into_iter().chain([newcomer]).collect();
    groups.change_voters(G1, voters, SOON).await.unwrap();
    world.stop(leader).await;
    world.leader(G1).await;
    let led = world.leaders(G1)[0];
    if led != newcomer {
        let within = Duration::from_secs(10);
        world.node(led).groups.transfer_leader(G1, newcomer, within).await.unwrap();
    }
    world.wait("the newcomer leads", |world| world.leaders(G1) == [newcomer]).await;
    let log = world.node(newcomer).log(G1);
    let get = GetBlob { owner: TASKS, id };
    assert_eq!(log.ask(get, SOON).await.unwrap().unwrap(), Some(blob));
    let loaded = log.ask(LoadSnapshot { stream: TASKS }, SOON).await.unwrap().unwrap().unwrap();
    assert_eq!((loaded.at, loaded.version, loaded.bytes), (last, 3, state));
}

#[tokio::test(start_paused = true)]
async fn leadership_is_given_away_on_request() {
    let mut world = World::new();
    let nodes = world.three(G1).await;
    for to in nodes {
        let leader = world.leader(G1).await;
        if leader != to {
            let within = Duration::from_secs(5);
            world.node(leader).groups.transfer_leader(G1, to, within).await.unwrap();
        }
        world.wait("it leads", |world| world.leaders(G1) == [to]).await;
        world.node(to).append(&format!("by {to}")).await.unwrap();
    }
    world.even(G1).await;
    world.assert_same(G1);
}

#[tokio::test(start_paused = true)]
async fn what_a_node_had_alone_becomes_the_first_state_of_a_group_and_reaches_newcomers() {
    let mut world = overseen(1);
    let alone = world.start(1).await;
    let local = world.node(alone).journal.clone();
    let put = PutBlob { owner: TASKS, bytes: b"input".as_slice().into(), expected: None };
    let id = local.ask(put, SOON).await.unwrap().unwrap();
    let mut last = synod_journal::Position::START;
    for number in 0..10 {
        let text = format!("record {number}");
        // In the partition that the logs of groups are written in, too.
        let append = synod_journal::Append {
            partition: synod_journal::Partition::default(),
            epoch: synod_journal::Epoch(7),
            ..super::world::append(&text, synod_journal::Expected::Any)
        };
        let stored = local.ask(append, SOON);
        last = stored.await.unwrap().unwrap().last;
        if number == 6 {
            let bytes = b"state".as_slice().into();
            let save = SaveSnapshot { stream: TASKS, at: last, version: 2, bytes };
            local.ask(save, SOON).await.unwrap().unwrap();
        }
    }
    let node = world.node(alone);
    assert_eq!(node.groups.local_streams().await.unwrap(), [(TASKS, 10)]);
    node.control.form(CLUSTER, 1, record(alone), SOON).await.unwrap();
    world.leader(G1).await;
    let node = world.node(alone);
    assert!(node.groups.adopt_local(G1, &[TASKS]).await.unwrap());
    assert!(!node.groups.adopt_local(G1, &[TASKS]).await.unwrap(), "once");
    assert_eq!(node.groups.local_streams().await.unwrap(), [], "it is the group's now");
    assert_eq!(node.texts().await, ["record 7", "record 8", "record 9"]);
    let more = super::world::append("more", synod_journal::Expected::Exact(10));
    let stale = synod_journal::Append {
        partition: synod_journal::Partition::default(),
        epoch: synod_journal::Epoch(6),
        ..more.clone()
    };
    let fenced = node.ask(stale).await;
    assert!(matches!(fenced, Err(synod_journal::AppendError::Fenced { .. })), "{fenced:?}");
    let next = node.ask(more).await;
    assert_eq!(next.unwrap().first, last.next(), "positions go on");

    for number in 2..=3 {
        let node = world.start(number).await;
        world.node(node).control.join(alone, record(node), SOON).await.unwrap();
    }
    let nodes = world.ids();
    settled(&world, &nodes, 1).await;
    world.even(G1).await;
    world.kill(alone).await;
    let leader = world.leader(G1).await;
    let node = world.node(leader);
    assert_eq!(node.texts().await, ["record 7", "record 8", "record 9", "more"]);
    let got = node.log(G1).ask(GetBlob { owner: TASKS, id }, SOON).await.unwrap().unwrap();
    assert_eq!(got.as_deref(), Some(&b"input"[..]));
    let loaded = node.log(G1).ask(LoadSnapshot { stream: TASKS }, SOON).await.unwrap();
    let loaded = loaded.unwrap().unwrap();
    assert_eq!((loaded.version, &loaded.bytes[..]), (2, &b"state"[..]));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_write_gives_its_group_away_and_has_it_again_later() {
    let mut world = overseen(1);
    let nodes = cluster(&mut world, 1).await;
    let leader = world.leader(G1).await;
    world.node(leader).append("one").await.unwrap();
    world.disks[&leader].fail_write(1);
    world.disks[&leader].set_free_bytes(0);
    // Nobody knows, or the others have it.
    let _ = world.node(leader).append("two").await;
    world.wait("another leads", |world| world.leaders(G1).iter().any(|node| *node != leader)).await;
    let other = world.leaders(G1).into_iter().find(|node| *node != leader).unwrap();
    world.node(other).append("three").await.unwrap();
    world.disks[&leader].set_free_bytes(1 << 40);
    settled(&world, &nodes, 1).await;
    world.even(G1).await;
    world.assert_same(G1);
}
