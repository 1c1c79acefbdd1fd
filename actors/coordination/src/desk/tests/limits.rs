//! Limits that are reached.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use synod_runtime::{ActorPath, Control};

use super::ground::{Ground, PATIENCE, goal};
use super::tally::Say;
use crate::desk::{DeskConfig, DeskError, DeskMessage, Follow, NoteListener, Open};

#[tokio::test(start_paused = true)]
async fn no_more_conversations_are_open_than_may_be() {
    let ground = Ground::new(DeskConfig { max_open: 2, ..DeskConfig::default() });
    let stage = ground.start().await;
    let first = stage.opened(5).await;
    stage.opened(5).await;
    let refused = stage.open(goal(5)).await;
    let Err(DeskError::Full(reason)) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("max_open"), "{reason}");
    stage.say(first, Say::End).await.unwrap();
    stage.opened(5).await;
    assert_eq!((stage.health().await.open, stage.health().await.ended), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn inputs_and_setups_have_a_size() {
    let config =
        DeskConfig { max_setup_bytes: 1_024, max_input_bytes: 1_024, ..Default::default() };
    let ground = Ground::new(config);
    let stage = ground.start().await;
    let id = stage.opened(5).await;
    assert!(stage.say(id, Say::Long("x".repeat(1_000))).await.is_ok());
    let refused = stage.say(id, Say::Long("x".repeat(1_100))).await;
    let Err(DeskError::Refused(refusal)) = refused else { panic!("{refused:?}") };
    assert_eq!(refusal.to_string(), "input: 1104 bytes as stored; expected at most 1024");
    let setup = super::tally::Goal { filler: "z".repeat(1_100), ..goal(5).setup };
    let refused = stage.open(Open { setup, ..goal(5) }).await;
    assert!(matches!(refused, Err(DeskError::Refused(_))), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn no_more_follow_than_may_and_those_that_gave_up_make_room() {
    let ground = Ground::new(DeskConfig { max_followers: 2, ..DeskConfig::default() });
    let stage = ground.start().await;
    let id = stage.opened(5).await;
    let follow = |patience: Duration| {
        let (desk, within) = (stage.desk.clone(), Duration::from_secs(30));
        tokio::spawn(async move { desk.ask(Follow { id, after: 1, within }, patience).await })
    };
    let (one, two) = (follow(PATIENCE), follow(Duration::from_secs(1)));
    ground.time.pass(Duration::from_millis(100)).await;
    let refused = follow(PATIENCE).await.unwrap();
    assert!(matches!(refused, Ok(Err(DeskError::Full(_)))), "{refused:?}");
    assert!(two.await.unwrap().is_err());
    let three = follow(PATIENCE);
    ground.time.pass(Duration::from_millis(100)).await;
    stage.say(id, Say::Add(1)).await.unwrap();
    for follower in [one, three] {
        assert_eq!(follower.await.unwrap().unwrap().unwrap().last, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_listen_than_may() {
    let ground = Ground::new(DeskConfig { max_listeners: 1, ..DeskConfig::default() });
    let stage = ground.start().await;
    let heard = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&heard);
    let first = NoteListener::new(move |_| counted.fetch_add(1, Ordering::Relaxed) < 1);
    stage.desk.send(DeskMessage::Subscribe(first)).await.unwrap();
    let second = NoteListener::new(|_| panic!("{}", synod_testkit::ON_PURPOSE));
    stage.desk.send(DeskMessage::Subscribe(second)).await.unwrap();
    for _ in 0..5 {
        stage.opened(5).await;
    }
    assert_eq!(heard.load(Ordering::Relaxed), 2, "it is dropped once it has had enough");
}

#[tokio::test(start_paused = true)]
async fn ended_conversations_are_forgotten_by_number_and_by_age_for_good() {
    let config = DeskConfig { keep_ended: 2, keep_ended_s: 100, ..DeskConfig::default() };
    let ground = Ground::new(config);
    let stage = ground.start().await;
    let open = stage.open(Open { key: Some("open".to_owned()), ..goal(5) }).await.unwrap().id;
    let mut ended = Vec::new();
    for number in 0..3 {
        let key = Some(number.to_string());
        let id = stage.open(Open { key, ..goal(5) }).await.unwrap().id;
        stage.say(id, Say::End).await.unwrap();
        ended.push(id);
        ground.time.pass(Duration::from_secs(1)).await;
    }
    assert_eq!(stage.show(ended[0]).await, None);
    assert!(stage.show(ended[1]).await.is_some() && stage.show(ended[2]).await.is_some());
    let again = stage.open(Open { key: Some("0".to_owned()), ..goal(5) }).await.unwrap();
    assert!(!again.duplicate, "its key is free");
    stage.cut(&ground).await;
    let stage = ground.start().await;
    assert_eq!(stage.show(ended[0]).await, None);
    ground.time.pass(Duration::from_secs(200)).await;
    for id in &ended {
        assert_eq!(stage.show(*id).await, None);
        assert_eq!(stage.say(*id, Say::Add(1)).await, Err(DeskError::Unknown));
    }
    assert!(stage.show(open).await.is_some(), "what is open is never forgotten");
    let health = stage.health().await;
    assert_eq!((health.open, health.ended), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn no_more_waits_for_the_journal_than_may_and_what_was_taken_is_stored() {
    let ground = Ground::new(DeskConfig { max_unstored: 16, ..DeskConfig::default() });
    let stage = ground.start().await;
    let id = stage.opened(1_000).await;
    let journal = ActorPath::new("/node/journal");
    stage.system.control(&journal, Control::Pause).unwrap();
    // The first is on its way to the journal when the others come.
    let first = stage.say(id, Say::Add(1));
    let others = async {
        ground.time.pass(Duration::from_millis(10)).await;
        join_all((0..30).map(|_| stage.say(id, Say::Add(1)))).await
    };
    let resumed = async {
        ground.time.pass(Duration::from_secs(1)).await;
        stage.system.control(&journal, Control::Resume).unwrap();
    };
    let (first, others, ()) = tokio::join!(first, others, resumed);
    assert_eq!(first, Ok(1));
    let taken = others.iter().filter(|said| said.is_ok()).count() as u64;
    let full = others.iter().filter(|said| matches!(said, Err(DeskError::Full(_)))).count();
    assert_eq!((taken, full), (16, 14));
    assert_eq!(stage.view(id).await.sum, 17);
    assert_eq!(stage.say(id, Say::Add(1)).await, Ok(18));
}
