//! What a run may use up.

use serde_json::json;

use super::World;
use crate::definition::model::ErrorKind;
use crate::messages::RunState;

#[test]
fn a_run_that_is_not_done_in_its_time_fails_and_is_stopped() {
    let definition = json!({"name": "test", "timeout_s": 60,
        "steps": [{"id": "a", "agent": "ann"}]});
    let mut world = World::begun(definition, json!(null));
    assert_eq!(world.in_hand[0].deadline, world.now + 60_000_000);
    world.pass_ms(30_000);
    world.crash();
    world.pass_ms(29_999);
    assert_eq!(world.state(), RunState::Running);
    world.pass_ms(1);
    assert_eq!(world.failure(), (ErrorKind::Timeout, None));
    assert_eq!(world.cancelled.len(), 1);
}

#[test]
fn values_that_a_run_keeps_are_bounded_together() {
    let list: Vec<_> = (0..3).map(|n| json!({"id": format!("s{n}"), "agent": "ann"})).collect();
    let definition = json!({"name": "test", "limits": {"memory_bytes": 65_536}, "steps": list});
    let mut world = World::begun(definition, json!(null));
    let large = json!("x".repeat(30_000));
    world.done("s0", large.clone());
    world.done("s1", large.clone());
    assert_eq!(world.state(), RunState::Running);
    world.done("s2", large);
    assert_eq!(world.failure(), (ErrorKind::Oversize, None));
}

#[test]
fn the_duration_bounds_fallbacks_and_what_comes_before_the_end() {
    let definition = json!({"name": "test", "timeout_s": 60, "limits": {"duration_s": 90},
        "on_finish": {"agent": "ann"},
        "steps": [{"id": "a", "agent": "ann"}],
        "fallback": {"name": "instead", "steps": [{"id": "b", "agent": "ann"}]}});
    let mut world = World::begun(definition.clone(), json!(null));
    world.pass_ms(90_000);
    assert_eq!(world.run.levels(), 2);
    assert_eq!(world.failure(), (ErrorKind::Timeout, None));
    let mut world = World::begun(definition, json!(null));
    world.done("a", json!(1));
    world.pass_ms(90_000);
    assert_eq!(world.outputs(), json!({"a": 1}));
}

#[test]
fn an_expression_of_the_plan_that_fails_fails_the_run() {
    let definition = json!({"name": "test", "variables": {"v": "${inputs.absent}"},
        "steps": [{"id": "a", "agent": "ann"}]});
    let world = World::begun(definition, json!({}));
    assert_eq!(world.failure(), (ErrorKind::ExpressionError, None));
    let definition = json!({"name": "test", "outputs": {"o": "${outputs.a.absent}"},
        "steps": [{"id": "a", "transform": {}}]});
    let world = World::begun(definition, json!({}));
    assert_eq!(world.failure(), (ErrorKind::ExpressionError, None));
}
