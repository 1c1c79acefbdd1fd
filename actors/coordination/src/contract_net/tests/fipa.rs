//! The traces of the specifications: FIPA SC00029H (section 3, figure 1, and 3.2 on exceptions)
//! and SC00030H, figure 1.

use synod_agents::{Payload, Performative};

use super::{World, agent, answer, quality, setup};
use crate::contract_net::{Failed, Input, Outcome};
use crate::protocol::Heard;

const CALLED: Performative = Performative::Cfp;
const ACCEPTED: Performative = Performative::AcceptProposal;
const REJECTED: Performative = Performative::RejectProposal;

#[test]
fn sc00029_flow_cfp_propose_and_refuse_accept_and_reject_inform_result() {
    let mut world = World::open(setup(&["a", "b", "c"]));
    assert_eq!(world.told(CALLED), ["a", "b", "c"]);
    world.answer("a", CALLED, &quality(0.4));
    world.answer("b", CALLED, &quality(0.9));
    assert_eq!(world.phase(), "calling");
    world.answer("c", CALLED, &answer(Performative::Refuse, Payload::text("busy")));
    // The last answer closes the round before its deadline.
    assert_eq!(world.contractor(), Some(("b".to_owned(), 1)));
    assert_eq!(world.told(ACCEPTED), ["b"]);
    world.answer("b", ACCEPTED, &answer(Performative::Inform, Payload::text("3 words")));
    assert_eq!(world.told(REJECTED), ["a"]);
    let result = Payload::text("3 words");
    let done = Outcome::Done { contractor: agent("b"), fence: 1, result };
    assert_eq!(world.net.outcome(), Some(&done));
}

#[test]
fn sc00029_rejects_at_the_award_whom_it_does_not_keep_in_reserve() {
    let mut world = World::open(super::Setup { reserve: 0, ..setup(&["a", "b"]) });
    world.answer("a", CALLED, &quality(0.4));
    world.answer("b", CALLED, &quality(0.9));
    assert_eq!((world.told(ACCEPTED), world.told(REJECTED)), (vec!["b"], vec!["a"]));
}

#[test]
fn sc00029_all_refuse() {
    let mut world = World::open(setup(&["a", "b"]));
    for name in ["a", "b"] {
        world.answer(name, CALLED, &answer(Performative::Refuse, Payload::empty()));
    }
    assert_eq!(world.net.outcome(), Some(&Outcome::Failed(Failed::NoProposals)));
    assert!(world.told(ACCEPTED).is_empty());
}

#[test]
fn sc00029_none_in_time() {
    let mut world = World::open(setup(&["a", "b"]));
    world.pass_ms(999);
    assert_eq!(world.phase(), "calling");
    world.pass_ms(1);
    assert_eq!(world.net.outcome(), Some(&Outcome::Failed(Failed::NoProposals)));
    // A proposal that comes after the deadline is not considered.
    let before = world.net.clone();
    world.answer("a", CALLED, &quality(1.0));
    assert_eq!(world.net, before);
}

#[test]
fn sc00029_some_in_time_and_the_deadline_closes_the_call() {
    let mut world = World::open(setup(&["a", "b"]));
    world.answer("b", CALLED, &quality(0.1));
    world.pass_ms(1_000);
    assert_eq!(world.contractor(), Some(("b".to_owned(), 1)));
}

#[test]
fn sc00029_failure_after_the_award_passes_the_contract_on() {
    let mut world = World::open(setup(&["a", "b"]));
    world.answer("a", CALLED, &quality(0.9));
    world.answer("b", CALLED, &quality(0.4));
    world.answer("a", ACCEPTED, &answer(Performative::Failure, Payload::text("out of memory")));
    assert_eq!(world.contractor(), Some(("b".to_owned(), 2)));
    let lost = world.notes.iter().find(|note| note.kind == "contract_net.contract_lost").unwrap();
    assert_eq!((lost.who.as_str(), lost.why.as_str()), ("a", "it failed: out of memory"));
    world.answer("b", ACCEPTED, &answer(Performative::Failure, Payload::empty()));
    assert_eq!(world.net.outcome(), Some(&Outcome::Failed(Failed::NoContractor)));
}

#[test]
fn sc00029_cancel_while_calling_tells_whoever_was_called() {
    let mut world = World::open(setup(&["a", "b", "c"]));
    world.answer("a", CALLED, &answer(Performative::Refuse, Payload::empty()));
    world.answer("b", CALLED, &quality(0.5));
    world.step("ada", Input::Cancel { reason: "not needed".to_owned() }).unwrap();
    assert_eq!(world.told(Performative::Cancel), ["b", "c"]);
    assert_eq!(world.phase(), "cancelled");
}

#[test]
fn sc00029_cancel_after_the_award_recalls_the_contractor_and_rejects_the_rest() {
    let mut world = World::open(setup(&["a", "b"]));
    world.answer("a", CALLED, &quality(0.9));
    world.answer("b", CALLED, &quality(0.4));
    world.step("ada", Input::Cancel { reason: String::new() }).unwrap();
    assert_eq!(world.told(Performative::Cancel), ["a"]);
    assert_eq!(world.told(REJECTED), ["b"]);
    // What the contractor had finished by then comes too late.
    let before = world.net.clone();
    world.answer("a", ACCEPTED, &answer(Performative::Inform, Payload::text("done")));
    assert_eq!(world.net, before);
}

#[test]
fn sc00029_not_understood_ends_it_for_that_participant() {
    let mut world = World::open(super::Setup { max_rounds: 2, ..setup(&["a", "b"]) });
    world.answer("a", CALLED, &answer(Performative::NotUnderstood, Payload::empty()));
    world.answer("b", CALLED, &answer(Performative::Refuse, Payload::empty()));
    // Whoever refused may have time now; whoever did not understand won't this time either.
    assert_eq!(world.told(CALLED), ["a", "b", "b"]);
}

#[test]
fn sc00030_calls_again_until_a_proposal_is_accepted() {
    let iterated = super::Setup { max_rounds: 3, choice_within_ms: 5_000, ..setup(&["a", "b"]) };
    let mut world = World::open(iterated);
    world.answer("a", CALLED, &quality(0.2));
    world.answer("b", CALLED, &quality(0.3));
    assert_eq!(world.phase(), "evaluating");
    let revised = Some("at double the price".to_owned());
    world.step("ada", Input::CallAgain { content: revised }).unwrap();
    assert_eq!(world.told(CALLED), ["a", "b", "a", "b"]);
    // A revised call stands for the rejections of the round before.
    assert!(world.told(REJECTED).is_empty());
    let call = world.sent.last().unwrap().content.to_json::<serde_json::Value>().unwrap();
    assert_eq!((&call["content"], &call["round"]), (&"at double the price".into(), &2.into()));
    world.answer("a", CALLED, &quality(0.8));
    world.answer("b", CALLED, &quality(0.7));
    // Whoever called need not take the best.
    world.step("ada", Input::Award { participant: "b".to_owned() }).unwrap();
    assert_eq!(world.contractor(), Some(("b".to_owned(), 1)));
    world.answer("b", ACCEPTED, &answer(Performative::Inform, Payload::text("done")));
    assert_eq!(world.told(REJECTED), ["a"]);
}

#[test]
fn sc00030_calls_again_by_itself_when_nobody_is_left_and_stops_after_the_last_round() {
    let mut world = World::open(super::Setup { max_rounds: 2, reserve: 0, ..setup(&["a", "b"]) });
    world.answer("a", CALLED, &quality(0.9));
    world.answer("b", CALLED, &quality(0.4));
    world.answer("a", ACCEPTED, &Heard::Silent("it is gone".to_owned()));
    assert_eq!((world.phase(), world.net.standing().round), ("calling", 2));
    // Whoever lost the contract is not called again.
    assert_eq!(world.told(CALLED), ["a", "b", "b"]);
    world.answer("b", CALLED, &quality(0.4));
    assert_eq!(world.contractor(), Some(("b".to_owned(), 2)));
    world.pass_ms(10_000);
    assert_eq!(world.net.outcome(), Some(&Outcome::Failed(Failed::NoContractor)));
}
