//! Changing a run that is under way.

use serde_json::{Value, json};

use super::World;
use super::world::{hash, plan, steps};
use crate::definition::model::ErrorKind;
use crate::json::Json;
use crate::run::{Amendment, Event, Input, Refused};

/// Gives a run other steps. `changed`: those that both definitions have and that differ.
fn amend(world: &mut World, definition: Value, changed: &[&str]) -> Result<(), Refused> {
    amend_with(world, definition, changed, &[])
}

fn amend_with(
    world: &mut World,
    definition: Value,
    changed: &[&str],
    variables: &[(&str, Value)],
) -> Result<(), Refused> {
    let number = world.plans.len() as u8 + 1;
    let plan = plan(definition);
    world.plans.insert([number; 32], plan.clone());
    let amendment = Amendment {
        definition: hash(number),
        plan,
        changed: changed.iter().map(|id| (*id).into()).collect(),
        variables: variables
            .iter()
            .map(|(name, value)| ((*name).into(), Json::from(value.clone())))
            .collect(),
        by: world.run.opening().principal.clone(),
        why: "we know better now".into(),
    };
    world.give(Input::Amend(Box::new(amendment)))
}

fn two() -> Value {
    json!([
        {"id": "a", "agent": "ann"},
        {"id": "b", "agent": "ann", "depends_on": ["a"]},
    ])
}

#[test]
fn steps_that_have_not_begun_can_be_added_removed_and_replaced() {
    let mut world = World::of(two());
    let list = json!([
        {"id": "new", "agent": "ann"},
        {"id": "a", "agent": "ann"},
        {"id": "c", "agent": "ann", "depends_on": ["a", "new"]},
    ]);
    amend(&mut world, steps(list), &[]).unwrap();
    assert_eq!(world.executing(), ["a", "new"].map(String::from).to_vec().as_slice());
    world.done("new", json!(1));
    world.crash();
    world.done("a", json!(2));
    world.done("c", json!(3));
    assert_eq!(world.outputs(), json!({"c": 3}));
    assert_eq!(*world.run.definition(), hash(2));
    assert_eq!(world.run.opening().definition, hash(1), "what it was opened with stays");
}

#[test]
fn a_result_finds_its_step_under_its_new_number() {
    let mut world = World::of(two());
    let before = world.take("a").ticket;
    for _ in 0..2 {
        let padding = world.plans.len();
        let mut list: Vec<_> =
            (0..padding).map(|n| json!({"id": format!("p{n}"), "transform": n})).collect();
        list.extend(two().as_array().unwrap().iter().cloned());
        amend(&mut world, steps(json!(list)), &[]).unwrap();
    }
    world.answer(before, Ok(Json::from(json!("found"))));
    assert_eq!(world.output("a"), json!("found"));
    assert_eq!(world.executing(), ["b"]);
    assert_eq!(world.count(|event| matches!(event, Event::Late { .. })), 0);
}

#[test]
fn items_under_way_go_on_in_the_amended_run() {
    let each = json!({"id": "each", "for_each": {"items": [1, 2, 3], "concurrency": 1,
        "step": {"agent": "ann"}}});
    let mut world = World::of(json!([each]));
    amend(&mut world, steps(json!([{"id": "x", "transform": 1}, each])), &[]).unwrap();
    for item in 0..3 {
        world.done(&format!("each[{item}]"), json!(item));
    }
    assert_eq!(world.outputs(), json!({"x": 1, "each": [0, 1, 2]}));
}

#[test]
fn an_amendment_takes_no_signs_of_life_away_and_a_timeout_stops_what_was_handed_out() {
    let a = json!({"id": "a", "agent": "ann", "timeout": {"heartbeat_s": 2}});
    let mut world = World::of(json!([a]));
    let ticket = world.in_hand[0].ticket;
    world.pass_ms(1_500);
    world.give(Input::Heartbeat { ticket, at: world.now }).unwrap();
    amend(&mut world, steps(json!([{"id": "x", "transform": 1}, a])), &[]).unwrap();
    world.pass_ms(1_999);
    assert_eq!(world.executing(), ["a"]);
    world.pass_ms(1);
    assert_eq!(world.cancelled, [ticket]);
    assert_eq!(world.failure(), (ErrorKind::Timeout, Some("a".to_owned())));
}

#[test]
fn what_has_begun_can_be_neither_removed_nor_replaced() {
    let mut world = World::of(two());
    let refused = amend(&mut world, steps(json!([{"id": "b", "agent": "ann"}])), &["b"]);
    assert_eq!(
        refused.unwrap_err().to_string(),
        "the change is not possible: step 'a' has begun and can't be removed"
    );
    let refused = amend(&mut world, steps(two()), &["a"]);
    assert_eq!(
        refused.unwrap_err().to_string(),
        "the change is not possible: step 'a' has begun and can't be replaced"
    );
    assert_eq!(world.log.len(), 3);
}

#[test]
fn variables_can_be_changed_for_the_steps_to_come() {
    let definition = |variables: Value| {
        json!({"name": "test", "variables": variables, "steps": [
            {"id": "a", "agent": "ann"},
            {"id": "b", "agent": "ann", "depends_on": ["a"], "input": "${variables.v}"},
        ]})
    };
    let mut world = World::begun(definition(json!({"v": 1})), json!(null));
    let value = [("v", json!(2))];
    amend_with(&mut world, definition(json!({"v": 1})), &[], &value).unwrap();
    let more = definition(json!({"v": 1, "w": 5}));
    let refused = amend_with(&mut world, more, &[], &[]).unwrap_err();
    assert!(refused.to_string().ends_with("the new variable 'w' needs a value"), "{refused}");
    let unknown = amend_with(&mut world, definition(json!({"v": 1})), &[], &[("u", json!(1))]);
    assert!(unknown.unwrap_err().to_string().ends_with("there is no variable 'u'"));
    world.done("a", json!(null));
    assert_eq!(world.in_hand[0].input.value(), &json!(2));
}

#[test]
fn a_fallback_can_not_be_amended() {
    let mut definition = steps(two());
    definition["fallback"] = json!({"name": "instead", "steps": [{"id": "x", "agent": "ann"}]});
    let mut world = World::begun(definition, json!(null));
    world.fail("a", ErrorKind::Refused);
    assert!(matches!(amend(&mut world, steps(two()), &[]), Err(Refused::NotNow { .. })));
}

#[test]
fn an_amended_run_is_replayed_with_both_definitions() {
    let mut world = World::of(two());
    world.done("a", json!(1));
    let list = json!([
        {"id": "a", "agent": "ann"},
        {"id": "b", "agent": "ann", "depends_on": ["a"]},
        {"id": "c", "agent": "ann", "depends_on": ["b"]},
    ]);
    amend(&mut world, steps(list), &[]).unwrap();
    world.done("b", json!(2));
    assert_eq!(world.replayed().state, world.run.state);
    world.done("c", json!(3));
    assert_eq!(world.outputs(), json!({"c": 3}));
}
