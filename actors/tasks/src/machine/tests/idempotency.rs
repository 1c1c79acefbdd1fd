//! Submissions that are repeated.

use super::{World, request};
use crate::TasksConfig;
use crate::error::SubmitError;
use crate::messages::Accepted;
use crate::task::TaskState;

fn keyed(payload: &str) -> crate::TaskSubmissionRequest {
    request("x").payload(payload).unwrap().idempotency_key("order-7")
}

#[test]
fn the_same_key_and_request_name_the_same_task() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let task = world.accept(keyed("one"));
    assert_eq!(world.submit(keyed("one")), Err(SubmitError::InFlight { existing: task }));
    world.succeed("1");
    let again = Accepted { task_id: task, state: TaskState::Completed, duplicate: true };
    assert_eq!(world.submit(keyed("one")), Ok(again));
    assert_eq!(world.machine.ledger().accepted, 1);
}

#[test]
fn the_same_key_with_another_request_is_a_conflict() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let task = world.accept(keyed("one"));
    let conflict = Err(SubmitError::IdempotencyConflict { existing: task });
    assert_eq!(world.submit(keyed("two")), conflict);
    world.succeed("1");
    assert_eq!(world.submit(keyed("two")), conflict);
}

#[test]
fn a_request_that_is_only_written_differently_is_the_same() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let read = |text: &str| serde_json::from_str::<crate::TaskSubmissionRequest>(text).unwrap();
    let one = read(r#"{"kind": "x", "payload": {"a": 1, "b": 2.0}, "idempotency_key": "k"}"#);
    let two = read(r#"{"idempotency_key":"k","payload":{"b":2,"a":1},"kind":"x"}"#);
    let task = world.accept(one);
    assert_eq!(world.submit(two), Err(SubmitError::InFlight { existing: task }));
}

#[test]
fn keys_of_different_tenants_have_nothing_to_do_with_each_other() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let one = world.accept(keyed("one").tenant("red"));
    let two = world.accept(keyed("two").tenant("blue"));
    assert_ne!(one, two);
}

#[test]
fn a_key_holds_over_a_crash_and_longer_than_its_tasks_record() {
    let config = TasksConfig { keep_ended_s: 60, keep_ended: 0, ..TasksConfig::default() };
    let mut world = World::with(config);
    world.agent("a", &["x"]);
    let task = world.accept(keyed("one"));
    world.succeed("1");
    world.accept(request("x"));
    world.succeed("2");
    world.advance_ms(120_000);
    assert!(world.machine.status(task).is_none(), "the record is forgotten");
    world.crash();
    let again = Accepted { task_id: task, state: TaskState::Completed, duplicate: true };
    assert_eq!(world.submit(keyed("one")), Ok(again));
    // After a day it may be used for something else.
    world.advance_ms(86_400_000);
    assert!(!world.submit(keyed("two")).unwrap().duplicate);
}

#[test]
fn a_key_is_kept_as_long_as_its_task_is_open() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let task = world.accept(keyed("one").timeout_s(200_000));
    world.advance_ms(100_000_000);
    assert_eq!(
        world.submit(keyed("one").timeout_s(200_000)),
        Err(SubmitError::InFlight { existing: task })
    );
}

#[test]
fn when_no_more_keys_can_be_kept_new_ones_are_refused_and_nothing_is_forgotten_early() {
    let mut world = World::with(TasksConfig { max_keys: 1, ..TasksConfig::default() });
    world.agent("a", &["x"]);
    world.accept(keyed("one"));
    let other = request("x").idempotency_key("order-8");
    assert!(matches!(world.submit(other), Err(SubmitError::QueueFull { .. })));
    assert!(world.submit(request("x")).is_ok(), "without a key there is room");
}
