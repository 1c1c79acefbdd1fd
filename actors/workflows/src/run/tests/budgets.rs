//! Tokens and money: summed over all that a step does, and what happens beyond the budget.

use serde_json::{Value, json};
use synod_agents::Usage;

use super::World;
use crate::definition::model::ErrorKind;
use crate::json::Json;
use crate::messages::StepState;
use crate::run::{Event, Fault, Input};

fn tokens(tokens: u64) -> Usage {
    Usage { tokens, money_micros: 0 }
}

fn done(world: &mut World, step: &str, usage: Usage) {
    let ticket = world.take(step).ticket;
    world.spent(ticket, Ok(Json::from(json!(1))), usage);
}

fn failed(world: &mut World, step: &str, usage: Usage) {
    let ticket = world.take(step).ticket;
    world.spent(ticket, Err(Fault::new(ErrorKind::Failed, "went wrong")), usage);
}

fn step(budget: Value) -> Value {
    json!([{"id": "a", "agent": "ann", "budget": budget,
        "retry": {"max_attempts": 9, "initial_ms": 10, "jitter": 0}}])
}

#[test]
fn tokens_of_all_attempts_count_together_and_what_goes_beyond_is_no_result() {
    let mut world = World::of(step(json!({"tokens": 100})));
    failed(&mut world, "a", tokens(60));
    world.pass_ms(10);
    world.crash();
    done(&mut world, "a", tokens(41));
    assert_eq!(world.failure(), (ErrorKind::BudgetExceeded, Some("a".to_owned())));
    assert_eq!(world.spent_by("a"), tokens(101));
    assert!(world.message().contains("101 tokens, and its budget is 100"), "{}", world.message());
}

#[test]
fn what_stays_within_the_budget_is_taken() {
    let mut world = World::of(step(json!({"tokens": 100, "money": 0.5})));
    failed(&mut world, "a", Usage { tokens: 50, money_micros: 499_999 });
    world.pass_ms(10);
    done(&mut world, "a", Usage { tokens: 50, money_micros: 1 });
    assert_eq!(world.outputs(), json!({"a": 1}));
    assert_eq!(world.spent_by("a"), Usage { tokens: 100, money_micros: 500_000 });
}

#[test]
fn there_is_no_other_attempt_when_nothing_is_left() {
    let mut world = World::of(step(json!({"money": 0.5})));
    assert_eq!(world.run.money_left(&world.in_hand[0].ticket), Some(0.5));
    failed(&mut world, "a", Usage { tokens: 7, money_micros: 400_000 });
    world.pass_ms(10);
    let left = world.run.money_left(&world.in_hand[0].ticket).unwrap();
    assert!((left - 0.1).abs() < 1e-9, "{left}");
    failed(&mut world, "a", Usage { tokens: 7, money_micros: 100_000 });
    assert_eq!(world.failure(), (ErrorKind::BudgetExceeded, Some("a".to_owned())));
}

#[test]
fn beyond_the_budget_is_an_error_that_a_step_can_handle_and_that_is_not_tried_again() {
    let mut world = World::of(json!([{"id": "a", "agent": "ann", "budget": {"tokens": 10},
        "retry": {"max_attempts": 9, "retry_on": ["budget_exceeded", "failed"]},
        "on_error": {"budget_exceeded": {"action": "default", "value": "none"}}}]));
    done(&mut world, "a", tokens(11));
    assert_eq!(world.outputs(), json!({"a": "none"}));
}

#[test]
fn items_share_the_budget_of_their_step_and_the_rest_is_not_begun() {
    let mut world = World::of(json!([{"id": "a", "budget": {"tokens": 100}, "for_each":
        {"items": [1, 2, 3, 4], "concurrency": 1, "step": {"agent": "ann"}}}]));
    done(&mut world, "a[0]", tokens(50));
    world.crash();
    done(&mut world, "a[1]", tokens(50));
    assert_eq!(world.failure(), (ErrorKind::BudgetExceeded, Some("a".to_owned())));
    assert_eq!(world.executing(), Vec::<String>::new());
}

#[test]
fn an_item_may_have_a_budget_of_its_own() {
    let each = json!({"agent": "ann", "budget": {"tokens": 30}});
    let mut world = World::of(json!([{"id": "a", "budget": {"tokens": 100}, "for_each":
        {"items": [1, 2, 3], "concurrency": 3, "step": each}}]));
    done(&mut world, "a[0]", tokens(30));
    done(&mut world, "a[1]", tokens(31));
    assert_eq!(world.failure(), (ErrorKind::BudgetExceeded, Some("a".to_owned())));
    assert_eq!(world.spent_by("a"), tokens(61));
}

#[test]
fn visits_share_the_budget_also_over_a_rollback_and_a_crash() {
    let mut world = World::of(json!([
        {"id": "a", "agent": "ann", "budget": {"tokens": 100}},
        {"id": "b", "agent": "ann", "depends_on": ["a"],
            "on_error": {"failed": {"action": "go_to", "step": "a"}}},
    ]));
    let by = world.run.opening().principal.clone();
    world.give(Input::Checkpoint { name: "start".into(), by: by.clone() }).unwrap();
    done(&mut world, "a", tokens(40));
    failed(&mut world, "b", tokens(1_000));
    done(&mut world, "a", tokens(40));
    let (to, why) = ("start".into(), "again".into());
    world.give(Input::Rollback { to, by, why, compensate: false }).unwrap();
    world.crash();
    assert_eq!(world.spent_by("a"), tokens(80));
    done(&mut world, "a", tokens(40));
    assert_eq!(world.failure(), (ErrorKind::BudgetExceeded, Some("a".to_owned())));
}

#[test]
fn what_an_attempt_used_up_that_was_given_up_counts_when_it_is_known() {
    let mut world = World::of(json!([{"id": "a", "agent": "ann", "budget": {"tokens": 100},
        "timeout": {"finish_s": 1}, "retry": {"max_attempts": 3, "initial_ms": 10, "jitter": 0}}]));
    let first = world.in_hand[0].ticket;
    world.pass_ms(1_010);
    assert_eq!(world.executing(), ["a"]);
    world.spent(first, Err(Fault::new(ErrorKind::Cancelled, "told to")), tokens(101));
    assert_eq!(world.failure(), (ErrorKind::BudgetExceeded, Some("a".to_owned())));
    assert_eq!(world.cancelled.len(), 2, "the attempt under way is told to stop");
}

#[test]
fn what_a_lost_attempt_used_up_counts_and_the_engine_does_not_repeat_what_nothing_is_left_for() {
    let mut world = World::of(json!([{"id": "a", "agent": "ann", "budget": {"tokens": 100},
        "retry": {"max_attempts": 3, "max_lost": 9}}]));
    let ticket = world.take("a").ticket;
    world.spent(ticket, Err(Fault::new(ErrorKind::Lost, "gone")), tokens(60));
    assert_eq!(world.executing(), ["a"]);
    let (ticket, before) = (world.take("a").ticket, world.log.len());
    world.spent(ticket, Err(Fault::new(ErrorKind::Lost, "gone")), tokens(40));
    assert_eq!(world.failure().0, ErrorKind::BudgetExceeded);
    // Only that it was used up is stored: nobody repeats it.
    world.log.truncate(before + 1);
    assert!(matches!(world.log[before].1, Event::Spent { .. }));
    world.crash();
    assert_eq!(world.failure().0, ErrorKind::BudgetExceeded);
}

#[test]
fn a_compensation_has_a_budget_of_its_own() {
    let undo = json!({"agent": "ann", "budget": {"tokens": 10},
        "retry": {"max_attempts": 3, "initial_ms": 10, "jitter": 0}});
    let mut world = World::of(json!([
        {"id": "a", "agent": "ann", "budget": {"tokens": 50}, "compensate_with": undo},
        {"id": "b", "agent": "ann", "depends_on": ["a"], "on_error": {"failed": "compensate"}},
    ]));
    done(&mut world, "a", tokens(50));
    failed(&mut world, "b", tokens(0));
    failed(&mut world, "undo a", tokens(9));
    world.pass_ms(10);
    done(&mut world, "undo a", tokens(1));
    assert_eq!(world.step("a"), StepState::Compensated);
}

#[test]
fn attempts_and_time_are_bounded_as_before() {
    let mut world = World::of(step(json!({"attempts": 2})));
    world.fail("a", ErrorKind::Failed);
    world.pass_ms(10);
    world.fail("a", ErrorKind::Failed);
    assert_eq!(world.failure().0, ErrorKind::BudgetExceeded);
    let mut world = World::of(step(json!({"time_s": 5})));
    world.pass_ms(4_000);
    world.crash();
    world.pass_ms(999);
    assert_eq!(world.executing(), ["a"]);
    world.pass_ms(1);
    assert_eq!(world.failure().0, ErrorKind::BudgetExceeded);
}
