//! What is done instead.

use serde_json::json;

use super::World;
use crate::definition::model::ErrorKind;
use crate::messages::StepState;
use crate::run::Event;

fn falling() -> World {
    let definition = json!({"name": "model", "timeout_s": 60,
        "steps": [{"id": "ask", "agent": "llm"}, {"id": "other", "agent": "ann"}],
        "outputs": {"answer": "${outputs.ask}"},
        "fallback": {"name": "rules",
            "variables": {"why": "${primary.error.kind}"},
            "steps": [{"id": "rule", "agent": "rules",
                "input": {"text": "${inputs.text}", "why": "${variables.why}",
                    "step": "${primary.error.step}"}}],
            "outputs": {"answer": "${outputs.rule}"}}});
    World::begun(definition, json!({"text": "hello"}))
}

#[test]
fn a_failed_plan_goes_on_with_its_fallback_which_sees_why() {
    let mut world = falling();
    world.fail("ask", ErrorKind::Refused);
    assert_eq!(world.executing(), ["rule"]);
    let input = world.in_hand[0].input.value().clone();
    assert_eq!(input, json!({"text": "hello", "why": "refused", "step": "ask"}));
    assert!(world.in_hand[0].idempotency_key.ends_with("/fallback1/rule/1"));
    world.done("rule", json!("by rule"));
    assert_eq!(world.outputs(), json!({"answer": "by rule"}));
    assert_eq!(world.step_at(0, "ask"), StepState::Failed);
}

#[test]
fn a_fallback_begins_once_also_after_a_crash_in_it() {
    let mut world = falling();
    world.fail("ask", ErrorKind::Refused);
    world.crash();
    world.crash();
    assert_eq!(world.executing(), ["rule"]);
    assert_eq!(world.count(|event| matches!(event, Event::FellBack { .. })), 1);
    world.fail("rule", ErrorKind::Refused);
    assert_eq!(world.failure(), (ErrorKind::Refused, Some("rule".to_owned())));
}

#[test]
fn a_plan_that_takes_too_long_falls_back_with_time_of_its_own() {
    let mut world = falling();
    world.pass_ms(60_000);
    assert_eq!(world.cancelled.len(), 2);
    assert_eq!(world.in_hand[0].input.value()["why"], "timeout");
    world.pass_ms(299_999);
    assert_eq!(world.executing(), ["rule"]);
    world.pass_ms(1);
    assert_eq!(world.failure(), (ErrorKind::Timeout, None));
}

#[test]
fn a_late_result_of_the_plan_does_not_count_in_its_fallback() {
    let mut world = falling();
    let other = world.in_hand[1].ticket;
    world.fail("ask", ErrorKind::Refused);
    world.answer(other, Ok(crate::json::Json::null()));
    assert_eq!(world.executing(), ["rule"]);
    assert_eq!(world.count(|event| matches!(event, Event::Late { .. })), 1);
}

#[test]
fn on_finish_is_that_of_the_plan_the_run_ended_in_or_else_the_outermost() {
    let definition = |inner: bool| {
        let mut definition = json!({"name": "model",
            "on_finish": {"agent": "ann", "input": "${error}"},
            "steps": [{"id": "a", "agent": "ann"}],
            "fallback": {"name": "instead", "steps": [{"id": "b", "agent": "ann"}]}});
        if inner {
            definition["fallback"]["on_finish"] = json!({"agent": "ann", "input": "${outputs.b}"});
        }
        definition
    };
    let mut world = World::begun(definition(true), json!(null));
    world.fail("a", ErrorKind::Refused);
    world.done("b", json!(7));
    assert_eq!(world.in_hand[0].input.value(), &json!(7));
    let mut world = World::begun(definition(false), json!(null));
    world.fail("a", ErrorKind::Refused);
    world.fail("b", ErrorKind::Failed);
    assert_eq!(world.executing(), ["on_finish"]);
    let input = world.in_hand[0].input.value().clone();
    assert_eq!((&input["kind"], &input["step"]), (&json!("failed"), &json!("b")));
    let mut world = World::begun(definition(false), json!(null));
    world.done("a", json!(1));
    assert!(world.in_hand[0].input.is_null(), "there was no error");
}
