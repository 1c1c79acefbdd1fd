//! Steps that are made of several pieces: for each item, and races.

use serde_json::{Value, json};

use super::World;
use super::world::steps;
use crate::definition::model::ErrorKind;
use crate::messages::{ItemsStatus, RunState, StepState};

fn each(items: Value, concurrency: u32) -> Value {
    json!({"id": "each", "for_each": {"items": items, "concurrency": concurrency,
        "step": {"agent": "ann", "input": {"it": "${item}", "at": "${item_index}"}}}})
}

#[test]
fn each_item_is_worked_on_with_a_bound_and_the_outputs_keep_their_order() {
    let mut world = World::of(json!([each(json!(["x", "y", "z"]), 2)]));
    assert_eq!(world.executing(), ["each[0]", "each[1]"]);
    assert_eq!(world.in_hand[1].input.value(), &json!({"it": "y", "at": 1}));
    world.done("each[1]", json!("Y"));
    assert_eq!(world.executing(), ["each[0]", "each[2]"]);
    let items = world.run.steps(0).next().unwrap().items;
    assert_eq!(items, Some(ItemsStatus { total: 3, running: 2, completed: 1, failed: 0 }));
    world.crash();
    assert_eq!(world.executing(), ["each[0]", "each[2]"]);
    world.done("each[2]", json!("Z"));
    world.done("each[0]", json!("X"));
    assert_eq!(world.outputs(), json!({"each": ["X", "Y", "Z"]}));
}

#[test]
fn no_items_are_done_at_once() {
    let world = World::begun(steps(json!([each(json!("${inputs}"), 8)])), json!([]));
    assert_eq!(world.outputs(), json!({"each": []}));
}

#[test]
fn what_is_no_list_of_items_fails_the_step() {
    let world = World::begun(steps(json!([each(json!("${inputs}"), 8)])), json!({"a": 1}));
    assert_eq!(world.failure(), (ErrorKind::ValidationError, Some("each".to_owned())));
}

#[test]
fn a_failed_item_fails_the_step_and_stops_the_others() {
    let mut list = each(json!([1, 2, 3]), 2);
    list["on_error"] = json!({"failed": {"action": "default", "value": ["none"]}});
    let mut world = World::of(json!([list]));
    world.fail("each[0]", ErrorKind::Failed);
    assert_eq!(world.cancelled.len(), 1);
    assert_eq!(world.outputs(), json!({"each": ["none"]}));
}

#[test]
fn a_list_of_outputs_that_is_too_large_is_refused() {
    let definition = json!({"name": "test", "limits": {"payload_bytes": 1024},
        "steps": [each(json!([1, 2]), 2)]});
    let mut world = World::begun(definition, json!(null));
    world.done("each[0]", json!("x".repeat(600)));
    world.done("each[1]", json!("x".repeat(600)));
    assert_eq!(world.failure().0, ErrorKind::Oversize);
}

#[test]
fn the_first_racer_wins_and_the_others_are_stopped() {
    let mut world = World::of(json!([
        {"id": "r", "race": [{"agent": "ann"}, {"agent": "bob"}, {"transform": "${inputs.no}"}]},
    ]));
    assert_eq!(world.executing(), ["r[0]", "r[1]"], "the third failed at once");
    world.crash();
    world.done("r[1]", json!("bob was first"));
    assert_eq!(world.outputs(), json!({"r": "bob was first"}));
    assert_eq!(world.cancelled.len(), 1);
}

#[test]
fn a_race_that_nobody_wins_fails() {
    let mut world = World::of(json!([{"id": "r", "race": [{"agent": "ann"}, {"agent": "bob"}]}]));
    world.fail("r[0]", ErrorKind::Refused);
    assert_eq!(world.state(), RunState::Running);
    world.fail("r[1]", ErrorKind::Failed);
    assert_eq!(world.failure(), (ErrorKind::Failed, Some("r".to_owned())));
}

#[test]
fn a_race_with_time_is_a_bound_on_it() {
    let mut world = World::of(json!([
        {"id": "r", "race": [{"agent": "ann"}, {"wait": {"for_s": 2}}]},
    ]));
    world.pass_ms(2_000);
    assert_eq!(world.outputs(), json!({"r": null}));
    assert_eq!(world.cancelled.len(), 1);
}

#[test]
fn a_sub_workflow_for_each_item_is_a_run_of_its_own() {
    let mut world = World::of(json!([{"id": "each", "for_each": {"items": [1, 2],
        "step": {"workflow": {"name": "inner", "input": "${item}"}}}}]));
    let inputs: Vec<_> = world.children.iter().map(|child| child.input.to_string()).collect();
    assert_eq!(inputs, ["1", "2"]);
    assert_ne!(world.children[0].run, world.children[1].run);
    for child in std::mem::take(&mut world.children) {
        let (run, ticket, outcome) = (child.run, child.ticket, Ok(child.input));
        world.give(crate::run::Input::ChildEnded { run, ticket, outcome }).unwrap();
    }
    assert_eq!(world.step("each"), StepState::Completed);
    assert_eq!(world.outputs(), json!({"each": [1, 2]}));
}
