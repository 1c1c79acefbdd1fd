//! Ending a run from outside.

use serde_json::json;

use super::World;
use super::world::steps;
use crate::definition::model::ErrorKind;
use crate::messages::{RunState, StepState};
use crate::run::{Ending, Input, Part};

fn cancel(world: &mut World, compensate: bool) {
    let by = world.run.opening().principal.clone();
    world.give(Input::Cancel { by, why: "no longer wanted".into(), compensate }).unwrap();
}

fn is_cancelled(world: &World) -> bool {
    matches!(world.run.ending(), Some(Ending::Cancelled { .. })) && world.is_over()
}

#[test]
fn cancelling_stops_executions_and_children() {
    let mut world = World::of(json!([
        {"id": "a", "agent": "ann"}, {"id": "b", "workflow": {"name": "inner"}},
        {"id": "c", "agent": "ann", "depends_on": ["a"]},
    ]));
    let child = world.children[0].clone();
    cancel(&mut world, false);
    assert_eq!(world.cancelled.len(), 1);
    assert_eq!(world.cancelled_children, [child.run]);
    assert_eq!((world.step("a"), world.step("c")), (StepState::Cancelled, StepState::Pending));
    assert!(!is_cancelled(&world), "the child still runs");
    let outcome = Ok(crate::json::Json::null());
    world.give(Input::ChildEnded { run: child.run, ticket: child.ticket, outcome }).unwrap();
    assert!(is_cancelled(&world));
}

#[test]
fn cancelling_is_asked_for_once() {
    let definition = json!({"name": "test", "on_cancel": {"agent": "ann"},
        "steps": [{"id": "a", "agent": "ann"}]});
    let mut world = World::begun(definition, json!(null));
    cancel(&mut world, false);
    assert_eq!(world.executing(), ["on_cancel"]);
    let by = world.run.opening().principal.clone();
    let again = world.give(Input::Cancel { by, why: "".into(), compensate: false });
    assert_eq!(again.unwrap_err().to_string(), "the run is running: it is being cancelled already");
    world.crash();
    world.done("on_cancel", json!(null));
    assert!(is_cancelled(&world));
}

#[test]
fn cancelling_undoes_what_was_done_when_asked_to() {
    let mut world = World::of(json!([
        {"id": "a", "agent": "ann", "compensate_with": {"agent": "ann"}},
        {"id": "b", "agent": "ann", "depends_on": ["a"]},
    ]));
    world.done("a", json!(1));
    cancel(&mut world, true);
    assert_eq!((world.state(), world.executing()), (RunState::Compensating, vec!["undo a".into()]));
    world.done("undo a", json!(null));
    assert!(is_cancelled(&world));
    assert_eq!(world.step("a"), StepState::Compensated);
}

#[test]
fn a_run_that_was_not_admitted_can_be_cancelled() {
    let definition = json!({"name": "test", "on_cancel": {"agent": "ann"},
        "steps": [{"id": "a", "agent": "ann"}]});
    let mut world = World::opened(definition, json!(null));
    cancel(&mut world, true);
    assert!(is_cancelled(&world), "nothing was done, so nothing is to be tidied up");
    world.give(Input::Begin).unwrap();
    assert_eq!(world.in_hand, []);
}

#[test]
fn cancelling_during_on_finish_cuts_it_short_and_keeps_the_end() {
    let definition = json!({"name": "test", "on_finish": {"agent": "ann"},
        "steps": [{"id": "a", "transform": 1}]});
    let mut world = World::begun(definition, json!(null));
    cancel(&mut world, false);
    assert_eq!(world.outputs(), json!({"a": 1}));
    assert_eq!(world.cancelled[0].spot.part, Part::OnFinish);
}

#[test]
fn a_result_that_comes_after_the_cancelling_is_ignored() {
    let mut world = World::begun(
        steps(json!([{"id": "a", "agent": "ann"}, {"id": "b", "workflow": {"name": "inner"}}])),
        json!(null),
    );
    let ticket = world.in_hand[0].ticket;
    cancel(&mut world, false);
    world.answer(ticket, Ok(crate::json::Json::null()));
    assert_eq!(world.step("a"), StepState::Cancelled);
    let late = |event: &crate::run::Event| matches!(event, crate::run::Event::Late { .. });
    assert_eq!(world.count(late), 1);
}

#[test]
fn compensation_that_is_under_way_goes_on_when_the_run_is_cancelled() {
    let mut world = World::of(json!([
        {"id": "a", "agent": "ann", "compensate_with": {"agent": "ann"}},
        {"id": "b", "agent": "ann", "depends_on": ["a"], "on_error": {"failed": "compensate"}},
    ]));
    world.done("a", json!(1));
    world.fail("b", ErrorKind::Failed);
    cancel(&mut world, false);
    world.done("undo a", json!(null));
    assert!(is_cancelled(&world));
}
