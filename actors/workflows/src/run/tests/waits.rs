//! Waits, messages and runs within runs.

use serde_json::json;

use super::World;
use super::world::{EPOCH, steps};
use crate::definition::model::ErrorKind;
use crate::json::Json;
use crate::messages::{RunState, StepState};
use crate::run::{Event, Fault, Input, WaitView};

fn tell(world: &mut World, topic: &str, payload: serde_json::Value) {
    let payload = Json::from(payload);
    world.give(Input::Message { topic: topic.into(), key: None, payload }).unwrap();
}

#[test]
fn a_wait_ends_at_its_recorded_time_also_after_a_crash() {
    let mut world = World::of(json!([
        {"id": "a", "wait": {"for_s": 60}},
        {"id": "b", "agent": "ann", "depends_on": ["a"]},
    ]));
    assert_eq!((world.state(), world.step("a")), (RunState::Waiting, StepState::Waiting));
    world.pass_ms(30_000);
    world.crash();
    assert_eq!(world.run.wakes_at(), Some(EPOCH + 60_000_000));
    world.pass_ms(29_999);
    assert_eq!(world.step("a"), StepState::Waiting);
    world.pass_ms(1);
    assert_eq!(world.executing(), ["b"]);
}

#[test]
fn a_wait_that_was_over_while_the_engine_was_down_ends_at_once() {
    let mut world = World::of(json!([{"id": "a", "wait": {"for_s": 60}}]));
    world.now += 3_600_000_000;
    world.crash();
    world.pass_ms(0);
    assert!(world.is_over());
}

#[test]
fn a_wait_until_a_moment_takes_it_from_a_template() {
    let definition = steps(json!([{"id": "a", "wait": {"until": "${inputs.at}"}}]));
    let world = World::begun(definition.clone(), json!({"at": "2026-01-01T00:01:00Z"}));
    assert_eq!(world.run.wakes_at(), Some(EPOCH + 60_000_000));
    let world = World::begun(definition, json!({"at": "tomorrow"}));
    assert_eq!(world.failure(), (ErrorKind::ValidationError, Some("a".to_owned())));
}

#[test]
fn a_run_that_only_waits_can_rest_until_something_is_due() {
    let mut world = World::of(json!([
        {"id": "a", "wait": {"for_s": 60}}, {"id": "b", "agent": "ann"},
    ]));
    assert!(!world.run.can_rest(world.now + 1_000_000), "an agent is at work");
    world.done("b", json!(1));
    assert!(world.run.can_rest(world.now + 1_000_000));
    assert!(!world.run.can_rest(world.now + 61_000_000));
    let waits: Vec<_> = world.run.waits().map(|(_, wait)| wait).collect();
    assert_eq!(waits, [WaitView::Time(EPOCH + 60_000_000)]);
}

#[test]
fn a_message_goes_to_the_steps_that_await_it_and_whose_condition_holds() {
    let mut world = World::of(json!([
        {"id": "one", "await": {"topic": "order", "match": "message.id == 1"}},
        {"id": "two", "await": {"topic": "order", "match": "message.id == 2"}},
        {"id": "other", "await": {"topic": "bill"}},
    ]));
    tell(&mut world, "order", json!({"id": 2}));
    assert_eq!(world.output("two"), json!({"id": 2}));
    assert_eq!((world.step("one"), world.step("other")), (StepState::Waiting, StepState::Waiting));
    world.crash();
    tell(&mut world, "order", json!({"id": 1}));
    tell(&mut world, "bill", json!("paid"));
    let outputs = json!({"one": {"id": 1}, "two": {"id": 2}, "other": "paid"});
    assert_eq!(world.outputs(), outputs);
}

#[test]
fn a_message_that_nobody_awaits_changes_nothing() {
    let mut world = World::of(json!([{"id": "a", "await": {"topic": "order"}}]));
    let before = world.log.len();
    tell(&mut world, "bill", json!(1));
    assert_eq!(world.log.len(), before);
}

#[test]
fn a_message_that_does_not_come_in_time_is_given_up() {
    let list = json!([{"id": "a", "await": {"topic": "order"}, "timeout": {"finish_s": 5}}]);
    let mut world = World::of(list);
    world.pass_ms(5_000);
    assert_eq!(world.failure().0, ErrorKind::Timeout);
}

#[test]
fn what_is_emitted_is_passed_on_at_least_once_under_one_key() {
    let mut world = World::of(json!([
        {"id": "a", "emit": {"topic": "news.${run.name}", "payload": {"n": 1}}},
    ]));
    let first = world.emitted[0].clone();
    assert_eq!((first.topic.as_str(), first.payload.value()), ("news.test", &json!({"n": 1})));
    world.crash();
    assert_eq!(world.emitted, std::slice::from_ref(&first));
    world.give(Input::Emitted { ticket: first.ticket }).unwrap();
    assert!(world.is_over());
}

#[test]
fn a_step_waits_for_the_run_that_it_starts() {
    let mut world = World::of(json!([
        {"id": "a", "workflow": {"name": "inner", "input": {"n": "${run.name}"}}},
    ]));
    let child = world.children[0].clone();
    assert_eq!(child.input.value(), &json!({"n": "test"}));
    assert_eq!(world.state(), RunState::Waiting);
    world.crash();
    assert_eq!(world.children[0].run, child.run, "the same child, whatever happens");
    let outcome = Ok(Json::from(json!({"out": 1})));
    world.give(Input::ChildEnded { run: child.run, ticket: child.ticket, outcome }).unwrap();
    assert_eq!(world.outputs(), json!({"a": {"out": 1}}));
}

#[test]
fn a_child_that_fails_fails_its_step_and_is_another_run_in_the_next_attempt() {
    let mut world = World::of(json!([{"id": "a", "workflow": {"name": "inner"},
        "retry": {"max_attempts": 2, "initial_ms": 10, "jitter": 0,
            "retry_on": ["child_failed"]}}]));
    let fault = || Err(Fault::new(ErrorKind::ChildFailed, "it failed"));
    let first = world.children.pop().unwrap();
    world
        .give(Input::ChildEnded { run: first.run, ticket: first.ticket, outcome: fault() })
        .unwrap();
    assert!(world.cancelled_children.is_empty(), "what has ended needs no cancelling");
    world.pass_ms(10);
    let second = world.children.pop().unwrap();
    assert_ne!(first.run, second.run);
    world
        .give(Input::ChildEnded { run: second.run, ticket: second.ticket, outcome: fault() })
        .unwrap();
    assert_eq!(world.failure(), (ErrorKind::ChildFailed, Some("a".to_owned())));
}

#[test]
fn a_run_ends_after_the_children_that_it_told_to_stop() {
    let mut world = World::of(json!([
        {"id": "a", "workflow": {"name": "inner"}}, {"id": "b", "agent": "ann"},
    ]));
    let child = world.children[0].clone();
    world.fail("b", ErrorKind::Refused);
    assert_eq!(world.cancelled_children, [child.run]);
    assert!(!world.is_over());
    world.cancelled_children.clear();
    world.crash();
    assert_eq!(world.cancelled_children, [child.run], "told again after a crash");
    let outcome = Err(Fault::new(ErrorKind::Cancelled, "by its parent"));
    world.give(Input::ChildEnded { run: child.run, ticket: child.ticket, outcome }).unwrap();
    assert_eq!(world.failure(), (ErrorKind::Refused, Some("b".to_owned())));
    assert_eq!(world.count(|event| matches!(event, Event::ChildStopped { .. })), 1);
}
