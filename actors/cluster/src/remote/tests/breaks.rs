//! Connections and nodes that end, and floods.

use super::*;

#[tokio::test(start_paused = true)]
async fn what_was_on_its_way_when_the_connection_broke_is_told_and_what_comes_later_arrives() {
    let (network, a, b) = pair().await;
    let (_, kept) = b.adder(Restart::Permanent);
    let far = a.desk.address::<Add>(b.id(), "sum");
    far.send(Add(0)).await.unwrap();
    eventually(|| a.desk.unconfirmed(b.id()) == 0, SECOND).await;

    network.partition(&["a"], &["b"]);
    for number in 1..=20 {
        far.send(Add(number)).await.unwrap();
    }
    let asked = a.desk.ask(b.id(), "sum", Sum::Now, 60 * SECOND).await;
    assert_eq!(asked, Err(RemoteError::Broken), "an asker is told when the link breaks");
    eventually(|| a.dead() == 20, 10 * SECOND).await;
    assert_eq!(a.desk.unconfirmed(b.id()), 0);

    network.heal();
    a.is_linked_to(&b).await;
    eventually(|| far.try_send(Add(21)).is_ok(), 20 * SECOND).await;
    eventually(|| kept.lock().added.last() == Some(&21), SECOND).await;
    let added = kept.lock().added.clone();
    assert!(added.is_sorted(), "{added:?}");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_killed_ends_its_callers_at_once() {
    let (network, a, b) = pair().await;
    b.adder(Restart::Permanent);
    let (desk, to) = (a.desk.clone(), b.id());
    let asked = tokio::spawn(async move { desk.ask(to, "sum", Sum::Never, 60 * SECOND).await });
    tokio::time::sleep(SECOND).await;
    let start = tokio::time::Instant::now();
    network.kill("b");
    assert_eq!(asked.await.unwrap(), Err(RemoteError::Broken));
    assert!(start.elapsed() < SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_flood_to_a_node_that_does_not_answer_is_bounded_and_told() {
    let network = SimulatedNetwork::new(1);
    let config = RemoteConfig { max_unconfirmed: 1_000, max_asks: 10, ..RemoteConfig::default() };
    let (a, b) = pair_of(&network, config).await;
    let (_, kept) = b.adder(Restart::Permanent);
    network.isolate("b");
    let far = a.desk.address::<Add>(b.id(), "sum");
    let accepted = (0..100_000).filter(|number| far.try_send(Add(*number)).is_ok()).count();
    assert_eq!((accepted, a.desk.unconfirmed(b.id())), (1_000, 1_000));

    let requests = a.desk.requests::<Sum>(b.id(), "sum");
    let asks = (0..100).map(|_| requests.ask(Sum::Now, 60 * SECOND));
    let outcomes = futures::future::join_all(asks).await;
    let full = |outcome: &&Result<_, _>| **outcome == Err(synod_runtime::AskError::Full);
    assert_eq!(outcomes.iter().filter(full).count(), 90);

    eventually(|| a.dead() == 1_000, 20 * SECOND).await;
    network.rejoin("b");
    a.is_linked_to(&b).await;
    eventually(|| far.try_send(Add(7)).is_ok(), 20 * SECOND).await;
    eventually(|| kept.lock().added.last() == Some(&7), SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_flood_to_a_node_that_answers_is_confirmed_as_it_goes() {
    let network = SimulatedNetwork::new(1);
    let config = RemoteConfig { max_unconfirmed: 256, ..RemoteConfig::default() };
    let (a, b) = pair_of(&network, config).await;
    let (_, kept) = b.adder(Restart::Permanent);
    let far = a.desk.address::<Add>(b.id(), "sum");
    for number in 0..20_000 {
        eventually(|| far.try_send(Add(number)).is_ok(), SECOND).await;
    }
    eventually(|| kept.lock().added.len() == 20_000, SECOND).await;
    assert!(kept.lock().added.is_sorted());
    eventually(|| a.desk.unconfirmed(b.id()) == 0, SECOND).await;
    assert_eq!(a.dead(), 0);
}
