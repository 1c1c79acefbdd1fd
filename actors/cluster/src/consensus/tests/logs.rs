//! What a group's log promises to who appends to it.

use synod_journal::{AppendError, Epoch, Expected};

use super::world::{G1, TASKS, World, append};

#[tokio::test(start_paused = true)]
async fn three_nodes_elect_a_leader_and_store_what_it_is_given_on_all() {
    let mut world = World::new();
    world.three(G1).await;
    let leader = world.leader(G1).await;
    for number in 0..20_u64 {
        let committed = world.node(leader).append(&format!("record {number}")).await.unwrap();
        assert_eq!((committed.first, committed.stream_version), (committed.last, number + 1));
        assert_eq!(committed.first.0, number + 1);
    }
    let texts = world.node(leader).texts().await;
    assert_eq!(texts, (0..20).map(|number| format!("record {number}")).collect::<Vec<_>>());
    world.even(G1).await;
    world.assert_same(G1);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_lead_takes_nothing_and_names_the_leader() {
    let mut world = World::new();
    let nodes = world.three(G1).await;
    let leader = world.leader(G1).await;
    for node in nodes.into_iter().filter(|node| *node != leader) {
        assert_eq!(world.node(node).append("x").await, Err(AppendError::NotOwner));
        let health = world.node(node).log(G1).ask(synod_journal::Health {}, super::world::SOON);
        let health = health.await.unwrap();
        assert!(!health.accepting);
        assert!(health.reason.unwrap().contains(&leader.to_string()));
    }
    assert_eq!(world.node(leader).texts().await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_stale_epoch_is_fenced_off_and_a_wrong_version_refused() {
    let mut world = World::new();
    world.three(G1).await;
    let leader = world.leader(G1).await;
    let node = world.node(leader);
    node.ask(synod_journal::Append { epoch: Epoch(5), ..append("a", Expected::Exact(0)) })
        .await
        .unwrap();
    let stale = synod_journal::Append { epoch: Epoch(4), ..append("b", Expected::Any) };
    let partition = stale.partition;
    assert_eq!(node.ask(stale).await, Err(AppendError::Fenced { partition, current: Epoch(5) }));
    let wrong = synod_journal::Append { epoch: Epoch(5), ..append("b", Expected::Exact(0)) };
    let refused = AppendError::WrongExpected { stream: TASKS, expected: 0, found: 1 };
    assert_eq!(node.ask(wrong).await, Err(refused));
    assert_eq!(node.texts().await, ["a"]);
}
