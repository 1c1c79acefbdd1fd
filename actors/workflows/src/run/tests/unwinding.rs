//! Undoing more than one level: what a fallback did, then what the plan before it did.

use serde_json::{Value, json};

use super::World;
use crate::definition::model::ErrorKind;
use crate::messages::{RunState, StepState};
use crate::run::{Ending, Event, Input};

/// A plan that fails after `a` and `b`, and its fallback of `c` and `d`.
fn saga(first: &str, second: &str) -> Value {
    let undo = json!({"agent": "ann"});
    let level = |done: [&str; 2], fails: &str, then: &str| {
        json!({"name": "test", "steps": [
            {"id": done[0], "agent": "ann", "compensate_with": undo},
            {"id": done[1], "agent": "ann", "compensate_with":
                {"agent": "ann", "input": format!("${{outputs.{}}}", done[1])}},
            {"id": fails, "agent": "ann", "depends_on": done, "on_error": {"failed": then}},
        ]})
    };
    let mut saga = level(["a", "b"], "x", first);
    saga["fallback"] = level(["c", "d"], "y", second);
    saga
}

fn fallen(first: &str, second: &str) -> World {
    let mut world = World::begun(saga(first, second), Value::Null);
    world.done("a", json!("did a"));
    world.done("b", json!("did b"));
    world.fail("x", ErrorKind::Failed);
    world
}

fn both_done(world: &mut World) {
    world.done("c", json!("did c"));
    world.done("d", json!("did d"));
}

/// Lets all compensations succeed; gives back their order.
fn undo(world: &mut World) -> Vec<String> {
    let mut order = Vec::new();
    while let Some(next) = world.executing().first().cloned() {
        assert_eq!(world.executing().len(), 1, "one after the other");
        order.push(next.clone());
        world.done(&next, json!(null));
    }
    order
}

#[test]
fn a_fallback_that_fails_and_is_undone_takes_what_the_plan_did_along_in_reverse_order() {
    let mut world = fallen("fail", "compensate");
    both_done(&mut world);
    world.fail("y", ErrorKind::Failed);
    assert_eq!(world.state(), RunState::Compensating);
    assert_eq!(world.in_hand[0].input.value(), "did d");
    assert!(world.in_hand[0].idempotency_key.ends_with("/fallback1/d/1/compensation"));
    world.done("undo d", json!(null));
    world.done("undo c", json!(null));
    assert_eq!(world.state(), RunState::Compensating);
    assert_eq!(world.in_hand[0].input.value(), "did b");
    assert!(world.in_hand[0].idempotency_key.ends_with("b/1/compensation"));
    world.crash();
    assert_eq!(undo(&mut world), ["undo b", "undo a"]);
    assert_eq!(world.failure(), (ErrorKind::Failed, Some("y".to_owned())));
    for (level, step) in [(0, "a"), (0, "b"), (1, "c"), (1, "d")] {
        assert_eq!(world.step_at(level, step), StepState::Compensated, "{step}");
    }
}

#[test]
fn what_was_undone_before_the_fallback_is_not_undone_again() {
    let mut world = fallen("compensate", "compensate");
    world.done("undo b", json!(null));
    world.fail("undo a", ErrorKind::Refused);
    both_done(&mut world);
    world.fail("y", ErrorKind::Failed);
    assert_eq!(undo(&mut world), ["undo d", "undo c"]);
    assert_eq!(world.failure(), (ErrorKind::Failed, Some("y".to_owned())));
}

#[test]
fn a_plan_whose_fallback_succeeds_or_fails_without_more_stays_as_it_is() {
    let mut world = fallen("fail", "compensate");
    both_done(&mut world);
    world.done("y", json!(1));
    assert_eq!((world.state(), world.step_at(0, "a")), (RunState::Completed, StepState::Completed));
    let mut world = fallen("fail", "fail");
    both_done(&mut world);
    world.fail("y", ErrorKind::Failed);
    assert_eq!((world.state(), world.step_at(0, "a")), (RunState::Failed, StepState::Completed));
}

#[test]
fn cancelling_a_fallback_undoes_all_levels_when_asked_to() {
    let mut world = fallen("fail", "fail");
    both_done(&mut world);
    let by = world.run.opening().principal.clone();
    world.give(Input::Cancel { by, why: "enough".into(), compensate: true }).unwrap();
    assert_eq!(undo(&mut world), ["undo d", "undo c", "undo b", "undo a"]);
    assert!(matches!(world.run.ending(), Some(Ending::Cancelled { .. })));
}

#[test]
fn cancelling_while_a_fallback_is_undone_goes_on_with_the_plan_before_it() {
    let mut world = fallen("fail", "compensate");
    both_done(&mut world);
    world.fail("y", ErrorKind::Failed);
    world.done("undo d", json!(null));
    let by = world.run.opening().principal.clone();
    world.give(Input::Cancel { by, why: "enough".into(), compensate: true }).unwrap();
    assert_eq!(undo(&mut world), ["undo c", "undo b", "undo a"]);
    assert!(matches!(world.run.ending(), Some(Ending::Cancelled { .. })));
}

#[test]
fn every_level_of_three_is_undone_and_each_once() {
    let mut definition = saga("fail", "fail");
    let undo_it = json!({"agent": "ann"});
    definition["fallback"]["fallback"] = json!({"name": "last", "steps": [
        {"id": "e", "agent": "ann", "compensate_with": undo_it},
        {"id": "z", "agent": "ann", "depends_on": ["e"], "on_error": {"failed": "compensate"}},
    ]});
    let mut world = World::begun(definition, Value::Null);
    for step in ["a", "b"] {
        world.done(step, json!(1));
    }
    world.fail("x", ErrorKind::Failed);
    world.done("d", json!(1));
    world.done("c", json!(1));
    world.fail("y", ErrorKind::Failed);
    world.done("e", json!(1));
    world.fail("z", ErrorKind::Failed);
    assert_eq!(undo(&mut world), ["undo e", "undo c", "undo d", "undo b", "undo a"]);
    assert_eq!(world.count(|event| matches!(event, Event::Unwound)), 2);
    assert_eq!(world.run.progress().percent, 100.0);
}

#[test]
fn on_finish_is_that_of_the_fallback_and_comes_when_all_is_undone() {
    let mut definition = saga("fail", "compensate");
    definition["fallback"]["on_finish"] = json!({"agent": "ann", "input": "${outputs.c}"});
    let mut world = World::begun(definition, Value::Null);
    world.done("a", json!(1));
    world.done("b", json!(1));
    world.fail("x", ErrorKind::Failed);
    both_done(&mut world);
    world.fail("y", ErrorKind::Failed);
    for step in ["undo d", "undo c", "undo b", "undo a"] {
        world.done(step, json!(null));
    }
    assert_eq!(world.in_hand[0].input.value(), "did c");
    world.crash();
    world.done("on_finish", json!(null));
    assert_eq!(world.failure(), (ErrorKind::Failed, Some("y".to_owned())));
}

#[test]
fn wherever_the_engine_is_killed_each_level_is_undone_to_its_end() {
    let mut world = fallen("fail", "compensate");
    both_done(&mut world);
    world.fail("y", ErrorKind::Failed);
    let fell = world.log.len();
    undo(&mut world);
    let whole = world.log.clone();
    for stored in fell..whole.len() {
        world.log = whole[..stored].to_vec();
        world.crash();
        undo(&mut world);
        assert_eq!(world.failure(), (ErrorKind::Failed, Some("y".to_owned())), "{stored}");
        for (level, step) in [(0, "a"), (0, "b"), (1, "c"), (1, "d")] {
            assert_eq!(world.step_at(level, step), StepState::Compensated, "{step} at {stored}");
        }
        assert_eq!(world.replayed().state, world.run.state);
    }
}
