//! Checkpoints, going back to them, and new runs from old ones.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::World;
use super::world::{hash, opening, plan, steps};
use crate::definition::model::ErrorKind;
use crate::json::Json;
use crate::messages::{RunState, StepState};
use crate::run::{Derivation, Derived, Event, Input, Opening, Origin, Refused, Run, derive};

fn checkpoint(world: &mut World, name: &str) {
    let by = world.run.opening().principal.clone();
    world.give(Input::Checkpoint { name: name.into(), by }).unwrap();
}

fn roll_back(world: &mut World, to: &str, compensate: bool) -> Result<(), Refused> {
    let by = world.run.opening().principal.clone();
    world.give(Input::Rollback { to: to.into(), by, why: "wrong way".into(), compensate })
}

/// Three steps in a row, each of which can be undone.
fn three() -> Value {
    let undo = json!({"agent": "ann"});
    steps(json!([
        {"id": "a", "agent": "ann", "compensate_with": undo},
        {"id": "b", "agent": "ann", "depends_on": ["a"], "compensate_with": undo},
        {"id": "c", "agent": "ann", "depends_on": ["b"], "compensate_with": undo},
    ]))
}

/// What is restored: states, results and variables. What was under way is pending again.
pub(super) fn restored(run: &Run) -> Vec<(String, StepState, Value, u32)> {
    let pending = |state| match state {
        StepState::Running | StepState::Waiting | StepState::Cancelled => StepState::Pending,
        other => other,
    };
    let steps = run.steps(run.levels() - 1).map(|view| {
        let output = view.output.map_or(Value::Null, |output| output.value().clone());
        let state = pending(view.state);
        let visit = if state == StepState::Pending { 0 } else { view.visit };
        (view.plan.id.to_string(), state, output, visit)
    });
    steps.collect()
}

#[test]
fn going_back_restores_steps_and_results_and_keeps_the_history() {
    let mut world = World::begun(three(), json!(null));
    world.done("a", json!("first a"));
    checkpoint(&mut world, "half");
    let then = restored(&world.run);
    world.done("b", json!("first b"));
    let stored = world.log.len();
    roll_back(&mut world, "half", false).unwrap();
    assert_eq!(restored(&world.run), then);
    assert_eq!(world.cancelled.len(), 1, "what was under way is stopped");
    assert_eq!(world.executing(), ["b"]);
    assert_eq!(world.in_hand[0].ticket.visit, 2);
    assert!(world.log.len() > stored);
    world.crash();
    world.done("b", json!("second b"));
    world.done("c", json!("c"));
    assert_eq!(world.output("b"), json!("second b"));
    assert_eq!(world.output("a"), json!("first a"));
}

#[test]
fn going_back_undoes_what_was_done_since_when_asked_to() {
    let mut world = World::begun(three(), json!(null));
    world.done("a", json!(1));
    checkpoint(&mut world, "half");
    world.done("b", json!(2));
    roll_back(&mut world, "half", true).unwrap();
    assert_eq!((world.state(), world.executing()), (RunState::Compensating, vec!["undo b".into()]));
    world.crash();
    world.done("undo b", json!(null));
    assert_eq!((world.state(), world.executing()), (RunState::Running, vec!["b".into()]));
    assert_eq!(world.step("a"), StepState::Completed);
}

#[test]
fn one_can_go_back_again_and_again() {
    let mut world = World::begun(three(), json!(null));
    checkpoint(&mut world, "start");
    for visit in 1..5 {
        assert_eq!(world.in_hand[0].ticket.visit, visit);
        world.done("a", json!(visit));
        roll_back(&mut world, "start", false).unwrap();
    }
}

#[test]
fn children_and_approvals_of_another_visit_are_others() {
    let mut world = World::of(json!([
        {"id": "child", "workflow": {"name": "inner"}}, {"id": "ok", "approval": {"ask": "?"}},
    ]));
    let names = |world: &World| world.run.waits().map(|(_, wait)| wait).collect::<Vec<_>>();
    checkpoint(&mut world, "start");
    let first = names(&world);
    roll_back(&mut world, "start", false).unwrap();
    let second = names(&world);
    assert!(first.len() == 2 && first.iter().all(|name| !second.contains(name)), "{second:?}");
    assert_eq!(world.cancelled_children.len(), 1);
}

#[test]
fn a_result_of_an_undone_visit_is_late() {
    let mut world = World::begun(three(), json!(null));
    checkpoint(&mut world, "start");
    let undone = world.in_hand[0].ticket;
    roll_back(&mut world, "start", false).unwrap();
    world.answer(undone, Ok(Json::null()));
    assert_eq!(world.step("a"), StepState::Running);
    assert_eq!(world.count(|event| matches!(event, Event::Late { .. })), 1);
}

#[test]
fn the_time_that_was_left_at_a_checkpoint_is_left_again() {
    let mut definition = three();
    definition["timeout_s"] = json!(60);
    let mut world = World::begun(definition, json!(null));
    checkpoint(&mut world, "start");
    world.pass_ms(50_000);
    roll_back(&mut world, "start", false).unwrap();
    world.pass_ms(59_999);
    assert_eq!(world.state(), RunState::Running);
    world.pass_ms(1);
    assert_eq!(world.state(), RunState::Failed);
}

#[test]
fn going_back_leaves_the_fallback() {
    let mut definition = three();
    definition["fallback"] = json!({"name": "instead", "steps": [{"id": "x", "agent": "ann"}]});
    let mut world = World::begun(definition, json!(null));
    checkpoint(&mut world, "start");
    world.fail("a", ErrorKind::Refused);
    assert_eq!(world.executing(), ["x"]);
    assert!(roll_back(&mut world, "start", true).is_err(), "what the plan did can't be undone");
    roll_back(&mut world, "start", false).unwrap();
    assert_eq!((world.executing(), world.run.levels()), (vec!["a".to_owned()], 1));
    assert_eq!(world.replayed().state, world.run.state);
}

#[test]
fn checkpoints_are_refused_with_the_reason() {
    let mut world = World::begun(three(), json!(null));
    checkpoint(&mut world, "start");
    let by = world.run.opening().principal.clone();
    let mut again = |name: &str| {
        let name: Arc<str> = name.into();
        world.give(Input::Checkpoint { name, by: by.clone() }).unwrap_err().to_string()
    };
    assert_eq!(again("start"), "there is a checkpoint 'start' already");
    assert!(again(&"x".repeat(200)).starts_with("name is too long: 200 bytes"));
    let refused = roll_back(&mut world, "middle", false).unwrap_err();
    assert_eq!(refused.to_string(), "there is no checkpoint 'middle'");
    for n in 0..63 {
        checkpoint(&mut world, &format!("c{n}"));
    }
    let one_more = world.give(Input::Checkpoint { name: "more".into(), by });
    assert_eq!(one_more, Err(Refused::TooManyCheckpoints(64)));
}

/// A new run that goes on from `old`, as `change` says.
fn derived(
    old: &World,
    from: Option<&str>,
    how: Derivation,
    change: impl FnOnce(&mut Derived),
) -> World {
    let plan = old.plans[&[1; 32]].clone();
    let by = old.run.opening().principal.clone();
    let origin = Origin { run: old.run.opening().run, events: old.run.events(), how, by };
    let inputs = old.run.opening().inputs.value().clone();
    let opening = Opening { origin: Some(origin), ..opening(&plan, inputs) };
    let mut new = Derived { opening, plan, changed: BTreeSet::new() };
    change(&mut new);
    let plan = new.plan.clone();
    let events = derive(&old.run, from.map(Arc::from).as_ref(), new).unwrap();
    let known = |_: &_| Some(plan.clone());
    let run = Run::replay(known, events.iter().map(|event| (old.now, event))).unwrap();
    let mut world = World::empty(run, old.now);
    world.plans.insert([1; 32], plan.clone());
    world.store(events);
    world.give(Input::Begin).unwrap();
    world
}

#[test]
fn a_retry_is_a_new_run_that_begins_at_what_failed() {
    let mut old = World::begun(three(), json!(null));
    old.done("a", json!("a"));
    old.fail("b", ErrorKind::Refused);
    assert_eq!(old.state(), RunState::Failed);
    let mut new = derived(&old, None, Derivation::Retry, |_| {});
    assert_eq!(new.executing(), ["b"]);
    new.crash();
    new.done("b", json!("b"));
    new.done("c", json!("c"));
    assert_eq!(new.state(), RunState::Completed);
    assert_eq!(new.output("a"), json!("a"));
    assert_eq!(old.state(), RunState::Failed, "what has ended never reopens");
}

#[test]
fn a_retry_takes_over_what_was_skipped_and_what_was_forgiven() {
    let mut old = World::begun(
        steps(json!([
            {"id": "skipped", "agent": "ann", "when": "false"},
            {"id": "after", "agent": "ann", "depends_on": ["skipped"]},
            {"id": "forgiven", "agent": "ann", "on_error": {"failed": "skip"}},
            {"id": "fails", "agent": "ann", "depends_on": ["forgiven"]},
        ])),
        json!(null),
    );
    old.fail("forgiven", ErrorKind::Failed);
    old.fail("fails", ErrorKind::Refused);
    let new = derived(&old, None, Derivation::Retry, |_| {});
    assert_eq!(new.executing(), ["fails"]);
    assert_eq!(new.step("after"), StepState::Skipped);
}

#[test]
fn a_fork_can_have_another_input_and_other_steps() {
    let mut old = World::begun(three(), json!({"n": 1}));
    old.done("a", json!("a"));
    old.done("b", json!("b"));
    let other = plan(steps(json!([
        {"id": "a", "agent": "ann"},
        {"id": "x", "agent": "ann"},
        {"id": "b", "agent": "bob", "depends_on": ["a"]},
        {"id": "c", "agent": "ann", "depends_on": ["b", "x"], "input": "${inputs.n}"},
    ])));
    let mut new = derived(&old, None, Derivation::Fork, |new| {
        new.plan = other;
        new.opening.inputs = Json::from(json!({"n": 2}));
        new.changed.insert("b".into());
    });
    assert_eq!(new.executing(), ["x", "b"], "a counts, b is another now");
    new.done("x", json!(1));
    new.done("b", json!(1));
    assert_eq!(new.in_hand[0].input.value(), &json!(2));
}

#[test]
fn a_fork_from_a_point_of_the_past_knows_nothing_of_what_came_after() {
    let mut old = World::begun(three(), json!(null));
    old.done("a", json!("a"));
    let then = old.log.len();
    old.done("b", json!("b"));
    old.log.truncate(then);
    old.run = old.replayed();
    let new = derived(&old, None, Derivation::Fork, |_| {});
    assert_eq!(new.executing(), ["b"]);
}

#[test]
fn variables_keep_their_values_in_a_new_run() {
    let definition = json!({"name": "test", "variables": {"v": "${inputs.n}", "w": 1},
        "steps": [{"id": "a", "agent": "ann", "input": ["${variables.v}", "${variables.w}"]}]});
    let mut old = World::begun(definition, json!({"n": 7}));
    old.fail("a", ErrorKind::Refused);
    let new = derived(&old, None, Derivation::Retry, |new| {
        new.opening.inputs = Json::null();
        new.opening.variables.push(("w".into(), Json::from(json!(2))));
    });
    assert_eq!(new.in_hand[0].input.value(), &json!([7, 2]));
}

#[test]
fn a_new_run_from_each_checkpoint_of_an_ended_one_has_exactly_what_was_there() {
    let list: Vec<_> = (0..20)
        .map(|n: u32| {
            let after: Vec<_> = [n / 2, n / 3].iter().filter(|m| **m < n).copied().collect();
            let after: BTreeSet<_> = after.iter().map(|m| format!("s{m}")).collect();
            json!({"id": format!("s{n}"), "agent": "ann", "depends_on": after,
                "on_error": {"failed": "skip"}})
        })
        .collect();
    let mut old = World::of(json!(list));
    let mut then = Vec::new();
    for n in 0.. {
        let Some(step) = old.executing().first().cloned() else { break };
        checkpoint(&mut old, &format!("c{n}"));
        then.push((format!("c{n}"), restored(&old.run)));
        if n % 5 == 4 { old.fail(&step, ErrorKind::Failed) } else { old.done(&step, json!(n)) }
    }
    assert!(old.is_over() && then.len() == 20);
    for (name, expected) in then {
        let new = derived(&old, Some(&name), Derivation::Rollback, |_| {});
        assert_eq!(restored(&new.run), expected, "{name}");
    }
    let unknown = Derived {
        opening: opening(&old.plans[&[1; 32]], json!(null)),
        plan: old.plans[&[1; 32]].clone(),
        changed: BTreeSet::new(),
    };
    assert_eq!(&*derive(&old.run, Some(&"no".into()), unknown).unwrap_err(), "no");
    assert_eq!(*old.run.definition(), hash(1));
}
