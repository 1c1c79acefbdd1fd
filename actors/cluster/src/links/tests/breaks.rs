//! Connections that end: broken, silent, unused, made again.

use super::*;

/// All events that are there.
fn events(feed: &LinkFeed) -> Vec<LinkEvent> {
    feed.take().events
}

#[tokio::test(start_paused = true)]
async fn calls_on_their_way_end_at_once_when_the_connection_breaks() {
    let network = SimulatedNetwork::new(1);
    let (a, b) = pair(&network, LinksConfig::default()).await;
    let hoard = Arc::new(Hoard::default());
    b.peers.serve(Service::Api, Arc::clone(&hoard) as Arc<dyn Port>);
    a.is_linked_to(&b).await;
    let feed = a.peers.subscribe(16);
    let calls = {
        let (peers, to) = (a.peers.clone(), b.id());
        tokio::spawn(async move { peers.call(to, Service::Api, body("x"), 60 * SECOND).await })
    };
    eventually(|| hoard.calls() == 1, SECOND).await;
    let start = tokio::time::Instant::now();
    network.cut("a", "b");
    assert_eq!(calls.await.unwrap(), Err(LinkError::Broken));
    assert!(start.elapsed() < 10 * MS);
    eventually(|| a.view(&b).breaks == 2, SECOND).await;
    let events = events(&feed);
    assert!(events.iter().any(|event| matches!(event, LinkEvent::Interrupted { .. })));
    assert!(events.iter().any(|event| matches!(event, LinkEvent::Down { .. })), "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn a_broken_link_is_made_again_by_itself() {
    let network = SimulatedNetwork::new(1);
    let (a, b) = pair(&network, LinksConfig::default()).await;
    b.peers.serve(Service::Api, Arc::new(Echo::default()));
    for round in 0..20 {
        a.is_linked_to(&b).await;
        assert_eq!(a.call(&b, Service::Api, "x").await, Ok(body("x")), "round {round}");
        network.cut("a", "b");
        eventually(|| a.view(&b).control != LinkState::Up, SECOND).await;
        // What fails at once while the link waits succeeds soon.
        let (mut answer, start) = (Err(LinkError::Unknown), tokio::time::Instant::now());
        while answer.is_err() && start.elapsed() < 10 * SECOND {
            tokio::time::sleep(10 * MS).await;
            answer = a.call(&b, Service::Api, "y").await;
        }
        assert_eq!(answer, Ok(body("y")), "round {round}");
        // Long enough for the back-off to begin anew.
        tokio::time::sleep(6 * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_frozen_node_is_noticed_within_the_silence_and_callers_end_by_their_deadlines() {
    let network = SimulatedNetwork::new(1);
    let (a, b) = pair(&network, LinksConfig::default()).await;
    b.peers.serve(Service::Api, Arc::new(Echo::default()));
    assert_eq!(a.call(&b, Service::Api, "x").await, Ok(body("x")));
    a.is_linked_to(&b).await;
    let feed = a.peers.subscribe(16);
    network.isolate("b");
    let start = tokio::time::Instant::now();
    let short = a.peers.call(b.id(), Service::Api, body("x"), 500 * MS).await;
    assert_eq!((short, start.elapsed().as_millis()), (Err(LinkError::Deadline), 500));
    let long = a.peers.call(b.id(), Service::Api, body("x"), 60 * SECOND).await;
    assert_eq!(long, Err(LinkError::Broken));
    assert!(start.elapsed() < 6 * SECOND, "{:?}", start.elapsed());
    let after = a.call(&b, Service::Api, "x").await;
    assert!(matches!(after, Err(LinkError::Unreachable(_))), "{after:?}");
    assert!(events(&feed).iter().any(|event| matches!(event, LinkEvent::Down { .. })));
    network.rejoin("b");
    a.is_linked_to(&b).await;
    assert_eq!(a.call(&b, Service::Api, "x").await, Ok(body("x")));
}

#[tokio::test(start_paused = true)]
async fn a_one_way_partition_is_noticed_on_both_sides() {
    let network = SimulatedNetwork::new(1);
    let (a, b) = pair(&network, LinksConfig::default()).await;
    a.is_linked_to(&b).await;
    b.is_linked_to(&a).await;
    network.block("a", "b");
    eventually(|| b.view(&a).control != LinkState::Up, 7 * SECOND).await;
    eventually(|| a.view(&b).control != LinkState::Up, 7 * SECOND).await;
    network.heal();
    a.is_linked_to(&b).await;
    b.is_linked_to(&a).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_starts_again_gets_its_link_again() {
    let network = SimulatedNetwork::new(1);
    let (a, b) = pair(&network, LinksConfig::default()).await;
    a.is_linked_to(&b).await;
    let feed = a.peers.subscribe(16);
    network.kill("b");
    let _ = b.system.stop(SECOND).await;
    let again = start_over(
        network.transport("b"),
        record("b", 2, 2),
        LinksConfig::default(),
        Some(ClusterId(1)),
    )
    .await;
    again.peers.serve(Service::Api, Arc::new(Echo::default()));
    again.peers.learn(a.record.clone());
    eventually(|| a.view(&again).incarnation == Incarnation(2), 10 * SECOND).await;
    a.is_linked_to(&again).await;
    assert_eq!(a.call(&again, Service::Api, "x").await, Ok(body("x")));
    let events = events(&feed);
    let up = LinkEvent::Up { node: NodeId(2), incarnation: Incarnation(2) };
    assert!(matches!(events[0], LinkEvent::Down { .. }), "{events:?}");
    assert_eq!(events.last(), Some(&up));
}

#[tokio::test(start_paused = true)]
async fn an_unused_data_connection_is_closed_and_opened_on_demand() {
    let network = SimulatedNetwork::new(1);
    let config = LinksConfig { idle_ms: 10_000, ..LinksConfig::default() };
    let (a, b) = pair(&network, config).await;
    b.peers.serve(Service::Api, Arc::new(Echo::default()));
    a.is_linked_to(&b).await;
    assert_eq!(a.view(&b).data, LinkState::Idle, "nobody needs it");
    for _ in 0..3 {
        assert_eq!(a.call(&b, Service::Api, "x").await, Ok(body("x")));
        assert_eq!(a.view(&b).data, LinkState::Up);
        eventually(|| a.view(&b).data == LinkState::Idle, 12 * SECOND).await;
        eventually(|| b.view(&a).data == LinkState::Idle, SECOND).await;
    }
    assert_eq!(a.view(&b).control, LinkState::Up);
    assert_eq!((a.view(&b).breaks, b.view(&a).breaks), (0, 0), "all ended in order");
}

#[tokio::test(start_paused = true)]
async fn a_connection_with_a_call_on_its_way_is_not_unused() {
    let network = SimulatedNetwork::new(1);
    let config = LinksConfig { idle_ms: 1_000, ..LinksConfig::default() };
    let (a, b) = pair(&network, config).await;
    let hoard = Arc::new(Hoard::default());
    b.peers.serve(Service::Api, Arc::clone(&hoard) as Arc<dyn Port>);
    let answer = a.peers.call(b.id(), Service::Api, body("x"), 30 * SECOND).await;
    assert_eq!(answer, Err(LinkError::Deadline));
    assert_eq!(a.view(&b).breaks, 0);
}

#[tokio::test(start_paused = true)]
async fn messages_that_race_with_an_idle_close_are_not_lost() {
    let network = SimulatedNetwork::new(1);
    network.set_all(crate::simulated::Conditions::delayed(7 * MS));
    let config = LinksConfig { idle_ms: 1_000, ..LinksConfig::default() };
    let (a, b) = pair(&network, config).await;
    let echo = Arc::new(Echo::default());
    for node in [&a, &b] {
        node.peers.serve(Service::Remote, Arc::clone(&echo) as Arc<dyn Port>);
    }
    a.is_linked_to(&b).await;
    for round in 0..200_u64 {
        let (from, to) = if round % 2 == 0 { (&a, &b) } else { (&b, &a) };
        from.peers.cast(to.id(), Service::Remote, body("x"), SECOND).await.unwrap();
        // Around the moment at which both sides find the connection unused.
        tokio::time::sleep(Duration::from_millis(950 + round * 3)).await;
    }
    eventually(|| echo.heard.lock().len() == 200, 5 * SECOND).await;
    assert_eq!((a.view(&b).lost, b.view(&a).lost), (0, 0));
    assert_eq!((a.view(&b).breaks, b.view(&a).breaks), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn beyond_the_mesh_a_link_that_nobody_uses_goes_with_its_actor() {
    let network = SimulatedNetwork::new(1);
    let config = LinksConfig { mesh: 0, control_idle_ms: 5_000, ..LinksConfig::default() };
    let (a, b) = pair(&network, config).await;
    b.peers.serve(Service::Membership, Arc::new(Echo::default()));
    assert_eq!(a.view(&b).control, LinkState::Idle, "nobody has asked");
    for _ in 0..3 {
        assert_eq!(a.call(&b, Service::Membership, "x").await, Ok(body("x")));
        let feed = a.peers.subscribe(4);
        eventually(|| a.view(&b).control == LinkState::Idle, 7 * SECOND).await;
        assert_eq!(events(&feed), [LinkEvent::Idle { node: b.id() }]);
        let path = synod_runtime::ActorPath::new("/root/links");
        let links = || a.system.observe_under(&path, 2, 100);
        eventually(|| links().is_none_or(|links| links.children.is_empty()), 2 * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_node_gets_nothing_more() {
    let network = SimulatedNetwork::new(1);
    let (a, b) = pair(&network, LinksConfig::default()).await;
    let hoard = Arc::new(Hoard::default());
    b.peers.serve(Service::Api, Arc::clone(&hoard) as Arc<dyn Port>);
    let call = {
        let (peers, to) = (a.peers.clone(), b.id());
        tokio::spawn(async move { peers.call(to, Service::Api, body("x"), 60 * SECOND).await })
    };
    eventually(|| hoard.calls() == 1, SECOND).await;
    a.peers.forget(b.id());
    assert_eq!(call.await.unwrap(), Err(LinkError::Broken));
    assert_eq!(a.call(&b, Service::Api, "x").await, Err(LinkError::Unknown));
}

#[tokio::test(start_paused = true)]
async fn when_both_call_at_once_one_connection_of_each_kind_remains() {
    for seed in 0..20 {
        let network = SimulatedNetwork::new(seed);
        let jitter = crate::simulated::Conditions { jitter: 5 * MS, ..Default::default() };
        network.set_all(jitter);
        let (a, b) = pair(&network, LinksConfig::default()).await;
        for node in [&a, &b] {
            node.peers.serve(Service::Remote, Arc::new(Echo::default()));
        }
        let (left, right) =
            tokio::join!(a.call(&b, Service::Remote, "x"), b.call(&a, Service::Remote, "y"));
        assert_eq!((left, right), (Ok(body("x")), Ok(body("y"))), "seed {seed}");
        tokio::time::sleep(SECOND).await;
        assert_eq!(network.connections(), 2, "seed {seed}");
        assert_eq!(a.peers.refusals() + b.peers.refusals(), 0, "crossing is no refusal");
    }
}

/// What a listener was told, in order.
#[derive(Default)]
struct Diary(Mutex<Vec<(NodeId, Option<Duration>)>>, Mutex<Vec<NodeId>>);

impl HeartbeatListener for Diary {
    fn heard(&self, from: NodeId, _at: tokio::time::Instant, round_trip: Option<Duration>) {
        self.0.lock().push((from, round_trip));
    }

    fn silenced(&self, node: NodeId, _at: tokio::time::Instant) {
        self.1.lock().push(node);
    }

    fn phi(&self, _node: NodeId, _at: tokio::time::Instant) -> Option<f64> {
        Some(0.5)
    }
}

#[tokio::test(start_paused = true)]
async fn heartbeats_are_heard_with_their_round_trip_until_the_link_breaks() {
    let network = SimulatedNetwork::new(1);
    network.set_all(crate::simulated::Conditions::delayed(10 * MS));
    let (a, b) = pair(&network, LinksConfig::default()).await;
    let diary = Arc::new(Diary::default());
    a.peers.listen(Arc::clone(&diary) as Arc<dyn HeartbeatListener>);
    a.is_linked_to(&b).await;
    tokio::time::sleep(10 * SECOND).await;
    let beats = diary.0.lock().clone();
    assert!((70..=90).contains(&beats.len()), "four each way in a second: {}", beats.len());
    let trips: Vec<_> = beats.iter().filter_map(|(_, trip)| *trip).collect();
    assert!(trips.len() >= 38 && trips.iter().all(|trip| (20..=24).contains(&trip.as_millis())));
    assert_eq!((a.view(&b).phi, a.view(&b).rtt_us.is_some()), (Some(0.5), true));
    network.cut("a", "b");
    eventually(|| *diary.1.lock() == [b.id()], SECOND).await;
}

/// Two nodes that talk over a bad network: all that the feed of one tells, and when.
async fn talk(seed: u64) -> Vec<(Duration, LinkEvent)> {
    let network = SimulatedNetwork::new(seed);
    let bad = crate::simulated::Conditions {
        delay: MS,
        jitter: 20 * MS,
        loss: 0.05,
        breakage: 0.005,
        ..Default::default()
    };
    network.set_all(bad);
    let (a, b) = pair(&network, LinksConfig::default()).await;
    b.peers.serve(Service::Remote, Arc::new(Echo::default()));
    let (feed, begun) = (a.peers.subscribe(1_000), tokio::time::Instant::now());
    let mut told = Vec::new();
    while begun.elapsed() < 60 * SECOND {
        let _ = a.call(&b, Service::Remote, "x").await;
        tokio::time::sleep(20 * MS).await;
        told.extend(events(&feed).into_iter().map(|event| (begun.elapsed(), event)));
    }
    told
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_breaks_at_the_same_times() {
    let (first, second) = (talk(7).await, talk(7).await);
    assert!(first.len() > 5, "the network is not bad enough: {first:?}");
    assert_eq!(first, second);
    assert_ne!(first, talk(8).await);
}
