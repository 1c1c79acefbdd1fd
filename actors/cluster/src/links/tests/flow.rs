//! Back-pressure, credit, and what memory they bound.

use super::*;
use tokio::time::Instant;

fn tight() -> LinksConfig {
    LinksConfig {
        queue_frames: 64,
        queue_bytes: 64 << 10,
        window_frames: 32,
        window_bytes: 32 << 10,
        ..LinksConfig::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_frozen_node_makes_senders_wait_and_their_memory_stays_bounded() {
    let network = SimulatedNetwork::new(1);
    let (a, b) = pair(&network, tight()).await;
    b.peers.serve(Service::Remote, Arc::new(Echo::default()));
    assert!(a.call(&b, Service::Remote, "x").await.is_ok());
    network.isolate("b");
    let mut accepted = 0;
    let full = loop {
        match a.peers.try_cast(b.id(), Service::Remote, Bytes::from(vec![7; 1 << 10])) {
            Ok(()) => accepted += 1,
            Err(error) => break error,
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(full, LinkError::Full);
    let view = a.view(&b);
    assert!(accepted <= 64 + 32, "{accepted}");
    assert!(view.queued <= 64 && view.queued_bytes <= 64 << 10, "{view:?}");
    let start = Instant::now();
    let waited = a.peers.cast(b.id(), Service::Remote, body("x"), 300 * MS).await;
    assert_eq!((waited, start.elapsed().as_millis()), (Err(LinkError::Deadline), 300));
    let answer = a.peers.call(b.id(), Service::Remote, body("x"), 300 * MS).await;
    assert_eq!((answer, start.elapsed().as_millis()), (Err(LinkError::Deadline), 600));
    // Those that it was given are told of as lost when the link is given up.
    eventually(|| a.view(&b).lost >= 64, 10 * SECOND).await;
    assert_eq!(a.view(&b).queued, 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_receiver_slows_its_sender_down_instead_of_losing_anything() {
    let network = SimulatedNetwork::new(1);
    let (a, b) = pair(&network, tight()).await;
    let hoard = Arc::new(Hoard::default());
    b.peers.serve(Service::Remote, Arc::clone(&hoard) as Arc<dyn Port>);
    let sender = {
        let (peers, to) = (a.peers.clone(), b.id());
        tokio::spawn(async move {
            for _ in 0..1_000 {
                peers.cast(to, Service::Remote, body("x"), 60 * SECOND).await.unwrap();
            }
        })
    };
    let mut handled = 0;
    while handled < 1_000 {
        eventually(|| hoard.casts() > 0, SECOND).await;
        tokio::time::sleep(50 * MS).await;
        assert!(hoard.casts() <= 32, "more than the window: {}", hoard.casts());
        handled += hoard.casts();
        hoard.let_go();
    }
    sender.await.unwrap();
    assert_eq!((handled, a.view(&b).lost), (1_000, 0));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_one_service_does_not_starve_another() {
    let network = SimulatedNetwork::new(1);
    let (a, b) = pair(&network, tight()).await;
    let hoard = Arc::new(Hoard::default());
    b.peers.serve(Service::Remote, Arc::clone(&hoard) as Arc<dyn Port>);
    b.peers.serve(Service::Api, Arc::new(Echo::default()));
    while a.peers.try_cast(b.id(), Service::Remote, Bytes::from(vec![7; 512])).is_ok() {
        tokio::time::sleep(MS).await;
    }
    assert_eq!(hoard.casts(), 32, "its window is used up");
    for _ in 0..100 {
        let start = Instant::now();
        assert_eq!(a.call(&b, Service::Api, "x").await, Ok(body("x")));
        assert!(start.elapsed() < 10 * MS);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_not_answered_take_up_the_window_until_they_are() {
    let network = SimulatedNetwork::new(1);
    let (a, b) = pair(&network, tight()).await;
    let hoard = Arc::new(Hoard::default());
    b.peers.serve(Service::Api, Arc::clone(&hoard) as Arc<dyn Port>);
    let calls: Vec<_> = (0..60)
        .map(|_| {
            let (peers, to) = (a.peers.clone(), b.id());
            tokio::spawn(async move { peers.call(to, Service::Api, body("x"), 60 * SECOND).await })
        })
        .collect();
    eventually(|| hoard.calls() == 32, SECOND).await;
    tokio::time::sleep(SECOND).await;
    assert_eq!((hoard.calls(), a.view(&b).pending), (32, 32));
    hoard.let_go();
    eventually(|| hoard.calls() == 28, SECOND).await;
    hoard.let_go();
    for call in calls {
        assert_eq!(call.await.unwrap(), Err(LinkError::Unanswered));
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_body_among_small_ones_neither_blocks_nor_breaks_the_order() {
    let network = SimulatedNetwork::new(1);
    let (a, b) = pair(&network, tight()).await;
    let echo = Arc::new(Echo::default());
    b.peers.serve(Service::Snapshot, Arc::clone(&echo) as Arc<dyn Port>);
    let sizes: Vec<usize> = (0..200).map(|at| if at % 10 == 3 { 200_000 } else { at }).collect();
    for size in &sizes {
        let body = Bytes::from(vec![1; *size]);
        a.peers.cast(b.id(), Service::Snapshot, body, 60 * SECOND).await.unwrap();
    }
    eventually(|| echo.heard.lock().len() == sizes.len(), 60 * SECOND).await;
    let heard: Vec<_> = echo.heard.lock().iter().map(|(_, body)| body.len()).collect();
    assert_eq!(heard, sizes);
}

#[tokio::test(start_paused = true)]
async fn senders_that_wait_for_room_all_get_it() {
    let network = SimulatedNetwork::new(1);
    let (a, b) = pair(&network, tight()).await;
    let echo = Arc::new(Echo::default());
    b.peers.serve(Service::Remote, Arc::clone(&echo) as Arc<dyn Port>);
    let senders: Vec<_> = (0..500)
        .map(|_| {
            let (peers, to) = (a.peers.clone(), b.id());
            tokio::spawn(async move {
                for _ in 0..10 {
                    let sent = peers.cast(to, Service::Remote, body("x"), 60 * SECOND).await;
                    sent.unwrap();
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.unwrap();
    }
    eventually(|| echo.heard.lock().len() == 5_000, SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn two_nodes_that_flood_one_another_both_get_all_their_answers() {
    let network = SimulatedNetwork::new(1);
    let (a, b) = pair(&network, tight()).await;
    for node in [&a, &b] {
        node.peers.serve(Service::Remote, Arc::new(Echo::default()));
    }
    let floods: Vec<_> = [(&a, &b), (&b, &a)]
        .into_iter()
        .flat_map(|(from, to)| (0..200).map(move |_| (from.peers.clone(), to.id())))
        .map(|(peers, to)| {
            tokio::spawn(async move {
                for _ in 0..5 {
                    let sent = Bytes::from(vec![7; 20_000]);
                    let answer = peers.call(to, Service::Remote, sent.clone(), 60 * SECOND).await;
                    assert_eq!(answer, Ok(sent));
                }
            })
        })
        .collect();
    for flood in floods {
        flood.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_ran_out_of_time_make_room_for_others_before_the_link_is_given_up() {
    let network = SimulatedNetwork::new(1);
    let (a, b) = pair(&network, tight()).await;
    let hoard = Arc::new(Hoard::default());
    b.peers.serve(Service::Api, Arc::clone(&hoard) as Arc<dyn Port>);
    let calls = |count: usize, within: Duration| -> Vec<_> {
        let call = |_| {
            let (peers, to) = (a.peers.clone(), b.id());
            tokio::spawn(async move { peers.call(to, Service::Api, body("x"), within).await })
        };
        (0..count).map(call).collect()
    };
    // 32 take up the window, 64 the queue.
    let first = calls(96, SECOND);
    eventually(|| a.view(&b).queued == 64, SECOND).await;
    let more = calls(10, 30 * SECOND);
    for call in first {
        assert_eq!(call.await.unwrap(), Err(LinkError::Deadline));
    }
    eventually(|| a.view(&b).queued == 10, SECOND).await;
    hoard.let_go();
    eventually(|| hoard.calls() == 10, SECOND).await;
    hoard.let_go();
    for call in more {
        assert_eq!(call.await.unwrap(), Err(LinkError::Unanswered));
    }
}
