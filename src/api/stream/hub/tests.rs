//! Readers that keep up, come back, come late and fall behind.

use jiff::Timestamp;
use synod_runtime::ActorState;
use uuid::Uuid;

use super::super::event::{Content, Subject};
use super::super::filter::About;
use super::*;

fn hub(capacity: usize, boot: u64) -> EventHub {
    EventHub::new("test", boot, capacity)
}

fn change(kind: &'static str, task: u128) -> Event {
    Event {
        kind: kind.into(),
        subject: Subject::Task(Uuid::from_u128(task)),
        at: Some(Timestamp::UNIX_EPOCH),
        content: Content::Actor {
            kind: "test",
            state: Some(ActorState::Running),
            restarts: 0,
            reason: None,
        },
    }
}

async fn sequences(reader: &mut Subscription) -> Vec<u64> {
    match reader.next().await {
        Next::Events(events) => events.iter().map(|one| one.cursor.sequence).collect(),
        Next::Reset(notice) => panic!("reset: {}", notice.json()),
    }
}

async fn reset(reader: &mut Subscription) -> serde_json::Value {
    match reader.next().await {
        Next::Reset(notice) => serde_json::from_str(notice.json()).unwrap(),
        Next::Events(events) => panic!("{} events", events.len()),
    }
}

#[tokio::test]
async fn a_reader_gets_what_happens_after_it_came() {
    let hub = hub(16, 1);
    hub.publish(change("synod.task.queued", 1));
    let mut reader = hub.subscribe(None, Filter::default());
    hub.publish(change("synod.task.running", 1));
    assert_eq!(sequences(&mut reader).await, [2]);
}

#[tokio::test]
async fn a_reader_that_waits_is_woken() {
    let hub = hub(16, 1);
    let mut reader = hub.subscribe(None, Filter::default());
    let woken = tokio::spawn(async move { sequences(&mut reader).await });
    tokio::task::yield_now().await;
    hub.publish(change("synod.task.queued", 1));
    assert_eq!(woken.await.unwrap(), [1]);
}

#[tokio::test]
async fn a_reader_that_comes_back_with_a_cursor_misses_nothing() {
    let hub = hub(16, 1);
    let seen = hub.subscribe(None, Filter::default()).opening().cursor;
    for task in 0..5 {
        hub.publish(change("synod.task.queued", task));
    }
    let mut again = hub.subscribe(Some(seen), Filter::default());
    assert_eq!(sequences(&mut again).await, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_reader_that_falls_behind_is_told_to_list_again_and_can_read_on() {
    let hub = hub(4, 1);
    let mut reader = hub.subscribe(None, Filter::default());
    for task in 0..9 {
        hub.publish(change("synod.task.queued", task));
    }
    let notice = reset(&mut reader).await;
    assert_eq!(notice["type"], StreamNotice::RESET);
    assert!(notice["data"]["next_step"].as_str().unwrap().contains("list"));
    hub.publish(change("synod.task.queued", 9));
    let cursor = notice["id"].as_str().unwrap().parse().unwrap();
    let mut again = hub.subscribe(Some(cursor), Filter::default());
    assert_eq!(sequences(&mut again).await, [10]);
}

#[tokio::test]
async fn a_cursor_of_another_boot_or_from_the_future_is_a_reset() {
    let (before, after) = (hub(16, 1), hub(16, 2));
    before.publish(change("synod.task.queued", 1));
    let stale = reset(&mut after.subscribe(Some(before.now()), Filter::default())).await;
    assert!(stale["data"]["reason"].as_str().unwrap().contains("another boot"));
    let future = Cursor { sequence: 99, ..before.now() };
    reset(&mut before.subscribe(Some(future), Filter::default())).await;
}

#[tokio::test]
async fn filters_pass_only_what_is_wanted_and_the_place_moves_on() {
    let hub = hub(16, 1);
    let wanted = Uuid::from_u128(7);
    let filter = Filter::new(Some("synod.task.completed, synod.agent.*"), [About::Task(wanted)]);
    let mut reader = hub.subscribe(None, filter);
    hub.publish(change("synod.task.completed", 1));
    hub.publish(change("synod.task.queued", 7));
    assert_eq!(sequences(&mut reader).await, Vec::<u64>::new());
    hub.publish(change("synod.task.completed", 7));
    assert_eq!(sequences(&mut reader).await, [3]);
}

#[test]
fn an_event_is_a_cloud_event() {
    let hub = hub(16, 1);
    hub.publish(change("synod.task.completed", 7));
    let cursor = Cursor { sequence: 0, ..hub.now() };
    let Some(Next::Events(events)) = hub.subscribe(Some(cursor), Filter::default()).poll() else {
        panic!("no event")
    };
    let json: serde_json::Value = serde_json::from_str(events[0].json()).unwrap();
    assert_eq!(json["specversion"], "1.0");
    assert_eq!(json["source"], "/nodes/test");
    assert_eq!(json["type"], "synod.task.completed");
    assert_eq!(json["subject"], format!("tasks/{}", Uuid::from_u128(7)));
    assert_eq!(json["time"], "1970-01-01T00:00:00Z");
    assert_eq!(json["id"].as_str().unwrap().parse(), Ok(hub.now()));
    assert_eq!(json["data"]["state"], "running");
}

#[tokio::test]
async fn no_two_events_have_the_same_id_and_each_id_is_a_place_to_read_on_after() {
    let hub = hub(16, 1);
    let mut reader = hub.subscribe(None, Filter::default());
    hub.publish(change("synod.task.queued", 1));
    let Next::Events(events) = reader.next().await else { panic!("nothing was dropped") };
    let told = [
        Arc::clone(&events[0]),
        reader.opening(),
        hub.subscribe(None, Filter::default()).opening(),
        reader.closing("the node is stopping"),
    ];
    let ids: std::collections::BTreeSet<String> = told.iter().map(|one| one.id()).collect();
    assert_eq!(ids.len(), told.len(), "{ids:?}");
    hub.publish(change("synod.task.running", 1));
    for one in told {
        let json: serde_json::Value = serde_json::from_str(one.json()).unwrap();
        assert_eq!(json["id"], one.id());
        let mut again = hub.subscribe(one.id().parse().ok(), Filter::default());
        assert_eq!(sequences(&mut again).await, [2]);
    }
}
