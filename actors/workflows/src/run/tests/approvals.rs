//! People who decide.

use std::sync::Arc;

use serde_json::{Value, json};
use synod_runtime::Principal;

use super::World;
use crate::definition::model::ErrorKind;
use crate::json::Json;
use crate::messages::{RunState, StepState};
use crate::run::{ApprovalId, Decision, Event, Input, Refused, WaitView};

/// A run that waits for this approval.
fn asking(approval: Value) -> World {
    World::of(json!([{"id": "ok", "approval": approval}]))
}

fn waiting(world: &World) -> ApprovalId {
    let mut waits = world.run.waits();
    match waits.next() {
        Some((_, WaitView::Approval(id, _))) => id,
        other => panic!("{other:?}"),
    }
}

fn decision(world: &World, by: &str, approved: bool) -> Decision {
    Decision {
        approval: waiting(world),
        by: Principal::user(by),
        roles: Vec::new(),
        approved,
        reason: None,
        payload: None,
    }
}

fn decide(world: &mut World, by: &str, approved: bool) -> Result<(), Refused> {
    let decision = decision(world, by, approved);
    world.give(Input::Decide(Box::new(decision)))
}

#[test]
fn an_approval_waits_for_a_person_also_over_a_crash() {
    let mut world = asking(json!({"ask": "ship ${run.name}?", "payload": {"to": "prod"}}));
    assert_eq!((world.state(), world.step("ok")), (RunState::Waiting, StepState::Waiting));
    let id = waiting(&world);
    world.crash();
    assert_eq!(waiting(&world), id);
    let (spot, question) = world.run.approval(id).unwrap();
    assert_eq!(&*question.asked.question, "ship test?");
    assert_eq!(world.run.deciders(spot), Vec::<String>::new());
    decide(&mut world, "ada", true).unwrap();
    let output = world.output("ok");
    assert_eq!(output["approved"], true);
    assert_eq!(output["payload"], json!({"to": "prod"}));
    assert_eq!(output["decisions"][0]["by"], "ada");
    assert_eq!(output["decisions"][0]["at"], "2026-01-01T00:00:00Z");
}

#[test]
fn an_edit_is_kept_beside_what_was_suggested() {
    let mut world = asking(json!({"ask": "pay?", "payload": {"eur": 100}, "editable": true}));
    let payload = Some(Json::from(json!({"eur": 50})));
    let decision = Decision {
        payload,
        reason: Some("half is enough".into()),
        ..decision(&world, "ada", true)
    };
    world.give(Input::Decide(Box::new(decision))).unwrap();
    let output = world.output("ok");
    assert_eq!(output["payload"], json!({"eur": 50}));
    assert_eq!(output["suggestion"], json!({"eur": 100}));
    assert_eq!(output["decisions"][0]["reason"], "half is enough");
}

#[test]
fn what_may_not_be_edited_is_taken_or_left() {
    let mut world = asking(json!({"ask": "pay?", "payload": 100}));
    let decision =
        Decision { payload: Some(Json::from(json!(1))), ..decision(&world, "ada", true) };
    assert_eq!(world.give(Input::Decide(Box::new(decision))), Err(Refused::NotEditable));
}

#[test]
fn a_rejection_fails_the_step_with_who_and_why() {
    let mut world = asking(json!({"ask": "pay?", "needed": 3}));
    decide(&mut world, "ada", true).unwrap();
    let decision = Decision { reason: Some("no money".into()), ..decision(&world, "bob", false) };
    world.give(Input::Decide(Box::new(decision))).unwrap();
    assert_eq!(world.failure(), (ErrorKind::ApprovalRejected, Some("ok".to_owned())));
    let failed = world.log.iter().any(|(_, event)| match event {
        Event::Failed { failure, .. } => &*failure.message == "rejected by bob: no money",
        _ => false,
    });
    assert!(failed);
}

#[test]
fn several_must_approve_and_nobody_counts_twice() {
    let mut world = asking(json!({"ask": "pay?", "needed": 2}));
    decide(&mut world, "ada", true).unwrap();
    world.crash();
    assert_eq!(decide(&mut world, "ada", true), Err(Refused::DecidedBefore("ada".into())));
    decide(&mut world, "bob", true).unwrap();
    assert!(world.is_over());
}

#[test]
fn only_the_people_and_roles_that_are_named_may_decide() {
    let mut world = asking(json!({"ask": "pay?", "people": ["ada"], "roles": ["boss"]}));
    let refused = decide(&mut world, "eve", true).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "'eve' may not decide about this approval: expected ada, role:boss"
    );
    let by_agent = Decision { by: Principal::agent("ada"), ..decision(&world, "ada", true) };
    assert!(world.give(Input::Decide(Box::new(by_agent))).is_err(), "an agent of that name");
    let roles: Vec<Arc<str>> = vec!["boss".into()];
    let boss = Decision { roles, ..decision(&world, "eve", true) };
    world.give(Input::Decide(Box::new(boss))).unwrap();
    assert!(world.is_over());
}

#[test]
fn a_decision_after_the_deadline_is_refused() {
    let mut world = asking(json!({"ask": "pay?", "deadline_s": 60}));
    let late = decision(&world, "ada", true);
    world.now += 60_000_000;
    assert_eq!(world.give(Input::Decide(Box::new(late.clone()))), Err(Refused::TooLate));
    world.pass_ms(0);
    assert_eq!(world.failure().0, ErrorKind::ApprovalExpired);
    let refused = world.give(Input::Decide(Box::new(late))).unwrap_err();
    assert_eq!(refused.to_string(), "the run has ended: it is failed");
}

#[test]
fn an_approval_that_is_decided_or_unknown_takes_no_decision() {
    let mut world = World::of(json!([
        {"id": "ok", "approval": {"ask": "pay?"}}, {"id": "b", "agent": "ann"},
    ]));
    let again = decision(&world, "bob", true);
    decide(&mut world, "ada", true).unwrap();
    let id = again.approval;
    assert_eq!(world.give(Input::Decide(Box::new(again))), Err(Refused::NoSuchApproval(id)));
}

#[test]
fn the_definition_says_what_silence_means() {
    let mut world = asking(json!({"ask": "pay?", "deadline_s": 60, "at_deadline": "approve"}));
    world.pass_ms(60_000);
    assert_eq!(world.output("ok")["decisions"], json!([]));
    let mut world = asking(json!({"ask": "pay?", "deadline_s": 60, "at_deadline": "reject"}));
    world.pass_ms(60_000);
    assert_eq!(world.failure().0, ErrorKind::ApprovalRejected);
}

#[test]
fn an_escalation_reminds_and_lets_others_decide() {
    let mut world = asking(json!({"ask": "pay?", "people": ["ada"], "deadline_s": 120,
        "escalate": [{"after_s": 30}, {"after_s": 60, "people": ["bob"]}]}));
    let escalated = |world: &World| world.count(|e| matches!(e, Event::Escalated { .. }));
    world.pass_ms(30_000);
    assert_eq!(escalated(&world), 1);
    assert!(matches!(decide(&mut world, "bob", true), Err(Refused::MayNotDecide { .. })));
    world.crash();
    world.pass_ms(30_000);
    assert_eq!(escalated(&world), 2);
    let (spot, _) = world.run.approval(waiting(&world)).unwrap();
    assert_eq!(world.run.deciders(spot), ["ada", "bob"]);
    decide(&mut world, "bob", true).unwrap();
    assert!(world.is_over());
}
