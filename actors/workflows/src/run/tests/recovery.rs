//! Going on after a crash.

use serde_json::json;

use super::World;
use crate::definition::model::ErrorKind;
use crate::run::{Event, Input, Run};

#[test]
fn an_execution_under_way_is_repeated_under_the_same_ticket_and_counts_as_lost() {
    let list = json!([{"id": "a", "agent": "ann", "input": "${run.name}",
        "retry": {"max_attempts": 1, "max_lost": 2}}]);
    let mut world = World::of(list);
    let first = world.in_hand[0].clone();
    world.crash();
    assert_eq!(world.in_hand, std::slice::from_ref(&first));
    world.crash();
    assert_eq!(world.in_hand, [first]);
    world.crash();
    assert_eq!(world.failure().0, ErrorKind::Lost);
}

#[test]
fn what_was_taken_back_in_order_is_no_loss() {
    let mut world = World::of(json!([{"id": "a", "agent": "ann", "retry": {"max_lost": 0}}]));
    for _ in 0..5 {
        world.give(Input::HandBack).unwrap();
        world.crash();
        assert_eq!(world.executing(), ["a"]);
    }
    world.done("a", json!(1));
    assert!(world.is_over());
}

#[test]
fn a_retry_keeps_its_time_over_a_crash() {
    let mut world = World::of(json!([{"id": "a", "agent": "ann",
        "retry": {"max_attempts": 2, "initial_ms": 1000, "jitter": 0}}]));
    world.fail("a", ErrorKind::Failed);
    world.pass_ms(500);
    world.crash();
    world.pass_ms(499);
    assert_eq!(world.in_hand, []);
    world.pass_ms(1);
    assert_eq!(world.in_hand[0].ticket.attempt, 2);
}

#[test]
fn a_replay_draws_nothing_and_reads_no_clock() {
    let mut world = World::of(json!([{"id": "a", "agent": "ann",
        "retry": {"max_attempts": 9, "jitter": 1}}]));
    for _ in 0..4 {
        world.fail("a", ErrorKind::Failed);
        world.pass_ms(60_000);
    }
    assert_eq!(world.replayed().state, world.run.state);
    assert_eq!(world.replayed().state, world.replayed().state);
}

#[test]
fn events_that_do_not_fit_are_refused_with_their_number() {
    let mut world = World::of(json!([{"id": "a", "agent": "ann"}]));
    world.done("a", json!(1));
    let plans = world.plans.clone();
    let known = |_: &_| plans.get(&[1; 32]).cloned();
    let events = || world.log.iter().map(|(at, event)| (*at, event));
    let headless = Run::replay(known, events().skip(1)).unwrap_err();
    assert_eq!(headless.to_string(), "event 1: a run begins with its opening");
    let end = (world.now, &Event::HandedBack);
    let after = Run::replay(known, events().chain([end])).unwrap_err();
    assert_eq!(after.to_string(), "event 6: it comes after the end");
    let unknown = Run::replay(|_| None, events()).unwrap_err();
    assert_eq!(unknown.to_string(), "event 1: its definition is not known");
}

#[test]
fn a_long_history_is_replayed_in_time_that_is_linear_in_it() {
    let names: Vec<_> = (0..10_000).map(|n| format!("s{n}")).collect();
    let list: Vec<_> = names.iter().map(|id| json!({"id": id, "agent": "ann"})).collect();
    let definition = json!({"name": "test", "max_parallel": 10_000, "steps": list});
    let mut world = World::begun(definition, json!(null));
    while let Some(execute) = world.in_hand.pop() {
        world.answer(execute.ticket, Ok(crate::json::Json::from(json!(1))));
    }
    assert_eq!(world.log.len(), 20_003);
    assert_eq!(world.replayed().state, world.run.state);
}
