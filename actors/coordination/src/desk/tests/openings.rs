//! Opening conversations, naming them, and telling them something.

use uuid::Uuid;

use super::ground::{Ground, PATIENCE, ada, goal};
use super::tally::Say;
use crate::desk::{
    ConversationPage, DeskConfig, DeskError, List, Open, Show, Standing, Step, partition_of,
};
use crate::protocol::Refusal;
use synod_runtime::Principal;

#[tokio::test(start_paused = true)]
async fn a_conversation_goes_from_its_opening_to_its_end() {
    let ground = Ground::new(DeskConfig::default());
    let stage = ground.start().await;
    let opened = stage.open(goal(5)).await.unwrap();
    assert!(!opened.duplicate);
    assert_eq!(partition_of(opened.id).get() % 2, 1, "it is in the desk's share");
    assert_eq!(stage.say(opened.id, Say::Add(2)).await, Ok(2));
    assert_eq!(stage.say(opened.id, Say::Add(3)).await, Ok(5));
    let late = stage.say(opened.id, Say::Add(1)).await;
    assert_eq!(late, Err(DeskError::Refused(Refusal::TooLate("the goal is reached".into()))));
    let shown = stage.show(opened.id).await.unwrap();
    assert!(shown.view.ended && shown.summary.ended_at.is_some());
    assert_eq!((shown.summary.by.as_str(), shown.summary.notes), ("user:ada", 4));
    let kinds = stage.kinds(opened.id).await;
    assert_eq!(kinds, ["tally.opened", "tally.added", "tally.added", "tally.reached"]);
    let told = ground.told.lock().clone();
    let told: Vec<_> = told.into_iter().map(|told| told.note).collect();
    assert_eq!(told, stage.notes(opened.id).await, "listeners hear what the history has");
}

#[tokio::test(start_paused = true)]
async fn a_refused_input_changes_nothing_and_writes_nothing() {
    let ground = Ground::new(DeskConfig::default());
    let stage = ground.start().await;
    let id = stage.opened(5).await;
    let (records, view, notes) =
        (stage.records().await, stage.view(id).await, stage.notes(id).await);
    assert!(matches!(stage.open(goal(0)).await, Err(DeskError::Refused(Refusal::Invalid { .. }))));
    let refused = stage.say(id, Say::Add(0)).await;
    assert!(matches!(refused, Err(DeskError::Refused(Refusal::Invalid { .. }))), "{refused:?}");
    let input = Say::AddAs("bob".to_owned(), 1);
    let refused = stage.desk.ask(Step { id, by: ada(), input }, PATIENCE).await.unwrap();
    assert!(matches!(refused, Err(DeskError::Refused(Refusal::NotAllowed(_)))), "{refused:?}");
    assert_eq!(stage.records().await, records);
    assert_eq!((stage.view(id).await, stage.notes(id).await), (view, notes));
}

#[tokio::test(start_paused = true)]
async fn the_same_key_and_setup_open_one_conversation_over_a_power_cut_too() {
    let ground = Ground::new(DeskConfig::default());
    let mut stage = ground.start().await;
    let keyed = |to: u64| Open { key: Some("k".to_owned()), ..goal(to) };
    let (first, second) = tokio::join!(stage.open(keyed(5)), stage.open(keyed(5)));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!((first.id, first.duplicate, second.duplicate), (second.id, false, true));
    for _ in 0..2 {
        let other = stage.open(keyed(6)).await;
        assert!(matches!(other, Err(DeskError::Refused(Refusal::Conflict(_)))), "{other:?}");
        let again = stage.open(keyed(5)).await.unwrap();
        assert_eq!((again.id, again.duplicate), (first.id, true));
        stage.cut(&ground).await;
        stage = ground.start().await;
    }
    let bob = Open { by: Principal::user("bob"), ..keyed(5) };
    assert_ne!(stage.open(bob).await.unwrap().id, first.id, "a key is its principal's own");
    for key in ["", &"k".repeat(256)] {
        let refused = stage.open(Open { key: Some(key.to_owned()), ..goal(5) }).await;
        assert!(matches!(refused, Err(DeskError::Refused(Refusal::Invalid { .. }))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_the_opener_chose_holds_and_belongs_to_one_conversation() {
    let ground = Ground::new(DeskConfig::default());
    let stage = ground.start().await;
    let id = Uuid::parse_str("0198c0de-0000-7000-8000-000000000001").unwrap();
    let named = |to: u64| Open { id: Some(id), ..goal(to) };
    assert_eq!(stage.open(named(5)).await.unwrap().id, id);
    assert!(stage.open(named(5)).await.unwrap().duplicate);
    let other = stage.open(named(6)).await;
    assert!(matches!(other, Err(DeskError::Refused(Refusal::Conflict(_)))), "{other:?}");
    let elsewhere = Uuid::parse_str("0198c0de-0000-7000-8000-000000000002").unwrap();
    for wrong in [elsewhere, Uuid::nil(), Uuid::from_u128(1)] {
        let refused = stage.open(Open { id: Some(wrong), ..goal(5) }).await;
        assert!(matches!(refused, Err(DeskError::Refused(Refusal::Invalid { .. }))), "{wrong}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_forged_id_names_nothing() {
    let ground = Ground::new(DeskConfig::default());
    let stage = ground.start().await;
    let id = stage.opened(5).await;
    let forged = Uuid::from_u128(id.as_u128() ^ (1 << 40));
    let records = stage.records().await;
    assert_eq!(stage.say(forged, Say::Add(1)).await, Err(DeskError::Unknown));
    assert_eq!(stage.desk.ask(Show::new(forged), PATIENCE).await.unwrap(), None);
    let history = crate::desk::History { id: forged, after: 0, limit: 1 };
    assert_eq!(stage.desk.ask(history, PATIENCE).await.unwrap(), Err(DeskError::Unknown));
    let follow = crate::desk::Follow { id: forged, after: 0, within: PATIENCE };
    assert_eq!(stage.desk.ask(follow, PATIENCE).await.unwrap(), Err(DeskError::Unknown));
    assert_eq!(stage.records().await, records);
}

#[tokio::test(start_paused = true)]
async fn conversations_are_listed_by_page_and_state_the_newest_first() {
    let ground = Ground::new(DeskConfig::default());
    let stage = ground.start().await;
    let mut ids = Vec::new();
    for number in 0..7 {
        let id = stage.opened(5).await;
        if number % 2 == 0 {
            stage.say(id, Say::End).await.unwrap();
        }
        ids.push(id);
        ground.time.pass(std::time::Duration::from_millis(2)).await;
    }
    ids.reverse();
    let list = |state, after| List { state, after, limit: 3 };
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let page: ConversationPage = stage.desk.ask(list(None, after), PATIENCE).await.unwrap();
        found.extend(page.conversations.iter().map(|summary| summary.id));
        assert!(page.conversations.len() <= 3);
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(found, ids);
    let ended = stage.desk.ask(list(Some(Standing::Ended), None), PATIENCE).await.unwrap();
    assert_eq!((ended.conversations.len(), ended.next.is_some()), (3, true));
    let open = stage.desk.ask(list(Some(Standing::Open), None), PATIENCE).await.unwrap();
    assert_eq!((open.conversations.len(), open.next), (3, None));
}
