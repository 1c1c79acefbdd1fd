//! What becomes of a step that failed.

use serde_json::{Value, json};

use super::World;
use super::world::steps;
use crate::definition::model::ErrorKind;
use crate::messages::{RunState, StepState};
use crate::run::{Effect, Input, Part};

/// `a` with these handlers, and `b` that depends on it.
fn handled(on_error: Value) -> World {
    World::of(json!([
        {"id": "a", "agent": "ann", "on_error": on_error},
        {"id": "b", "agent": "ann", "depends_on": ["a"], "input": "${outputs.a}"},
    ]))
}

#[test]
fn a_failure_without_a_handler_fails_the_run_and_stops_what_runs() {
    let mut world = World::of(json!([
        {"id": "a", "agent": "ann"}, {"id": "other", "agent": "ann"},
        {"id": "b", "agent": "ann", "depends_on": ["a"]},
    ]));
    world.fail("a", ErrorKind::Failed);
    assert_eq!(world.failure(), (ErrorKind::Failed, Some("a".to_owned())));
    assert_eq!(world.step("other"), StepState::Cancelled);
    assert_eq!(world.step("b"), StepState::Pending);
    assert_eq!(world.cancelled.len(), 1, "the other one alone: the failed one has answered");
}

#[test]
fn a_skipped_failure_yields_null_and_the_run_goes_on() {
    let mut world = handled(json!({"failed": "skip"}));
    world.fail("a", ErrorKind::Failed);
    assert_eq!(world.step("a"), StepState::Skipped);
    assert!(world.in_hand[0].input.is_null());
    world.done("b", json!(1));
    assert_eq!(world.state(), RunState::Completed);
}

#[test]
fn a_default_can_look_at_the_error() {
    let handler = json!({"action": "default", "value": {"was": "${error.kind}"}});
    let mut world = handled(json!({"refused": handler}));
    world.fail("a", ErrorKind::Refused);
    assert_eq!(world.step("a"), StepState::Completed);
    assert_eq!(world.in_hand[0].input.value(), &json!({"was": "refused"}));
}

#[test]
fn handlers_of_the_definition_hold_for_steps_that_say_nothing() {
    let definition = json!({"name": "test",
        "error_handlers": {"validation_error": "skip", "timeout": "retry"},
        "retry": {"max_attempts": 2, "initial_ms": 10},
        "steps": [{"id": "a", "agent": "ann"}, {"id": "b", "agent": "ann"}]});
    let mut world = World::begun(definition, json!(null));
    world.fail("a", ErrorKind::ValidationError);
    world.fail("b", ErrorKind::Timeout);
    assert_eq!((world.step("a"), world.step("b")), (StepState::Skipped, StepState::Waiting));
}

#[test]
fn a_handler_acts_when_the_attempts_are_used_up() {
    let mut world = World::of(json!([{"id": "a", "agent": "ann", "on_error": {"failed": "skip"},
        "retry": {"max_attempts": 2, "initial_ms": 10, "jitter": 0}}]));
    world.fail("a", ErrorKind::Failed);
    assert_eq!(world.step("a"), StepState::Waiting);
    world.pass_ms(10);
    world.fail("a", ErrorKind::Failed);
    assert_eq!(world.state(), RunState::Completed);
}

#[test]
fn an_expression_that_fails_is_handled_like_any_failure() {
    let list = json!([
        {"id": "a", "transform": "${inputs.absent}", "on_error": {"expression_error": "skip"}},
    ]);
    let world = World::begun(steps(list), json!({}));
    assert_eq!((world.state(), world.step("a")), (RunState::Completed, StepState::Skipped));
    let world = World::begun(
        steps(json!([{"id": "a", "agent": "ann", "when": "inputs.absent"}])),
        json!({}),
    );
    assert_eq!(world.failure(), (ErrorKind::ExpressionError, Some("a".to_owned())));
}

#[test]
fn going_back_does_a_step_and_all_after_it_again_in_a_new_visit() {
    let mut world = World::of(json!([
        {"id": "draft", "agent": "ann"},
        {"id": "check", "agent": "ann", "depends_on": ["draft"],
            "on_error": {"validation_error": {"action": "go_to", "step": "draft"}}},
        {"id": "send", "agent": "ann", "depends_on": ["check"]},
    ]));
    world.done("draft", json!("bad"));
    world.fail("check", ErrorKind::ValidationError);
    assert_eq!(world.executing(), ["draft"]);
    assert_eq!(world.in_hand[0].ticket.visit, 2);
    assert!(world.in_hand[0].idempotency_key.ends_with("draft/2"));
    world.crash();
    world.done("draft", json!("good"));
    world.done("check", json!("ok"));
    world.done("send", json!("sent"));
    assert_eq!(world.outputs(), json!({"send": "sent"}));
    assert_eq!(world.output("draft"), json!("good"));
}

#[test]
fn going_ahead_skips_what_lies_between() {
    let mut world = World::of(json!([
        {"id": "a", "agent": "ann", "on_error": {"failed": {"action": "go_to", "step": "tidy"}}},
        {"id": "between", "agent": "ann", "depends_on": ["a"]},
        {"id": "tidy", "agent": "ann", "depends_on": ["between"]},
    ]));
    world.fail("a", ErrorKind::Failed);
    assert_eq!(world.step("between"), StepState::Skipped);
    assert_eq!(world.executing(), ["tidy"]);
    world.done("tidy", json!(1));
    assert_eq!((world.state(), world.step("a")), (RunState::Completed, StepState::Failed));
}

#[test]
fn a_loop_without_end_is_ended_by_the_limit_of_events() {
    let definition = json!({"name": "test", "limits": {"history_events": 100}, "steps": [
        {"id": "a", "transform": "${inputs.absent}",
            "on_error": {"expression_error": {"action": "go_to", "step": "a"}}},
    ]});
    let world = World::begun(definition, json!({}));
    assert_eq!(world.failure().0, ErrorKind::BudgetExceeded);
    assert!(world.log.len() < 110);
}

#[test]
fn compensation_undoes_what_completed_in_reverse_order_of_completion() {
    let undo = |id: &str| json!({"agent": "ann", "input": format!("${{outputs.{id}}}")});
    let mut world = World::of(json!([
        {"id": "a", "agent": "ann", "compensate_with": undo("a")},
        {"id": "b", "agent": "ann", "compensate_with": undo("b")},
        {"id": "c", "agent": "ann", "depends_on": ["a", "b"],
            "on_error": {"failed": "compensate"}},
    ]));
    world.done("b", json!("did b"));
    world.done("a", json!("did a"));
    world.fail("c", ErrorKind::Failed);
    assert_eq!((world.state(), world.executing()), (RunState::Compensating, vec!["undo a".into()]));
    assert_eq!(world.in_hand[0].input.value(), "did a");
    world.crash();
    world.done("undo a", json!(null));
    assert_eq!(world.executing(), ["undo b"]);
    world.fail("undo b", ErrorKind::Refused);
    assert_eq!(world.failure(), (ErrorKind::Failed, Some("c".to_owned())));
    assert_eq!((world.step("a"), world.step("b")), (StepState::Compensated, StepState::Completed));
}

#[test]
fn on_finish_is_done_before_the_end_and_does_not_change_it() {
    let definition = json!({"name": "test",
        "on_finish": {"agent": "ann", "kind": "report", "input": "${outputs.a}"},
        "steps": [{"id": "a", "agent": "ann"}]});
    let mut world = World::begun(definition, json!(null));
    world.done("a", json!(1));
    assert_eq!((world.state(), world.executing()), (RunState::Running, vec!["on_finish".into()]));
    assert_eq!(world.in_hand[0].input.value(), &json!(1));
    world.crash();
    assert_eq!(world.executing(), ["on_finish"]);
    world.fail("on_finish", ErrorKind::Refused);
    assert_eq!(world.outputs(), json!({"a": 1}));
}

#[test]
fn on_finish_that_never_ends_is_given_up() {
    let definition = json!({"name": "test", "timeout_s": 10, "on_finish": {"agent": "ann"},
        "steps": [{"id": "a", "transform": 1}]});
    let mut world = World::begun(definition, json!(null));
    world.pass_ms(9_999);
    assert_eq!(world.executing(), ["on_finish"]);
    world.pass_ms(1);
    assert_eq!(world.outputs(), json!({"a": 1}));
    assert_eq!(world.cancelled[0].spot.part, Part::OnFinish);
}

#[test]
fn what_has_ended_takes_nothing_more() {
    let mut world = handled(json!({}));
    let ticket = world.in_hand[0].ticket;
    world.fail("a", ErrorKind::Failed);
    let stored = world.log.len();
    let by = world.run.opening().principal.clone();
    let refused = world.give(Input::Cancel { by, why: "".into(), compensate: false });
    assert_eq!(refused.unwrap_err().to_string(), "the run has ended: it is failed");
    world.answer(ticket, Ok(crate::json::Json::null()));
    world.pass_ms(1_000_000);
    assert_eq!(world.log.len(), stored);
    let mut effects: Vec<Effect> = Vec::new();
    world.run.resume(world.now, &mut Vec::new(), &mut effects);
    assert_eq!(effects, []);
}
