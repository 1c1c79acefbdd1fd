//! Reading what happened, and waiting for what happens next.

use std::time::Duration;

use super::ground::{Ground, PATIENCE};
use super::tally::Say;
use crate::desk::{DeskConfig, DeskError, Follow, History, HistoryPage};

#[tokio::test(start_paused = true)]
async fn a_history_is_read_page_by_page() {
    let ground = Ground::new(DeskConfig::default());
    let stage = ground.start().await;
    let id = stage.opened(100).await;
    for _ in 0..9 {
        stage.say(id, Say::Add(1)).await.unwrap();
    }
    let mut seen = Vec::new();
    loop {
        let after = seen.last().copied().unwrap_or(0);
        let history = History { id, after, limit: 4 };
        let page = stage.desk.ask(history, PATIENCE).await.unwrap().unwrap();
        assert_eq!((page.last, page.ended), (10, false));
        seen.extend(page.notes.iter().map(|note| note.number));
        if page.notes.len() < 4 {
            break;
        }
    }
    assert_eq!(seen, (1..=10).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn the_oldest_notes_go_and_the_numbers_stay() {
    let config = DeskConfig { max_notes: 16, max_notes_bytes: 4 << 10, ..DeskConfig::default() };
    let ground = Ground::new(config);
    let stage = ground.start().await;
    let id = stage.opened(1_000).await;
    for _ in 0..30 {
        stage.say(id, Say::Add(1)).await.unwrap();
    }
    let numbers = |page: &HistoryPage| page.notes.iter().map(|it| it.number).collect::<Vec<_>>();
    let page = stage.page(id).await;
    assert_eq!((numbers(&page), page.last), ((16..=31).collect(), 31));
    stage.say(id, Say::Long("x".repeat(3_000))).await.unwrap();
    stage.say(id, Say::Long("y".repeat(3_000))).await.unwrap();
    let page = stage.page(id).await;
    assert_eq!((numbers(&page), page.last), (vec![33], 33));
    stage.cut(&ground).await;
    assert_eq!(ground.start().await.page(id).await, page);
}

#[tokio::test(start_paused = true)]
async fn a_follower_hears_of_the_next_note_or_of_the_end_or_that_its_time_is_over() {
    let ground = Ground::new(DeskConfig::default());
    let stage = ground.start().await;
    let id = stage.opened(100).await;
    let follow = |after| {
        let (desk, within) = (stage.desk.clone(), Duration::from_secs(10));
        tokio::spawn(async move {
            desk.ask(Follow { id, after, within }, PATIENCE).await.unwrap().unwrap()
        })
    };
    assert_eq!(follow(0).await.unwrap().notes.len(), 1, "what is there is told at once");
    let waiting = follow(1);
    ground.time.pass(Duration::from_secs(5)).await;
    assert!(!waiting.is_finished());
    stage.say(id, Say::Add(1)).await.unwrap();
    let page = waiting.await.unwrap();
    assert_eq!((page.notes[0].number, page.last, page.ended), (2, 2, false));
    let page = follow(2).await.unwrap();
    assert_eq!((page.notes.len(), page.last, page.ended), (0, 2, false));
    let waiting = follow(2);
    ground.time.pass(Duration::from_secs(1)).await;
    stage.say(id, Say::End).await.unwrap();
    let page = waiting.await.unwrap();
    assert_eq!((page.notes.len(), page.ended), (0, true));
    assert!(follow(2).await.unwrap().ended, "an end is told at once");
}

#[tokio::test(start_paused = true)]
async fn a_follower_hears_of_nothing_that_was_not_stored() {
    let ground = Ground::new(DeskConfig::default());
    let stage = ground.start().await;
    let id = stage.opened(100).await;
    let (desk, within) = (stage.desk.clone(), Duration::from_secs(10));
    let follow = Follow { id, after: 1, within };
    let waiting = tokio::spawn(async move { desk.ask(follow, PATIENCE).await.unwrap() });
    ground.time.pass(Duration::from_secs(1)).await;
    ground.disk.fail_sync(1);
    assert!(matches!(stage.say(id, Say::Add(1)).await, Err(DeskError::OutcomeUnknown(_))));
    assert_eq!(waiting.await.unwrap().unwrap().notes, []);
    assert_eq!(ground.told.lock().len(), 1, "nor does a listener");
}
