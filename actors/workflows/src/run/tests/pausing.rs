//! Pausing and going on.

use serde_json::json;

use super::World;
use crate::definition::model::ErrorKind;
use crate::messages::RunState;
use crate::run::Input;

fn pause(world: &mut World) {
    let by = world.run.opening().principal.clone();
    world.give(Input::Pause { by }).unwrap();
}

fn resume(world: &mut World) {
    let by = world.run.opening().principal.clone();
    world.give(Input::Resume { by }).unwrap();
}

#[test]
fn a_paused_run_lets_what_runs_end_and_begins_nothing() {
    let mut world = World::of(json!([
        {"id": "a", "agent": "ann"},
        {"id": "b", "agent": "ann", "depends_on": ["a"]},
    ]));
    pause(&mut world);
    assert_eq!((world.state(), world.executing()), (RunState::Paused, vec!["a".to_owned()]));
    world.done("a", json!(1));
    assert_eq!(world.in_hand, []);
    world.crash();
    assert_eq!((world.state(), world.in_hand.len()), (RunState::Paused, 0));
    resume(&mut world);
    assert_eq!(world.executing(), ["b"]);
}

#[test]
fn the_next_attempt_and_the_next_item_wait_for_the_resumption() {
    let mut world = World::of(json!([
        {"id": "a", "agent": "ann", "retry": {"max_attempts": 2, "initial_ms": 10}},
        {"id": "each", "for_each": {"items": [1, 2], "concurrency": 1,
            "step": {"agent": "ann"}}},
    ]));
    world.fail("a", ErrorKind::Failed);
    pause(&mut world);
    world.done("each[0]", json!(1));
    world.pass_ms(1_000);
    assert_eq!(world.in_hand, []);
    resume(&mut world);
    world.pass_ms(0);
    let mut executing = world.executing();
    executing.sort();
    assert_eq!(executing, ["a", "each[1]"]);
}

#[test]
fn the_time_of_a_pause_does_not_count_against_the_run() {
    let definition = json!({"name": "test", "timeout_s": 60,
        "steps": [{"id": "a", "agent": "ann"}]});
    let mut world = World::begun(definition, json!(null));
    world.pass_ms(50_000);
    pause(&mut world);
    world.pass_ms(1_000_000);
    resume(&mut world);
    world.pass_ms(9_999);
    assert_eq!(world.state(), RunState::Running);
    world.pass_ms(1);
    assert_eq!(world.failure(), (ErrorKind::Timeout, None));
}

#[test]
fn pausing_and_resuming_are_refused_where_they_make_no_sense() {
    let mut world = World::of(json!([{"id": "a", "agent": "ann"}]));
    let by = world.run.opening().principal.clone();
    let refused = world.give(Input::Resume { by: by.clone() }).unwrap_err();
    assert_eq!(refused.to_string(), "the run is running: expected one that is paused");
    pause(&mut world);
    assert!(world.give(Input::Pause { by }).is_err());
}
