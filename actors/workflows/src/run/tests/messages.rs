//! Messages that come before anybody waits for them.

use serde_json::{Value, json};

use super::World;
use super::world::steps;
use crate::definition::model::ErrorKind;
use crate::json::Json;
use crate::run::{Event, Input};

fn tell(world: &mut World, topic: &str, payload: Value) {
    keyed(world, topic, None, payload);
}

fn keyed(world: &mut World, topic: &str, key: Option<&str>, payload: Value) {
    let (topic, key, payload) = (topic.into(), key.map(Into::into), Json::from(payload));
    world.give(Input::Message { topic, key, payload }).unwrap();
}

fn kept(world: &World) -> usize {
    world.count(|event| matches!(event, Event::MessageKept { .. }))
}

fn taken(world: &World) -> usize {
    world.count(|event| matches!(event, Event::MessageTaken { .. }))
}

/// First something else is done, then a message is awaited.
fn later() -> Value {
    json!([
        {"id": "first", "agent": "ann"},
        {"id": "paid", "await": {"topic": "paid"}, "depends_on": ["first"]},
        {"id": "again", "await": {"topic": "paid"}, "depends_on": ["paid"]},
    ])
}

#[test]
fn a_message_that_comes_too_soon_is_kept_and_taken_once_when_it_is_awaited() {
    let mut world = World::of(later());
    tell(&mut world, "paid", json!({"n": 1}));
    tell(&mut world, "other", json!({"n": 2}));
    assert_eq!(kept(&world), 1);
    world.crash();
    world.done("first", json!(null));
    assert_eq!(world.output("paid"), json!({"n": 1}));
    assert_eq!(taken(&world), 1);
    world.crash();
    assert!(!world.is_over(), "it is taken once");
    tell(&mut world, "paid", json!({"n": 3}));
    assert_eq!(world.output("again"), json!({"n": 3}));
    assert!(world.is_over());
}

#[test]
fn kept_messages_are_taken_in_the_order_in_which_they_came() {
    let mut world = World::of(later());
    tell(&mut world, "paid", json!(1));
    tell(&mut world, "paid", json!(2));
    world.done("first", json!(null));
    assert_eq!((world.output("paid"), world.output("again")), (json!(1), json!(2)));
    assert!(world.is_over());
}

#[test]
fn a_kept_message_is_taken_once_wherever_the_engine_is_killed() {
    let mut world = World::of(later());
    tell(&mut world, "paid", json!(1));
    tell(&mut world, "paid", json!(2));
    world.done("first", json!(null));
    let whole = world.log.clone();
    for stored in 1..=whole.len() {
        world.log = whole[..stored].to_vec();
        world.now = whole[stored - 1].0;
        world.crash();
        if world.log.iter().all(|(_, event)| !matches!(event, Event::Began { .. })) {
            world.give(Input::Begin).unwrap();
        }
        if !world.executing().is_empty() {
            world.done("first", json!(null));
        }
        for missing in kept(&world)..2 {
            tell(&mut world, "paid", json!(missing + 1));
        }
        let outputs = [world.output("paid"), world.output("again")];
        assert!(world.is_over(), "{stored}");
        assert_eq!(outputs, [json!(1), json!(2)], "after {stored} events");
        assert!(taken(&world) <= 2);
    }
}

#[test]
fn only_what_a_step_may_be_meant_by_is_kept() {
    let definition = steps(json!([
        {"id": "first", "agent": "ann"},
        {"id": "paid", "depends_on": ["first"],
            "await": {"topic": "paid-${inputs.order}", "match": "message.sum > inputs.least"}},
        {"id": "late", "depends_on": ["first"],
            "await": {"topic": "done", "match": "message.by == outputs.first"}},
    ]));
    let mut world = World::begun(definition, json!({"order": 7, "least": 10}));
    let listening: Vec<_> = world.run.listening().into_iter().collect();
    assert_eq!(listening, ["done".into(), "paid-7".into()]);
    tell(&mut world, "paid-8", json!({"sum": 11}));
    tell(&mut world, "paid-7", json!({"sum": 9}));
    assert_eq!(kept(&world), 0);
    tell(&mut world, "paid-7", json!({"sum": 11}));
    // Whether this is meant is known only when the first step is done.
    tell(&mut world, "done", json!({"by": "bob"}));
    tell(&mut world, "done", json!({"by": "ada"}));
    assert_eq!(kept(&world), 3);
    world.done("first", json!("ada"));
    assert_eq!(world.output("late"), json!({"by": "ada"}));
    assert!(world.is_over());
    assert!(world.run.listening().is_empty());
}

#[test]
fn a_topic_that_follows_from_a_result_is_kept_for_too() {
    let mut world = World::of(json!([
        {"id": "first", "agent": "ann"},
        {"id": "paid", "await": {"topic": "${outputs.first}"}, "depends_on": ["first"]},
    ]));
    assert!(world.run.listening().is_empty(), "nobody can tell yet");
    tell(&mut world, "x", json!(1));
    tell(&mut world, "y", json!(2));
    world.done("first", json!("y"));
    assert_eq!(world.output("paid"), json!(2));
}

#[test]
fn what_waits_comes_first_and_what_it_does_not_want_is_not_kept_for_it() {
    let mut world = World::of(json!([
        {"id": "one", "await": {"topic": "t", "match": "message == 1"}},
        {"id": "two", "await": {"topic": "t"}, "depends_on": ["one"]},
    ]));
    tell(&mut world, "t", json!(1));
    assert_eq!((world.output("one"), kept(&world)), (json!(1), 0));
    tell(&mut world, "t", json!(2));
    assert!(world.is_over());
    let mut world = World::of(json!([
        {"id": "one", "await": {"topic": "t", "match": "message == 1"}}]));
    tell(&mut world, "t", json!(2));
    assert_eq!(kept(&world), 0);
}

#[test]
fn no_more_are_kept_than_the_bound_and_the_oldest_go_with_a_record() {
    let mut world = World::of(later());
    for n in 0..70 {
        tell(&mut world, "paid", json!(n));
    }
    let dropped = world.count(|event| matches!(event, Event::MessageDropped));
    assert_eq!((kept(&world), dropped), (70, 6));
    world.crash();
    world.done("first", json!(null));
    assert_eq!((world.output("paid"), world.output("again")), (json!(6), json!(7)));
}

#[test]
fn kept_messages_have_no_more_bytes_than_one_value_may() {
    let mut definition = steps(later());
    definition["limits"] = json!({"payload_bytes": 10_000});
    let mut world = World::begun(definition, json!(null));
    let large = |n: u32| json!({"n": n, "text": "x".repeat(4_000)});
    (0..3).for_each(|n| tell(&mut world, "paid", large(n)));
    tell(&mut world, "paid", json!("x".repeat(10_000)));
    assert_eq!(kept(&world), 3, "one that is too large for a value is not kept");
    world.done("first", json!(null));
    assert_eq!((world.output("paid"), world.output("again")), (large(1), large(2)));
}

#[test]
fn a_run_does_not_fill_its_history_with_messages() {
    let mut world = World::of(later());
    for n in 0..1_100 {
        tell(&mut world, "paid", json!(n));
    }
    assert_eq!(kept(&world), 1_000);
    world.done("first", json!(null));
    assert_eq!(world.output("paid"), json!(936));
}

#[test]
fn a_message_with_a_key_counts_once_however_often_it_comes() {
    let mut world = World::of(later());
    keyed(&mut world, "paid", Some("k1"), json!(1));
    keyed(&mut world, "paid", Some("k1"), json!(1));
    assert_eq!(kept(&world), 1);
    world.done("first", json!(null));
    keyed(&mut world, "paid", Some("k1"), json!(1));
    world.crash();
    keyed(&mut world, "paid", Some("k1"), json!(1));
    assert!(!world.is_over());
    keyed(&mut world, "paid", Some("k2"), json!(2));
    assert_eq!(world.outputs(), json!({"again": 2}));
}

#[test]
fn a_message_with_a_key_is_taken_once_by_what_waits_wherever_the_engine_is_killed() {
    let list = json!([
        {"id": "one", "await": {"topic": "t"}}, {"id": "two", "await": {"topic": "t"}},
        {"id": "three", "await": {"topic": "t"}, "depends_on": ["one", "two"]},
    ]);
    let mut world = World::of(list);
    let before = world.log.len();
    keyed(&mut world, "t", Some("k"), json!(1));
    let whole = world.log.clone();
    for stored in before..=whole.len() {
        world.log = whole[..stored].to_vec();
        world.crash();
        // Whoever emits does not know whether it came.
        keyed(&mut world, "t", Some("k"), json!(1));
        assert_eq!((world.output("one"), world.output("two")), (json!(1), json!(1)), "{stored}");
        assert_eq!(world.output("three"), json!(null), "{stored}");
    }
}

#[test]
fn a_wait_between_two_attempts_loses_no_message() {
    let mut world = World::of(json!([{"id": "a", "await": {"topic": "t"},
        "timeout": {"finish_s": 1},
        "retry": {"max_attempts": 2, "initial_ms": 5_000, "jitter": 0}}]));
    world.pass_ms(1_000);
    tell(&mut world, "t", json!(1));
    assert_eq!(kept(&world), 1);
    world.pass_ms(5_000);
    assert_eq!(world.outputs(), json!({"a": 1}));
}

#[test]
fn items_and_racers_take_what_came_before_they_waited() {
    let mut world = World::of(json!([
        {"id": "first", "agent": "ann"},
        {"id": "all", "depends_on": ["first"], "for_each":
            {"items": ["x", "y"], "step": {"await": {"topic": "${item}"}}}},
        {"id": "any", "depends_on": ["all"],
            "race": [{"await": {"topic": "p"}}, {"await": {"topic": "q"}}]},
    ]));
    for topic in ["q", "y", "x"] {
        tell(&mut world, topic, json!(topic));
    }
    world.done("first", json!(null));
    assert_eq!((world.output("all"), world.output("any")), (json!(["x", "y"]), json!("q")));
}

#[test]
fn a_run_that_waits_for_its_admission_keeps_what_comes() {
    let mut world = World::opened(steps(later()), Value::Null);
    tell(&mut world, "paid", json!(1));
    world.crash();
    world.give(Input::Begin).unwrap();
    world.done("first", json!(null));
    assert_eq!(world.output("paid"), json!(1));
}

#[test]
fn a_condition_that_fails_on_a_kept_message_fails_its_step() {
    let mut world = World::of(json!([
        {"id": "first", "agent": "ann"},
        {"id": "paid", "await": {"topic": "t", "match": "message.sum > outputs.first"},
            "depends_on": ["first"]},
    ]));
    tell(&mut world, "t", json!({"no": "sum"}));
    world.done("first", json!(1));
    assert_eq!(world.failure(), (ErrorKind::ExpressionError, Some("paid".to_owned())));
}
