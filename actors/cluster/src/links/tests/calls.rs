//! What nodes can say to one another.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_call_is_answered_over_the_link() {
    let network = SimulatedNetwork::new(1);
    let (a, b) = pair(&network, LinksConfig::default()).await;
    b.peers.serve(Service::Api, Arc::new(Echo::default()));
    assert_eq!(a.call(&b, Service::Api, "hello").await, Ok(body("hello")));
    assert!(a.peers.views()[0].rtt_us.is_some() || a.view(&b).control != LinkState::Up);
}

#[tokio::test(start_paused = true)]
async fn a_call_to_oneself_needs_no_network() {
    let network = SimulatedNetwork::new(1);
    let a = start(&network, "a", 1).await;
    a.peers.serve(Service::Api, Arc::new(Echo::default()));
    assert_eq!(a.call(&a, Service::Api, "hello").await, Ok(body("hello")));
    let refused = a.call(&a, Service::Remote, "hello").await;
    assert!(matches!(refused, Err(LinkError::Refused(_))), "{refused:?}");
    assert_eq!(network.sent_bytes("a"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_nobody_told_of_is_unknown() {
    let network = SimulatedNetwork::new(1);
    let a = start(&network, "a", 1).await;
    let answer = a.peers.call(NodeId(9), Service::Api, Bytes::new(), SECOND).await;
    assert_eq!(answer, Err(LinkError::Unknown));
    assert_eq!(a.peers.try_cast(NodeId(9), Service::Api, Bytes::new()), Err(LinkError::Unknown));
}

#[tokio::test(start_paused = true)]
async fn casts_of_one_sender_arrive_in_order() {
    let network = SimulatedNetwork::new(1);
    network.set_all(crate::simulated::Conditions {
        delay: 2 * MS,
        jitter: 20 * MS,
        loss: 0.05,
        ..Default::default()
    });
    let (a, b) = pair(&network, LinksConfig::default()).await;
    let echo = Arc::new(Echo::default());
    b.peers.serve(Service::Remote, Arc::clone(&echo) as Arc<dyn Port>);
    for number in 0..20_000_u32 {
        let body = Bytes::copy_from_slice(&number.to_be_bytes());
        a.peers.cast(b.id(), Service::Remote, body, 60 * SECOND).await.unwrap();
    }
    eventually(|| echo.heard.lock().len() == 20_000, 60 * SECOND).await;
    for (number, (from, body)) in (0_u32..).zip(&*echo.heard.lock()) {
        assert_eq!((*from, &body[..]), (a.id(), &number.to_be_bytes()[..]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_nobody_serves_is_refused_with_the_reason() {
    let network = SimulatedNetwork::new(1);
    let (a, b) = pair(&network, LinksConfig::default()).await;
    let refused = a.call(&b, Service::Registry, "hello").await;
    let reason = "nobody serves registry on that node".to_owned();
    assert_eq!(refused, Err(LinkError::Refused(reason)));
}

/// Refuses what says `no`, and lets go of all else.
struct Moody;

impl Port for Moody {
    fn cast(&self, _from: NodeId, _body: Bytes) {}

    fn call(&self, _from: NodeId, body: Bytes, answer: Answer) {
        if &body[..] == b"no" {
            answer.refuse("not today");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_let_go_of_reaches_the_caller_at_once() {
    let network = SimulatedNetwork::new(1);
    let (a, b) = pair(&network, LinksConfig::default()).await;
    b.peers.serve(Service::Api, Arc::new(Moody));
    a.call(&b, Service::Api, "first").await.unwrap_err();
    let start = tokio::time::Instant::now();
    assert_eq!(a.call(&b, Service::Api, "x").await, Err(LinkError::Unanswered));
    let refused = a.call(&b, Service::Api, "no").await;
    assert_eq!(refused, Err(LinkError::Refused("not today".to_owned())));
    assert!(start.elapsed() < 10 * MS);
}

#[tokio::test(start_paused = true)]
async fn a_body_above_the_limit_is_refused_before_it_is_queued() {
    let network = SimulatedNetwork::new(1);
    let config = LinksConfig { max_body_bytes: 1 << 20, ..LinksConfig::default() };
    let (a, b) = pair(&network, config).await;
    b.peers.serve(Service::Snapshot, Arc::new(Echo::default()));
    let large = Bytes::from(vec![7; (1 << 20) + 1]);
    let answer = a.peers.call(b.id(), Service::Snapshot, large, SECOND).await;
    assert_eq!(answer, Err(LinkError::TooLarge));
    let largest = Bytes::from(vec![7; 1 << 20]);
    let answer = a.peers.call(b.id(), Service::Snapshot, largest.clone(), SECOND).await;
    assert_eq!(answer, Ok(largest));
}

#[tokio::test(start_paused = true)]
async fn bodies_of_all_sizes_arrive_as_they_were_sent() {
    let network = SimulatedNetwork::new(1);
    let (a, b) = pair(&network, LinksConfig::default()).await;
    b.peers.serve(Service::Snapshot, Arc::new(Echo::default()));
    for size in [0, 1, 4_095, 4_096, 4_097, 8_192, 8_193, 100_000, 3 << 20] {
        let sent: Bytes = (0..size).map(|at| (at % 251) as u8).collect();
        let answer = a.peers.call(b.id(), Service::Snapshot, sent.clone(), SECOND).await;
        assert!(answer == Ok(sent), "{size}");
    }
}
