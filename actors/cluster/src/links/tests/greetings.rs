//! Who is let in, and what who isn't is told.

use tokio::io::AsyncReadExt;

use super::*;

async fn start_as(
    network: &SimulatedNetwork,
    at: &str,
    record: NodeRecord,
    cluster: Option<u128>,
) -> TestNode {
    let cluster = cluster.map(ClusterId);
    start_over(network.transport(at), record, LinksConfig::default(), cluster).await
}

async fn meets(node: &TestNode, address: &str) -> Result<NodeRecord, LinkError> {
    node.peers.meet(address, 10 * SECOND).await
}

fn reason(met: Result<NodeRecord, LinkError>) -> String {
    match met {
        Err(LinkError::Refused(reason)) => reason,
        other => panic!("expected a refusal, found {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_seed_is_met_by_its_address_and_both_know_one_another() {
    let network = SimulatedNetwork::new(1);
    let seed = start(&network, "seed", 1).await;
    let joiner = start_as(&network, "b", record("b", 2, 1), None).await;
    seed.peers.serve(Service::Membership, Arc::new(Echo::default()));
    assert_eq!(meets(&joiner, "seed").await, Ok(seed.record.clone()));
    assert!(joiner.call(&seed, Service::Membership, "x").await.is_ok());
    assert_eq!(seed.peers.record(joiner.id()), Some(joiner.record.clone()));
    assert_eq!(network.connections(), 1, "the connection of the meeting is the one in use");
    assert_eq!(meets(&joiner, "seed").await, Ok(seed.record.clone()), "as often as one likes");
}

#[tokio::test(start_paused = true)]
async fn a_seed_that_is_not_there_is_unreachable() {
    let network = SimulatedNetwork::new(1);
    let a = start(&network, "a", 1).await;
    let met = meets(&a, "nowhere").await;
    assert!(matches!(met, Err(LinkError::Unreachable(_))), "{met:?}");
    network.isolate("a");
    let met = a.peers.meet("a-seed", SECOND).await;
    assert_eq!(met, Err(LinkError::Deadline));
}

#[tokio::test(start_paused = true)]
async fn a_node_of_another_cluster_is_refused_on_both_sides() {
    let network = SimulatedNetwork::new(1);
    let a = start(&network, "a", 1).await;
    let other = start_as(&network, "b", record("b", 2, 1), Some(2)).await;
    let reason = reason(meets(&other, "a").await);
    assert!(reason.contains("b is of cluster 0000") && reason.contains("expected"), "{reason}");
    assert_eq!((a.peers.refusals(), other.peers.refusals()), (1, 1));
    assert_eq!(a.peers.record(other.id()), None, "and not learned");
}

#[tokio::test(start_paused = true)]
async fn the_own_address_among_the_seeds_is_told_from_another_node() {
    let network = SimulatedNetwork::new(1);
    let a = start(&network, "a", 1).await;
    assert!(reason(meets(&a, "a").await).contains("is that of a at a"));
}

#[tokio::test(start_paused = true)]
async fn an_earlier_start_of_a_node_is_refused() {
    let network = SimulatedNetwork::new(1);
    let a = start(&network, "a", 1).await;
    a.peers.learn(record("b", 2, 7));
    let stale = start_as(&network, "b", record("b", 2, 6), Some(1)).await;
    assert!(reason(meets(&stale, "a").await).contains("start 6 of b"));
}

#[tokio::test(start_paused = true)]
async fn two_nodes_with_the_same_id_are_not_mixed_up() {
    let network = SimulatedNetwork::new(1);
    let (a, b) = pair(&network, LinksConfig::default()).await;
    a.is_linked_to(&b).await;
    // Somebody has copied the folder of b to another machine.
    let twin =
        start_as(&network, "c", NodeRecord { address: "c".into(), ..record("b", 2, 9) }, Some(1))
            .await;
    let reason = reason(meets(&twin, "a").await);
    assert!(reason.contains("in use: b at b is alive"), "{reason}");
    assert_eq!(a.view(&b).incarnation, Incarnation(1));
    assert_eq!(a.view(&b).control, LinkState::Up);
    // When the first is gone for good, the other may take its place.
    network.kill("b");
    let _ = b.system.stop(SECOND).await;
    eventually(|| a.view(&twin).control != LinkState::Up, SECOND).await;
    assert!(meets(&twin, "a").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn another_node_at_a_known_address_is_not_taken_for_the_former() {
    let network = SimulatedNetwork::new(1);
    let a = start(&network, "a", 1).await;
    let _other = start_as(&network, "b", record("c", 3, 1), Some(1)).await;
    a.peers.learn(record("b", 2, 1));
    let answer = a.peers.call(NodeId(2), Service::Membership, Bytes::new(), SECOND).await;
    assert!(matches!(answer, Err(LinkError::Unreachable(_))), "{answer:?}");
    assert!(a.peers.views()[0].last_error.as_ref().unwrap().contains("is node"));
    assert_eq!(a.peers.record(NodeId(3)), None);
}

#[tokio::test(start_paused = true)]
async fn nodes_that_come_to_belong_to_different_clusters_part() {
    let network = SimulatedNetwork::new(1);
    let a = start_as(&network, "a", record("a", 1, 1), None).await;
    let b = start_as(&network, "b", record("b", 2, 1), None).await;
    meets(&a, "b").await.unwrap();
    a.is_linked_to(&b).await;
    a.peers.cluster().adopt(ClusterId(1)).unwrap();
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(a.view(&b).control, LinkState::Up);
    b.peers.cluster().adopt(ClusterId(2)).unwrap();
    eventually(|| a.view(&b).control != LinkState::Up, SECOND).await;
    tokio::time::sleep(SECOND).await;
    assert_ne!(a.view(&b).control, LinkState::Up);
    assert!(a.peers.refusals() > 0);
}

#[tokio::test(start_paused = true)]
async fn a_silent_caller_is_cut_off_and_holds_up_nobody() {
    let network = SimulatedNetwork::new(1);
    let config = LinksConfig { max_handshakes: 8, ..LinksConfig::default() };
    let _a = start_with(&network, "a", 1, config).await;
    let stranger = network.transport("stranger");
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(stranger.connect("a").await.unwrap());
    }
    let begun = tokio::time::Instant::now();
    let b = start(&network, "b", 2).await;
    assert!(meets(&b, "a").await.is_ok());
    assert!(begun.elapsed() < 10 * MS);
    for stream in &mut silent {
        let end = tokio::time::timeout(6 * SECOND, stream.bytes.read_u8()).await;
        assert!(end.is_ok_and(|end| end.is_err()), "cut off");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_never_answers_a_hello_is_given_up_by_the_deadline() {
    let network = SimulatedNetwork::new(1);
    let a = start(&network, "a", 1).await;
    let mut listener = network.transport("mute").listen().await.unwrap();
    let mute = tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok(caller) = listener.accept().await {
            kept.push(caller);
        }
    });
    let begun = tokio::time::Instant::now();
    let met = meets(&a, "mute").await;
    assert!(matches!(met, Err(LinkError::Unreachable(_))), "{met:?}");
    assert_eq!(begun.elapsed(), 5 * SECOND);
    mute.abort();
}
