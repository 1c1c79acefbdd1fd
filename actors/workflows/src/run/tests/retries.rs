//! How often a step is tried, and when.

use serde_json::{Value, json};

use super::World;
use crate::definition::model::ErrorKind;
use crate::json::Json;
use crate::messages::{RunState, StepState};
use crate::run::{Event, Fault, Input};

/// A step with this `retry`, under way.
fn retrying(retry: Value) -> World {
    World::of(json!([{"id": "a", "agent": "ann", "retry": retry}]))
}

/// The waits between the attempts of a step that always fails, in milliseconds.
fn waits(world: &mut World) -> Vec<i64> {
    let mut waits = Vec::new();
    while world.state() == RunState::Running {
        world.fail("a", ErrorKind::Failed);
        let Some((_, Event::Retrying { until, .. })) = world.log.last() else { break };
        // The test's clock moves by milliseconds.
        let wait = (until - world.now + 999) / 1_000;
        waits.push(wait);
        assert_eq!(world.step("a"), StepState::Waiting);
        world.pass_ms(wait - 1);
        assert!(world.in_hand.is_empty(), "tried again before its time");
        world.pass_ms(1);
        assert_eq!(world.executing(), ["a"]);
    }
    waits
}

#[test]
fn waits_grow_by_the_multiplier_up_to_their_bound() {
    let retry = json!({"max_attempts": 6, "initial_ms": 100, "multiplier": 3, "max_ms": 1_000,
        "jitter": 0});
    let mut world = retrying(retry);
    assert_eq!(waits(&mut world), [100, 300, 900, 1_000, 1_000]);
    assert_eq!(world.failure(), (ErrorKind::Failed, Some("a".to_owned())));
}

#[test]
fn linear_waits_are_one_two_three_times_the_first() {
    let retry = json!({"max_attempts": 4, "initial_ms": 100, "form": "linear", "jitter": 0});
    assert_eq!(waits(&mut retrying(retry)), [100, 200, 300]);
}

#[test]
fn jitter_shortens_a_wait_within_its_share_and_is_stored() {
    let retry = json!({"max_attempts": 50, "initial_ms": 1_000, "multiplier": 1, "jitter": 0.5});
    let waits = waits(&mut retrying(retry));
    assert_eq!(waits.len(), 49);
    assert!(waits.iter().all(|wait| (500..=1_000).contains(wait)), "{waits:?}");
    let different: std::collections::BTreeSet<_> = waits.iter().collect();
    assert!(different.len() > 30, "{waits:?}");
}

#[test]
fn a_failure_that_no_retry_helps_fails_the_step_at_once() {
    for kind in [ErrorKind::ValidationError, ErrorKind::Refused, ErrorKind::CriticalError] {
        let mut world = retrying(json!({"max_attempts": 5}));
        world.fail("a", kind);
        assert_eq!(world.failure().0, kind);
    }
}

#[test]
fn retry_on_says_which_kinds_are_tried_again() {
    let retry = json!({"max_attempts": 5, "retry_on": ["refused"]});
    let mut world = retrying(retry.clone());
    world.fail("a", ErrorKind::Refused);
    assert_eq!(world.step("a"), StepState::Waiting);
    let mut world = retrying(retry);
    world.fail("a", ErrorKind::Failed);
    assert_eq!(world.failure().0, ErrorKind::Failed);
}

#[test]
fn an_agent_that_asks_for_a_longer_wait_gets_it() {
    let mut world = retrying(json!({"max_attempts": 3, "initial_ms": 10}));
    let ticket = world.take("a").ticket;
    let fault =
        Fault { retry_after_ms: Some(60_000), ..Fault::new(ErrorKind::RateLimited, "slow down") };
    world.answer(ticket, Err(fault));
    world.pass_ms(59_999);
    assert!(world.in_hand.is_empty());
    world.pass_ms(1);
    assert_eq!(world.executing(), ["a"]);
}

#[test]
fn attempts_have_numbers_and_one_key() {
    let mut world = retrying(json!({"max_attempts": 3, "initial_ms": 10}));
    let first = world.in_hand[0].clone();
    world.fail("a", ErrorKind::Failed);
    world.pass_ms(10);
    let second = world.in_hand[0].clone();
    assert_eq!((first.ticket.attempt, second.ticket.attempt), (1, 2));
    assert_eq!(first.idempotency_key, second.idempotency_key);
}

#[test]
fn lost_executions_are_counted_apart_and_repeated_at_once() {
    let mut world = retrying(json!({"max_attempts": 1, "max_lost": 2}));
    world.fail("a", ErrorKind::Lost);
    world.fail("a", ErrorKind::Lost);
    assert_eq!(world.in_hand[0].ticket.attempt, 3);
    world.fail("a", ErrorKind::Lost);
    assert_eq!(world.failure().0, ErrorKind::Lost);
}

#[test]
fn an_oversize_result_is_final_however_often_a_step_may_be_tried() {
    let definition = json!({"name": "test", "limits": {"payload_bytes": 1024}, "steps": [
        {"id": "a", "agent": "ann", "retry": {"max_attempts": 100}},
    ]});
    let mut world = World::begun(definition, json!(null));
    world.done("a", json!("x".repeat(2_000)));
    assert_eq!(world.failure().0, ErrorKind::Oversize);
    assert_eq!(world.count(|event| matches!(event, Event::Retrying { .. })), 0);
}

#[test]
fn a_budget_bounds_attempts_losses_included() {
    let mut world = World::of(json!([{"id": "a", "agent": "ann", "budget": {"attempts": 2},
        "retry": {"max_attempts": 10, "max_lost": 10, "initial_ms": 1}}]));
    world.fail("a", ErrorKind::Lost);
    world.fail("a", ErrorKind::Failed);
    assert_eq!(world.failure().0, ErrorKind::BudgetExceeded);
}

#[test]
fn a_budget_bounds_the_time_of_all_attempts_together() {
    let mut world = World::of(json!([{"id": "a", "agent": "ann", "budget": {"time_s": 2},
        "retry": {"max_attempts": 10, "initial_ms": 1500, "jitter": 0}}]));
    world.fail("a", ErrorKind::Failed);
    world.pass_ms(1_500);
    assert_eq!(world.executing(), ["a"]);
    world.pass_ms(499);
    assert_eq!(world.state(), RunState::Running);
    world.pass_ms(1);
    assert_eq!(world.failure().0, ErrorKind::BudgetExceeded);
    assert_eq!(world.cancelled.len(), 1);
}

#[test]
fn an_attempt_that_is_not_done_in_time_is_stopped_and_its_late_result_ignored() {
    let mut world = World::of(json!([{"id": "a", "agent": "ann", "timeout": {"finish_s": 1},
        "retry": {"max_attempts": 2, "initial_ms": 100, "jitter": 0}}]));
    let first = world.in_hand[0].ticket;
    world.pass_ms(1_000);
    assert_eq!(world.cancelled, [first]);
    world.answer(first, Ok(Json::from(json!("late"))));
    assert!(matches!(world.log.last(), Some((_, Event::Late { .. }))));
    world.pass_ms(100);
    world.done("a", json!("in time"));
    assert_eq!(world.outputs(), json!({"a": "in time"}));
}

#[test]
fn an_agent_that_gives_no_sign_of_life_has_failed() {
    let mut world = World::of(json!([{"id": "a", "agent": "ann", "timeout": {"heartbeat_s": 1}}]));
    let ticket = world.in_hand[0].ticket;
    for _ in 0..5 {
        world.pass_ms(900);
        world.give(Input::Heartbeat { ticket, at: world.now }).unwrap();
    }
    assert_eq!(world.state(), RunState::Running);
    world.pass_ms(1_000);
    assert_eq!(world.failure().0, ErrorKind::Timeout);
}

#[test]
fn late_results_are_recorded_up_to_a_bound() {
    let mut world = World::of(json!([
        {"id": "a", "agent": "ann"}, {"id": "b", "agent": "ann"},
    ]));
    let ticket = world.in_hand[0].ticket;
    world.done("a", json!(1));
    for _ in 0..150 {
        world.answer(ticket, Ok(Json::from(json!(2))));
    }
    assert_eq!(world.count(|event| matches!(event, Event::Late { .. })), 100);
    assert_eq!(world.output("a"), json!(1));
}

#[test]
fn retries_of_items_are_their_own() {
    let mut world = World::of(json!([{"id": "each",
        "for_each": {"items": [1, 2], "step": {"agent": "ann",
            "retry": {"max_attempts": 2, "initial_ms": 100, "jitter": 0}}}}]));
    world.fail("each[0]", ErrorKind::Failed);
    world.done("each[1]", json!("b"));
    world.pass_ms(100);
    world.done("each[0]", json!("a"));
    assert_eq!(world.outputs(), json!({"each": ["a", "b"]}));
}
