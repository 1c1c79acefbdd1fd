//! Actors of other nodes that are watched, and made.

use super::*;

async fn watch(a: &TestNode, b: &TestNode) -> (Probe<MonitorNews>, Watch) {
    let probe = Probe::new();
    let listener = Listener::to(&probe.address(), |news| news);
    let name = RemoteName::new(b.id(), "sum");
    let watch = a.desk.monitor(&name, listener, SECOND).await.unwrap();
    (probe, watch)
}

#[tokio::test(start_paused = true)]
async fn a_crash_a_restart_and_the_end_are_told_with_their_reasons() {
    let (_network, a, b) = pair().await;
    let (address, _) = b.adder(Restart::Transient);
    let (probe, _watch) = watch(&a, &b).await;
    let _ = a.desk.ask(b.id(), "sum", Sum::Panic, SECOND).await;
    let reason = ExitReason::Error("on purpose".to_owned());
    assert_eq!(probe.expect().await, MonitorNews::Crashed(reason));
    assert_eq!(probe.expect().await, MonitorNews::Restarted);
    address.try_send(AdderMessage::Stop).unwrap_or_else(|_| panic!("a mailbox with room"));
    assert_eq!(probe.expect().await, MonitorNews::Ended(Some(ExitReason::Normal)));
    let listener = Listener::to(&probe.address(), |news| news);
    let late = a.desk.monitor(&RemoteName::new(b.id(), "sum"), listener, SECOND).await;
    assert_eq!(late.unwrap_err(), RemoteError::Closed);
    let asked = a.desk.ask(b.id(), "sum", Sum::Now, SECOND).await;
    assert_eq!(asked, Err(RemoteError::Closed));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_node_is_told_and_a_cut_is_not_taken_for_it() {
    let (network, a, b) = pair().await;
    let (_, _) = b.adder(Restart::Permanent);
    let (probe, _watch) = watch(&a, &b).await;
    network.kill("b");
    let news = probe.expect().await;
    assert!(matches!(news, MonitorNews::NodeDown(_)), "{news:?}");
    probe.expect_none(30 * SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_dropped_tells_nothing_more() {
    let (_network, a, b) = pair().await;
    let (address, _) = b.adder(Restart::Temporary);
    let (probe, watch) = watch(&a, &b).await;
    drop(watch);
    tokio::time::sleep(SECOND).await;
    address.try_send(AdderMessage::Stop).unwrap_or_else(|_| panic!("a mailbox with room"));
    probe.expect_none(5 * SECOND).await;
}

/// What an adder of another node begins with.
#[derive(Debug, Serialize, Deserialize)]
struct MakeAdder(u64);

impl WireMessage for MakeAdder {
    const KIND: &'static str = "test.make_adder";
    const VERSION: u16 = 1;
}

fn make(MakeAdder(first): MakeAdder, seat: &Seat<'_>) -> Result<Spec<Adder>, String> {
    if first == 0 {
        return Err("it begins with something".to_owned());
    }
    let kept = Arc::new(Mutex::new(Kept { added: vec![first], ..Kept::default() }));
    let spec = Spec::new(seat.name, move || Adder(Arc::clone(&kept))).restart(Restart::Temporary);
    let offered = seat.desk.offer_requests::<Sum, _>(seat.name, &spec.address());
    offered.map_err(|why| why.to_string())?;
    Ok(spec)
}

#[tokio::test(start_paused = true)]
async fn a_type_that_is_registered_is_made_there_asked_and_watched() {
    let network = SimulatedNetwork::new(1);
    let config = RemoteConfig { max_spawned: 1, ..RemoteConfig::default() };
    let (a, b) = pair_of(&network, config).await;
    let unknown = a.desk.spawn(b.id(), "made", &MakeAdder(5), SECOND).await.unwrap_err();
    assert_eq!(unknown.to_string(), "that node makes no test.make_adder version 1");
    b.desk.offer_type(make).unwrap();
    let refused = a.desk.spawn(b.id(), "made", &MakeAdder(0), SECOND).await.unwrap_err();
    assert_eq!(refused, RemoteError::Refused("it begins with something".to_owned()));
    let made = a.desk.spawn(b.id(), "made", &MakeAdder(5), SECOND).await.unwrap();
    assert_eq!(a.desk.ask(made.node, &made.name, Sum::Now, SECOND).await, Ok(vec![5]));
    let full = a.desk.spawn(b.id(), "more", &MakeAdder(6), SECOND).await.unwrap_err();
    assert_eq!(full, RemoteError::Full);

    let probe = Probe::new();
    let listener = Listener::to(&probe.address(), |news| news);
    let _watch = a.desk.monitor(&made, listener, SECOND).await.unwrap();
    let _ = a.desk.ask(made.node, &made.name, Sum::Panic, SECOND).await;
    assert!(matches!(probe.expect().await, MonitorNews::Crashed(_)));
    let ended = MonitorNews::Ended(Some(ExitReason::Error("on purpose".to_owned())));
    assert_eq!(probe.expect().await, ended);
}
