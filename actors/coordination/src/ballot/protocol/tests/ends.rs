//! Every way in which a ballot ends.

use super::*;

fn tied(tie: TieBreak) -> World {
    let mut world =
        World::open(Proposal { tie, status_quo: Some("blue".into()), ..colours("a b c d") });
    world.vote("a", choice("red")).unwrap();
    world.vote("b", choice("green")).unwrap();
    world.vote("c", choice("red")).unwrap();
    world.vote("d", choice("green")).unwrap();
    world
}

#[test]
fn a_tie_keeps_things_as_they_are_when_the_rule_says_so() {
    let world = tied(TieBreak::StatusQuo);
    let (option, by) = (Some("blue".to_owned()), ChosenBy::TieRule);
    assert_eq!(*world.outcome(), BallotOutcome::Kept { option, by });
}

#[test]
fn a_tie_by_lot_is_fixed_by_the_seed_and_only_among_those_tied() {
    let world = tied(TieBreak::Random);
    assert!(["red", "green"].contains(&world.chosen()));
    assert_eq!(world.outcome(), tied(TieBreak::Random).outcome());
}

#[test]
fn a_chair_that_has_voted_breaks_the_tie_by_its_ballot() {
    let world = tied(TieBreak::Chair { name: "d".into() });
    let by = ChosenBy::Chair("d".into());
    assert_eq!(*world.outcome(), BallotOutcome::Chosen { option: "green".into(), by });
}

#[test]
fn a_chair_that_has_not_voted_is_waited_for() {
    let mut world = tied(TieBreak::Chair { name: "zoe".into() });
    let view = world.ballot.view();
    assert_eq!(view.state, BallotState::Escalated);
    assert_eq!(
        (view.tied, view.decided_by),
        (vec!["red".into(), "green".into()], Some("zoe".into()))
    );
    let other = world.decide("ann", Some("red"));
    assert!(matches!(other, Err(Refusal::NotAllowed(_))), "{other:?}");
    let foreign = world.decide("zoe", Some("blue")).unwrap_err().to_string();
    assert!(foreign.contains("red") && foreign.contains("green"), "{foreign}");
    let late = world.vote("a", choice("blue"));
    assert!(matches!(late, Err(Refusal::TooLate(_))), "{late:?}");
    world.decide("zoe", Some("red")).unwrap();
    let by = ChosenBy::Chair("zoe".into());
    assert_eq!(*world.outcome(), BallotOutcome::Chosen { option: "red".into(), by });
}

#[test]
fn a_human_decides_what_is_escalated_and_an_agent_does_not() {
    let mut world = tied(TieBreak::Escalate { to: None });
    let input = BallotInput::Decide {
        by: "worker".into(),
        option: Some("red".into()),
        reason: String::new(),
    };
    let refused = world.step(&Principal::agent("worker"), input);
    assert!(matches!(refused, Err(Refusal::NotAllowed(_))), "{refused:?}");
    world.decide("ann", None).unwrap();
    let (option, by) = (Some("blue".to_owned()), ChosenBy::Human("ann".into()));
    assert_eq!(*world.outcome(), BallotOutcome::Kept { option, by });
}

#[test]
fn who_is_named_decides_and_nobody_else() {
    let mut world = tied(TieBreak::Escalate { to: Some("ann".into()) });
    assert!(matches!(world.decide("bob", Some("red")), Err(Refusal::NotAllowed(_))));
    // Nobody has said who asks, as on loopback: it speaks for whom it names.
    let option = Some("red".to_owned());
    let input = BallotInput::Decide { by: "ann".into(), option, reason: String::new() };
    world.step(Principal::anonymous(), input).unwrap();
    assert_eq!(world.chosen(), "red");
}

#[test]
fn a_tie_that_nobody_decides_ends_undecided() {
    let mut world = tied(TieBreak::Escalate { to: None });
    world.pass();
    let tied = vec!["red".to_owned(), "green".to_owned()];
    assert_eq!(*world.outcome(), BallotOutcome::Undecided { tied });
    let late = world.decide("ann", Some("red"));
    assert!(matches!(late, Err(Refusal::TooLate(_))), "{late:?}");
}

#[test]
fn there_is_nothing_to_decide_while_votes_are_taken() {
    let mut world = World::open(colours("a b"));
    assert!(matches!(world.decide("a", Some("red")), Err(Refusal::Conflict(_))));
}

#[test]
fn silence_until_the_deadline_is_no_turn_out() {
    let mut world = World::open(Proposal { quorum: Quorum::Voters(3), ..colours("a b c d") });
    world.vote("a", choice("red")).unwrap();
    world.vote("b", choice("red")).unwrap();
    world.pass();
    assert_eq!(*world.outcome(), BallotOutcome::NoQuorum { took_part: 2, needed: 3 });
    assert!(world.ballot.view().ballots.iter().filter(|ballot| ballot.failed).count() == 2);
}

#[test]
fn an_abstention_helps_the_quorum_and_not_the_threshold() {
    let mut world = World::open(Proposal { quorum: Quorum::Voters(3), ..colours("a b c") });
    world.abstain("a").unwrap();
    world.abstain("b").unwrap();
    world.vote("c", choice("red")).unwrap();
    assert_eq!(world.chosen(), "red");
}

#[test]
fn without_a_majority_nothing_is_chosen() {
    let mut world = World::open(colours("a b c"));
    for (voter, option) in [("a", "red"), ("b", "green"), ("c", "blue")] {
        world.vote(voter, choice(option)).unwrap();
    }
    assert_eq!(*world.outcome(), BallotOutcome::BelowThreshold { most: 1.0, cast: 3.0 });
}

#[test]
fn votes_at_the_deadline_are_late_even_before_anybody_has_noticed() {
    let mut world = World::open(colours("a b c"));
    world.now = world.ballot.next_wake().unwrap();
    let late = world.vote("a", choice("red"));
    assert!(matches!(late, Err(Refusal::TooLate(_))), "{late:?}");
    world.pass();
    assert_eq!(*world.outcome(), BallotOutcome::NoQuorum { took_part: 0, needed: 2 });
}

#[test]
fn a_veto_ends_the_ballot_and_only_who_holds_one_has_it() {
    let veto = VetoRule { holders: vec!["c".into(), "zoe".into()], effect: VetoEffect::End };
    let mut world = World::open(Proposal { veto: Some(veto), ..colours("a b c") });
    world.vote("a", choice("red")).unwrap();
    world.vote("b", choice("red")).unwrap();
    assert!(world.is_open(), "those who may veto have their time");
    assert!(matches!(world.veto("a", None), Err(Refusal::NotAllowed(_))));
    world.veto("zoe", None).unwrap();
    let (by, reason) = ("zoe".to_owned(), "too bright".to_owned());
    assert_eq!(*world.outcome(), BallotOutcome::Vetoed { by, reason });
}

#[test]
fn a_holder_that_votes_leaves_its_veto() {
    let veto = VetoRule { holders: vec!["c".into()], effect: VetoEffect::End };
    let mut world = World::open(Proposal { veto: Some(veto), ..colours("a b c d") });
    for voter in ["a", "b", "c"] {
        world.vote(voter, choice("red")).unwrap();
    }
    assert_eq!(world.chosen(), "red");
}

#[test]
fn a_veto_that_strikes_takes_its_option_out_and_the_last_one_ends_the_ballot() {
    let veto = VetoRule { holders: vec!["zoe".into()], effect: VetoEffect::Strike };
    let proposal = Proposal { method: Method::Borda, veto: Some(veto), ..colours("a b c") };
    let mut world = World::open(proposal.clone());
    for voter in ["a", "b", "c"] {
        world.vote(voter, ranking("red blue green")).unwrap();
    }
    assert!(world.veto("zoe", None).unwrap_err().to_string().contains("option"));
    world.veto("zoe", Some("red")).unwrap();
    assert!(matches!(world.veto("zoe", Some("red")), Err(Refusal::Conflict(_))));
    assert_eq!(world.ballot.view().struck, ["red"]);
    world.pass();
    assert_eq!(world.chosen(), "blue");

    let mut world = World::open(proposal);
    for option in ["red", "green", "blue"] {
        world.veto("zoe", Some(option)).unwrap();
    }
    assert!(matches!(world.outcome(), BallotOutcome::Vetoed { .. }));
}

#[test]
fn a_struck_choice_is_no_vote_any_more() {
    let veto = VetoRule { holders: vec!["zoe".into()], effect: VetoEffect::Strike };
    let proposal =
        Proposal { veto: Some(veto), status_quo: Some("blue".into()), ..colours("a b c") };
    let mut world = World::open(proposal);
    world.vote("a", choice("red")).unwrap();
    world.vote("b", choice("red")).unwrap();
    world.veto("zoe", Some("red")).unwrap();
    assert!(matches!(world.vote("c", choice("red")), Err(Refusal::Conflict(_))));
    assert!(world.veto("zoe", Some("blue")).is_err(), "things may always stay as they are");
    world.vote("c", choice("green")).unwrap();
    world.pass();
    assert_eq!(world.chosen(), "green");
}

#[test]
fn who_opened_a_ballot_closes_or_cancels_it_and_nobody_else() {
    let opener = Principal::user("opener");
    let mut world = World::open(Proposal { quorum: Quorum::Voters(1), ..colours("a b c") });
    world.vote("a", choice("red")).unwrap();
    let foreign = world.step(&Principal::user("a"), BallotInput::Close {});
    assert!(matches!(foreign, Err(Refusal::NotAllowed(_))), "{foreign:?}");
    world.step(&opener, BallotInput::Close {}).unwrap();
    assert_eq!(world.chosen(), "red");

    let mut world = tied(TieBreak::Escalate { to: None });
    let cancel = || BallotInput::Cancel { reason: "moot".into() };
    assert!(world.step(&Principal::agent("x"), cancel()).is_err());
    world.step(&opener, cancel()).unwrap();
    let (by, reason) = ("opener".to_owned(), "moot".to_owned());
    assert_eq!(*world.outcome(), BallotOutcome::Cancelled { by, reason });
    assert!(world.ballot.has_ended());
}
