//! The order of steps, what they see, what the run yields.

use serde_json::json;

use super::World;
use super::world::steps;
use crate::messages::{RunState, StepState};
use crate::run::{Event, Input};

#[test]
fn a_step_begins_when_all_that_it_depends_on_has_ended() {
    let mut world = World::of(json!([
        {"id": "a", "agent": "ann"},
        {"id": "b", "agent": "ann"},
        {"id": "c", "agent": "ann", "depends_on": ["a", "b"], "input": {"a": "${outputs.a.n}"}},
    ]));
    assert_eq!(world.executing(), ["a", "b"]);
    world.done("a", json!({"n": 1}));
    assert_eq!(world.executing(), ["b"]);
    world.done("b", json!(2));
    assert_eq!(world.executing(), ["c"]);
    assert_eq!(world.in_hand[0].input.value(), &json!({"a": 1}));
    world.done("c", json!(3));
    assert_eq!(world.state(), RunState::Completed);
    assert_eq!(world.outputs(), json!({"c": 3}));
}

#[test]
fn one_input_yields_the_end_of_a_step_and_the_begin_of_the_next() {
    let mut world = World::of(json!([
        {"id": "a", "agent": "ann"},
        {"id": "b", "agent": "ann", "depends_on": ["a"]},
    ]));
    let before = world.log.len();
    world.done("a", json!(1));
    let events: Vec<_> = world.log[before..].iter().map(|(_, event)| event).collect();
    assert!(matches!(events[..], [Event::Succeeded { .. }, Event::Started { .. }]), "{events:?}");
}

#[test]
fn a_run_waits_to_be_admitted() {
    let mut world = World::opened(steps(json!([{"id": "a", "agent": "ann"}])), json!(null));
    assert_eq!(world.state(), RunState::Pending);
    assert!(world.in_hand.is_empty());
    world.give(Input::Begin).unwrap();
    assert_eq!((world.state(), world.executing()), (RunState::Running, vec!["a".to_owned()]));
}

#[test]
fn no_more_steps_are_under_way_than_the_definition_allows() {
    let list: Vec<_> = (0..10).map(|n| json!({"id": format!("s{n}"), "agent": "ann"})).collect();
    let definition = json!({"name": "test", "max_parallel": 3, "steps": list});
    let mut world = World::begun(definition, json!(null));
    for n in 0..10 {
        assert_eq!(world.in_hand.len(), 3.min(10 - n));
        let first = world.executing()[0].clone();
        world.done(&first, json!(n));
    }
    assert_eq!(world.state(), RunState::Completed);
}

#[test]
fn urgent_steps_begin_first() {
    let definition = json!({"name": "test", "max_parallel": 1, "steps": [
        {"id": "low", "agent": "ann", "priority": "low"},
        {"id": "normal", "agent": "ann"},
        {"id": "critical", "agent": "ann", "priority": "critical"},
    ]});
    let mut world = World::begun(definition, json!(null));
    for expected in ["critical", "normal", "low"] {
        assert_eq!(world.executing(), [expected]);
        world.done(expected, json!(null));
    }
}

#[test]
fn sequential_order_chains_the_steps() {
    let definition = json!({"name": "test", "order": "sequential", "steps": [
        {"id": "a", "agent": "ann"}, {"id": "b", "agent": "ann"}, {"id": "c", "agent": "ann"},
    ]});
    let mut world = World::begun(definition, json!(null));
    for step in ["a", "b", "c"] {
        assert_eq!(world.executing(), [step]);
        world.done(step, json!(null));
    }
    assert_eq!(world.state(), RunState::Completed);
}

#[test]
fn a_condition_that_does_not_hold_skips_the_step_and_what_depends_on_it_alone() {
    let mut world = World::begun(
        steps(json!([
            {"id": "a", "agent": "ann"},
            {"id": "no", "agent": "ann", "depends_on": ["a"], "when": "inputs.go"},
            {"id": "alone", "agent": "ann", "depends_on": ["no"]},
            {"id": "both", "agent": "ann", "depends_on": ["no", "a"], "input": "${outputs.no}"},
        ])),
        json!({"go": false}),
    );
    world.done("a", json!(1));
    assert_eq!(world.step("no"), StepState::Skipped);
    assert_eq!(world.step("alone"), StepState::Skipped);
    assert_eq!(world.executing(), ["both"]);
    assert!(world.in_hand[0].input.is_null());
    world.done("both", json!(2));
    assert_eq!(world.outputs(), json!({"alone": null, "both": 2}));
}

#[test]
fn a_transform_yields_its_template_without_an_agent_and_in_one_event() {
    let mut world = World::begun(
        steps(json!([
            {"id": "a", "transform": {"n": "${inputs.n}"}},
            {"id": "b", "transform": "n is ${outputs.a.n}", "depends_on": ["a"]},
        ])),
        json!({"n": 7}),
    );
    assert_eq!(world.outputs(), json!({"b": "n is 7"}));
    assert_eq!(world.log.len(), 5, "opened, began, two results, ended: {:?}", world.log);
    world.crash();
    assert_eq!(world.state(), RunState::Completed);
}

#[test]
fn variables_are_evaluated_once_when_the_run_begins() {
    let definition = json!({
        "name": "test",
        "variables": {"greeting": "hello ${inputs.who}"},
        "steps": [{"id": "a", "agent": "ann", "input": "${variables.greeting}"}],
        "outputs": {"said": "${variables.greeting}", "did": "${outputs.a}"},
    });
    let mut world = World::begun(definition, json!({"who": "ada"}));
    assert_eq!(world.in_hand[0].input.value(), "hello ada");
    world.done("a", json!(1));
    assert_eq!(world.outputs(), json!({"said": "hello ada", "did": 1}));
}

#[test]
fn the_key_of_an_execution_names_run_step_visit_and_item() {
    let world = World::of(json!([
        {"id": "a", "agent": "ann"},
        {"id": "each", "for_each": {"items": [1, 2], "step": {"agent": "ann"}}},
    ]));
    let run = world.run.opening().run;
    let keys: Vec<_> = world.in_hand.iter().map(|one| one.idempotency_key.clone()).collect();
    let expected = ["a/1", "each/1/0", "each/1/1"].map(|key| format!("{run}/{key}"));
    assert_eq!(keys, expected);
}

#[test]
fn an_input_without_expressions_is_not_stored_again() {
    let world = World::of(json!([
        {"id": "a", "agent": "ann", "input": {"long": "constant"}},
        {"id": "b", "agent": "ann", "input": "${run.name}"},
    ]));
    let inputs: Vec<_> = world.in_hand.iter().map(|one| one.input.value().clone()).collect();
    assert_eq!(inputs, [json!({"long": "constant"}), json!("test")]);
    let stored = |event: &Event| matches!(event, Event::Started { input: Some(_), .. });
    assert_eq!(world.count(stored), 1);
}

#[test]
fn progress_counts_the_steps_that_have_ended() {
    let mut world = World::of(json!([
        {"id": "a", "agent": "ann"},
        {"id": "b", "agent": "ann", "depends_on": ["a"]},
    ]));
    world.done("a", json!(1));
    let progress = world.run.progress();
    assert_eq!((progress.percent, progress.done, progress.total), (50.0, 1, 2));
}

#[test]
fn a_fan_out_costs_as_much_as_its_edges() {
    let mut list = vec![json!({"id": "first", "transform": 1})];
    let names: Vec<_> = (0..2_000).map(|n| format!("s{n}")).collect();
    list.extend(names.iter().map(|id| json!({"id": id, "transform": 2, "depends_on": ["first"]})));
    list.push(json!({"id": "last", "transform": 3, "depends_on": names}));
    let world = World::of(json!(list));
    assert_eq!(world.outputs(), json!({"last": 3}));
    assert_eq!(world.log.len(), 2_000 + 2 + 3);
}
