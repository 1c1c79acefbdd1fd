//! What holds beside the traces: leases, fences, bounds, who may do what, bad input.

use synod_agents::{Payload, Performative};
use synod_runtime::Principal;

use super::{World, agent, answer, opening, quality, setup};
use crate::contract_net::{Claim, ContractNet, Input, Measured, Outcome, Setup};
use crate::protocol::{Effects, Heard, Protocol, Refusal};

const CALLED: Performative = Performative::Cfp;
const ACCEPTED: Performative = Performative::AcceptProposal;

fn measured(name: &str, success: f64) -> Measured {
    Measured { participant: agent(name), success, time_ms: 100.0, cost: 1.0, samples: 50 }
}

fn refused(setup: Setup) -> String {
    let mut out = Effects::default();
    let refusal = ContractNet::open(setup, &opening(1), &mut out).unwrap_err();
    assert!(out.notes.is_empty() && out.dispatches.is_empty());
    refusal.to_string()
}

#[test]
fn a_contractor_that_misses_its_deadline_is_recalled_and_its_late_result_is_stale() {
    let mut world = World::open(setup(&["a", "b"]));
    world.propose("a", 0.9).unwrap();
    world.propose("b", 0.4).unwrap();
    assert_eq!(world.contractor(), Some(("a".to_owned(), 1)));
    world.pass_ms(10_000);
    assert_eq!(world.contractor(), Some(("b".to_owned(), 2)));
    assert_eq!(world.told(Performative::Cancel), ["a"]);
    for (name, fence) in [("a", 1), ("a", 2), ("b", 1), ("b", 3)] {
        let refusal = world.report(name, fence).unwrap_err();
        assert!(matches!(refusal, Refusal::Conflict(_)), "{name} {fence}: {refusal}");
    }
    // As an answer to its award it is noted and nothing else.
    let before = world.contractor();
    let awarded = world.sent.iter().find(|sent| sent.performative == ACCEPTED).unwrap().number;
    world.hear(awarded, &answer(Performative::Inform, Payload::text("late")));
    assert_eq!(world.contractor(), before);
    assert_eq!(world.notes.last().unwrap().kind, "contract_net.stale");
    assert_eq!(world.report("b", 2).unwrap().phase, "done");
    assert!(matches!(world.report("b", 2), Err(Refusal::TooLate(_))));
}

#[test]
fn a_result_at_the_deadline_comes_too_late_even_before_anybody_woke() {
    let mut world = World::open(setup(&["a"]));
    world.propose("a", 0.9).unwrap();
    world.now.0 += 10_000_000;
    assert!(matches!(world.report("a", 1), Err(Refusal::TooLate(_))));
}

#[test]
fn a_contractor_may_give_the_contract_back() {
    let mut world = World::open(setup(&["a", "b"]));
    world.propose("a", 0.9).unwrap();
    world.propose("b", 0.4).unwrap();
    let back = Input::Refuse { participant: "a".to_owned(), reason: "no disk".to_owned() };
    let standing = world.step("a", back).unwrap();
    assert_eq!((standing.contractor.as_deref(), standing.fence), (Some("b"), Some(2)));
    let fail = Input::Fail { participant: "b".to_owned(), fence: 2, reason: String::new() };
    assert_eq!(world.step("b", fail).unwrap().phase, "failed");
}

#[test]
fn measured_history_decides_against_a_bold_bid() {
    let mut setup = setup(&["bold", "proven"]);
    setup.measured = vec![measured("bold", 0.2), measured("proven", 0.9)];
    let mut world = World::open(setup);
    world.propose("bold", 1.0).unwrap();
    world.propose("proven", 0.5).unwrap();
    assert_eq!(world.contractor(), Some(("proven".to_owned(), 1)));
}

#[test]
fn too_few_proposals_award_nothing() {
    let mut world = World::open(Setup { min_proposals: 2, ..setup(&["a", "b"]) });
    world.propose("a", 0.9).unwrap();
    world.pass_ms(1_000);
    assert_eq!(world.phase(), "failed");
    assert_eq!(world.told(Performative::RejectProposal), ["a"]);
    assert!(world.told(ACCEPTED).is_empty());
}

#[test]
fn no_more_calls_are_unanswered_than_the_fan_out() {
    let names: Vec<String> = (0..10).map(|number| format!("agent-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = World::open(Setup { fan_out: 3, ..setup(&names) });
    assert_eq!(world.told(CALLED).len(), 3);
    world.answer("agent-1", CALLED, &Heard::Silent("gone".to_owned()));
    assert_eq!(world.told(CALLED).len(), 4);
    // Somebody that answers before it is called isn't called any more.
    world.propose("agent-4", 0.5).unwrap();
    world.answer("agent-0", CALLED, &quality(0.1));
    assert_eq!(world.told(CALLED)[4..], ["agent-5"]);
}

#[test]
fn a_silent_candidate_may_still_answer_in_time_and_an_answer_is_final() {
    let mut world = World::open(setup(&["a", "b"]));
    world.answer("a", CALLED, &Heard::Silent("restarting".to_owned()));
    world.propose("a", 0.9).unwrap();
    assert!(matches!(world.propose("a", 1.0), Err(Refusal::Conflict(_))));
    let refuse = Input::Refuse { participant: "a".to_owned(), reason: String::new() };
    assert!(matches!(world.step("a", refuse), Err(Refusal::Conflict(_))));
    world.now.0 += 1_000_000;
    assert!(matches!(world.propose("b", 1.0), Err(Refusal::TooLate(_))));
}

#[test]
fn nobody_speaks_for_another_and_strangers_not_at_all() {
    let mut world = World::open(setup(&["a", "b"]));
    let claim = Claim::default();
    let propose = |participant: &str| Input::Propose {
        participant: participant.to_owned(),
        claim,
        note: String::new(),
    };
    for (by, participant) in [("b", "a"), ("stranger", "stranger"), ("ada", "a"), ("a", "")] {
        let refusal = world.step(by, propose(participant)).unwrap_err();
        assert!(matches!(refusal, Refusal::NotAllowed(_)), "{by} {participant}: {refusal}");
    }
    for input in [
        Input::Cancel { reason: String::new() },
        Input::CallAgain { content: None },
        Input::Award { participant: "a".to_owned() },
    ] {
        assert!(matches!(world.step("a", input), Err(Refusal::NotAllowed(_))));
    }
}

#[test]
fn a_net_that_sends_nothing_works_by_inputs_alone() {
    let mut world = World::open(Setup { ask_agents: false, ..setup(&["a", "b"]) });
    world.propose("a", 0.9).unwrap();
    world.propose("b", 0.4).unwrap();
    world.pass_ms(10_000);
    assert_eq!(world.report("b", 2).unwrap().phase, "done");
    assert!(world.sent.is_empty());
}

#[test]
fn whoever_called_has_its_time_to_choose_and_no_more() {
    let evaluated = Setup { choice_within_ms: 500, ..setup(&["a", "b"]) };
    let mut world = World::open(evaluated);
    world.propose("a", 0.9).unwrap();
    world.propose("b", 0.4).unwrap();
    let stranger = Input::Award { participant: "c".to_owned() };
    assert!(matches!(world.step("ada", stranger), Err(Refusal::Invalid { .. })));
    assert!(matches!(world.step("ada", Input::CallAgain { content: None }), Err(Refusal::Full(_))));
    world.pass_ms(500);
    assert_eq!(world.contractor(), Some(("a".to_owned(), 1)));
    let late = Input::Award { participant: "b".to_owned() };
    assert!(matches!(world.step("ada", late), Err(Refusal::TooLate(_))));
}

#[test]
fn bad_setups_are_refused_with_what_where_and_what_was_expected() {
    assert_eq!(refused(setup(&[])), "participants: 0, expected 1 to 100000");
    assert_eq!(refused(setup(&["a", "a"])), "participants[1]: 'a' is there twice");
    let mut bad = setup(&["a"]);
    bad.measured = vec![measured("b", 0.5)];
    assert_eq!(refused(bad), "measured[0].participant: 'b' is not among the participants");
    let mut bad = setup(&["a"]);
    bad.measured = vec![measured("a", f64::NAN)];
    assert_eq!(refused(bad), "measured[0].success: NaN is not a number from 0 to 1");
    let bad = Setup { min_proposals: 2, ..setup(&["a"]) };
    assert_eq!(refused(bad), "min_proposals: 2, expected 1 to 1");
    let bad = Setup { proposals_within_ms: 0, ..setup(&["a"]) };
    assert_eq!(refused(bad), "proposals_within_ms: 0, expected 1 to 604800000");
    let bad = Setup { task: "x".repeat(4_097), ..setup(&["a"]) };
    assert_eq!(refused(bad), "task: 4097 bytes, expected at most 4096");
    let names: Vec<String> = (0..100_001).map(|number| format!("a{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(refused(setup(&names)), "participants: 100001, expected 1 to 100000");
}

#[test]
fn bids_that_are_no_number_or_below_zero_are_refused() {
    let mut world = World::open(setup(&["a", "b"]));
    for bad in [f64::NAN, -1.0, f64::INFINITY] {
        let claim = Claim { price: Some(bad), ..Claim::default() };
        let input = Input::Propose { participant: "a".to_owned(), claim, note: String::new() };
        let refusal = world.step("a", input).unwrap_err().to_string();
        assert!(refusal.starts_with("claim.price: "), "{refusal}");
    }
    // An agent that answers so has not proposed.
    let claim = serde_json::json!({ "price": -1 });
    world.answer("a", CALLED, &answer(Performative::Propose, Payload::json(&claim).unwrap()));
    world.answer("b", CALLED, &answer(Performative::Propose, Payload::text("cheap!")));
    assert_eq!(world.phase(), "failed");
    assert!(world.notes.iter().all(|note| note.kind != "contract_net.proposed"));
}

#[test]
fn what_was_not_answered_is_sent_again_under_the_same_numbers() {
    let mut world = World::open(setup(&["a", "b"]));
    world.answer("a", CALLED, &quality(0.5));
    let mut out = Effects::default();
    world.net.resume(&mut out);
    assert_eq!(out.dispatches, world.sent[1..=1]);
    world.answer("b", CALLED, &quality(0.9));
    let mut out = Effects::default();
    world.net.resume(&mut out);
    assert_eq!(out.dispatches, world.sent[2..=2]);
    assert_eq!(out.dispatches[0].performative, ACCEPTED);
}

#[test]
fn requests_read_as_users_write_them_and_survive_the_journal() {
    let json = r#"{"task": "sum up", "participants": ["a", "b"], "max_rounds": 2,
        "measured": [{"participant": "a", "success": 0.9, "time_ms": 12, "cost": 1,
        "samples": 3}]}"#;
    let setup: Setup = serde_json::from_str(json).unwrap();
    assert!(serde_json::from_str::<Setup>(r#"{"tsak": "x"}"#).is_err());
    let bytes = synod_journal::RecordCodec::encode(&setup).unwrap();
    assert_eq!(synod_journal::RecordCodec::decode::<Setup>(&bytes).unwrap(), setup);
    let json = r#"{"propose": {"participant": "a", "claim": {"price": 3}}}"#;
    let input: Input = serde_json::from_str(json).unwrap();
    let bytes = synod_journal::RecordCodec::encode(&input).unwrap();
    assert_eq!(synod_journal::RecordCodec::decode::<Input>(&bytes).unwrap(), input);
    let mut out = Effects::default();
    let mut net = ContractNet::open(setup, &opening(1), &mut out).unwrap();
    net.step(super::Moment(1), &Principal::agent("a"), input, &mut out).unwrap();
    let bytes = synod_journal::RecordCodec::encode(&net).unwrap();
    assert_eq!(synod_journal::RecordCodec::decode::<ContractNet>(&bytes).unwrap(), net);
    let view = serde_json::to_value(net.view()).unwrap();
    assert_eq!((&view["proposed"], &view["waiting"]), (&1.into(), &1.into()));
}

#[test]
fn the_view_tells_the_result() {
    let mut world = World::open(setup(&["a"]));
    world.propose("a", 0.5).unwrap();
    world.report("a", 1).unwrap();
    let view = serde_json::to_value(world.net.view()).unwrap();
    assert_eq!(view["phase"], "done");
    assert_eq!(view["result"]["json"], 42);
    assert_eq!(view["award"]["contractor"], "a");
    assert!(matches!(world.net.outcome(), Some(Outcome::Done { .. })));
}
