//! Messages and requests that arrive, or are told why not.

use synod_runtime::{AskError, Correlation, Principal, Priority, SendError, SendOptions};

use super::*;

#[tokio::test(start_paused = true)]
async fn what_is_sent_and_asked_arrives_in_order_with_what_travels_beside_it() {
    let (_network, a, b) = pair().await;
    let (_, kept) = b.adder(Restart::Permanent);
    let far = a.desk.address::<Add>(b.id(), "sum");
    let asked = a.desk.requests::<Sum>(b.id(), "sum");
    for number in 0..500 {
        far.send(Add(number)).await.unwrap();
        if number % 100 == 7 {
            let sum = asked.ask(Sum::Now, SECOND).await.unwrap();
            assert_eq!(sum, (0..=number).collect::<Vec<_>>(), "no message was overtaken");
        }
    }
    eventually(|| kept.lock().added.len() == 500, SECOND).await;
    let trace = Correlation::new(a.system.entropy());
    let ada = Principal::user("ada");
    let options = SendOptions::new()
        .priority(Priority::Critical)
        .principal(ada.clone())
        .correlation(trace)
        .time_to_live(60 * SECOND);
    far.try_send_with(Add(500), options).unwrap();
    eventually(|| kept.lock().added.len() == 501, SECOND).await;
    let last = kept.lock().last.clone().unwrap();
    assert_eq!(
        (last.priority, last.principal(), last.correlation()),
        (Priority::Critical, &ada, Some(trace))
    );
    let left = last.expires.unwrap().saturating_duration_since(tokio::time::Instant::now());
    assert!(left > 59 * SECOND && left <= 60 * SECOND, "{left:?}");
    eventually(|| a.desk.unconfirmed(b.id()) == 0, SECOND).await;
    assert_eq!((a.dead(), b.dead()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_address_of_ones_own_node_works_the_same() {
    let (_network, a, _b) = pair().await;
    let (_, kept) = a.adder(Restart::Permanent);
    a.desk.address::<Add>(a.id(), "sum").send(Add(1)).await.unwrap();
    eventually(|| kept.lock().added == [1], SECOND).await;
    assert_eq!(a.desk.ask(a.id(), "sum", Sum::Now, SECOND).await, Ok(vec![1]));
    let nobody = a.desk.address::<Add>(a.id(), "nobody").send(Add(1)).await;
    assert_eq!(nobody, Err(SendError::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_name_a_kind_and_a_version_that_are_not_there_are_told_apart() {
    let (_network, a, b) = pair().await;
    b.adder(Restart::Permanent);
    let nobody = a.desk.ask(b.id(), "nobody", Sum::Now, SECOND).await;
    assert_eq!(nobody, Err(RemoteError::UnknownName("nobody".to_owned())));
    let old = a.desk.find::<OldAdd>(b.id(), "sum", SECOND).await.unwrap_err();
    assert_eq!(
        old.to_string(),
        "`sum` takes no test.add version 1 there; it takes test.add version 2, \
         test.sum version 1"
    );
    assert!(a.desk.find::<Add>(b.id(), "sum", SECOND).await.is_ok());
    let unknown = a.desk.ask(NodeId(9), "sum", Sum::Now, SECOND).await;
    assert!(matches!(unknown, Err(RemoteError::Unreached(_))), "{unknown:?}");
    let unknown = a.desk.address::<Add>(NodeId(9), "sum").send(Add(1)).await;
    assert_eq!(unknown, Err(SendError::Refused("its node is not known here")));

    // What was accepted and is not taken there becomes a dead letter of its sender.
    a.desk.address::<OldAdd>(b.id(), "sum").send(OldAdd(1)).await.unwrap();
    a.desk.address::<Add>(b.id(), "nobody").send(Add(1)).await.unwrap();
    eventually(|| a.dead() == 2, SECOND).await;
    assert_eq!(a.desk.lost(), 2);
    let letter = a.system.dead_letters().recent().remove(1);
    assert_eq!(letter.to.as_str(), "//0000000000000002/nobody");
}

#[tokio::test(start_paused = true)]
async fn who_asks_is_told_at_once_that_the_receiver_crashed_and_the_address_stays() {
    let (_network, a, b) = pair().await;
    let (_, kept) = b.adder(Restart::Permanent);
    let asked = a.desk.requests::<Sum>(b.id(), "sum");
    let start = tokio::time::Instant::now();
    assert_eq!(asked.ask(Sum::Panic, 60 * SECOND).await, Err(AskError::Unanswered));
    assert!(start.elapsed() < SECOND);
    a.desk.address::<Add>(b.id(), "sum").send(Add(3)).await.unwrap();
    assert_eq!(asked.ask(Sum::Now, 5 * SECOND).await, Ok(vec![3]));
    assert_eq!(kept.lock().added, [3]);

    let never = a.desk.ask(b.id(), "sum", Sum::Never, SECOND).await;
    assert_eq!(never, Err(RemoteError::Deadline));
}

#[tokio::test(start_paused = true)]
async fn an_old_version_is_taken_by_who_offers_it_too_and_a_name_belongs_to_one() {
    let (_network, a, b) = pair().await;
    let probe = Probe::<AdderMessage>::new();
    b.adder(Restart::Permanent);
    let taken = b.desk.offer::<Add, _>("sum", &probe.address()).unwrap_err();
    assert_eq!(taken.to_string(), "`sum` is taken for test.add");
    let old = Probe::<OldAdd>::new();
    b.desk.offer::<OldAdd, _>("sum", &old.address()).unwrap();
    a.desk.address::<OldAdd>(b.id(), "sum").send(OldAdd(4)).await.unwrap();
    assert_eq!(old.expect().await.0, 4);
    assert!(b.desk.withdraw("sum"));
    let gone = a.desk.find::<Add>(b.id(), "sum", SECOND).await.unwrap_err();
    assert_eq!(gone, RemoteError::UnknownName("sum".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn who_is_sent_a_name_sends_to_it() {
    let (_network, a, b) = pair().await;
    let probe = Probe::<Add>::new();
    a.desk.offer::<Add, _>("mine", &probe.address()).unwrap();
    let name = a.desk.name("mine");
    let back = b.desk.address::<Add>(name.node, &name.name);
    back.send(Add(9)).await.unwrap();
    assert_eq!(probe.expect().await, Add(9));
}
