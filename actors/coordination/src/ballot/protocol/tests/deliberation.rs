//! Several rounds: independent first, then with reasons.

use super::*;

fn proposal(max_rounds: u32) -> Proposal {
    let voters = agents("ann bob cid");
    Proposal { max_rounds, ..Proposal::new("which?", &["red", "green", "blue"], voters) }
}

fn split(world: &mut World) {
    world.answer("ann", r#"{"choice": "red", "reason": "warm"}"#);
    world.answer("bob", r#"{"choice": "green", "reason": "calm"}"#);
    world.answer("cid", r#"{"choice": "blue", "reason": "deep"}"#);
}

#[test]
fn the_second_round_shares_reasons_and_names_nobody() {
    let mut world = World::open(proposal(2));
    let first: serde_json::Value = world.asked("ann").content.to_json().unwrap();
    assert_eq!(first["reasons"], serde_json::json!([]));
    split(&mut world);
    assert!(world.is_open());
    assert_eq!(world.ballot.view().round, 2);
    let asked = world.asked("ann");
    let second: serde_json::Value = asked.content.to_json().unwrap();
    assert_eq!(second["round"], 2);
    assert_eq!(
        second["reasons"],
        serde_json::json!([
            {"ballot": {"choice": "red"}, "reason": "warm"},
            {"ballot": {"choice": "green"}, "reason": "calm"},
            {"ballot": {"choice": "blue"}, "reason": "deep"},
        ])
    );
    let text = String::from_utf8(asked.content.bytes.to_vec()).unwrap();
    assert!(!text.contains("bob") && !text.contains("cid"), "{text}");
    world.answer("ann", r#"{"choice": "green"}"#);
    assert!(world.ballot.view().ballots.is_empty(), "the round is open: ballots are hidden");
    world.answer("bob", r#"{"choice": "green"}"#);
    // Two of three are a majority: cid's vote can't change it.
    assert_eq!(world.chosen(), "green");
    let view = world.ballot.view();
    assert_eq!(view.rounds.len(), 2);
    assert_eq!(view.rounds[0].tally, [1.0, 1.0, 1.0]);
    // cid did not get to vote again: it stays with what it was for.
    assert_eq!(view.rounds[1].tally, [0.0, 2.0, 1.0]);
}

#[test]
fn the_first_of_several_rounds_waits_for_all_and_ends_it_when_all_agree() {
    let mut world = World::open(proposal(3));
    world.answer("ann", r#"{"choice": "red"}"#);
    world.answer("bob", r#"{"choice": "red"}"#);
    assert!(world.is_open(), "others' reasons may yet change minds");
    world.answer("cid", r#"{"choice": "red"}"#);
    assert_eq!(world.chosen(), "red");
    assert_eq!(world.ballot.view().rounds.len(), 1);
}

#[test]
fn it_ends_when_nobody_changes_though_rounds_are_left() {
    let mut world = World::open(proposal(10));
    split(&mut world);
    split(&mut world);
    assert!(matches!(world.outcome(), BallotOutcome::BelowThreshold { .. }));
    assert_eq!(world.ballot.view().rounds.len(), 2);
}

#[test]
fn it_ends_when_the_same_option_leads_twice_and_at_most_after_its_rounds() {
    let mut world = World::open(proposal(10));
    for choice in ["blue", "green"] {
        world.answer("ann", r#"{"choice": "red"}"#);
        world.answer("bob", r#"{"choice": "red"}"#);
        world.answer("cid", &format!(r#"{{"choice": "{choice}"}}"#));
    }
    assert_eq!(world.chosen(), "red");
    assert_eq!(world.ballot.view().rounds.len(), 2);

    let mut world = World::open(proposal(3));
    for at in 0..3 {
        let of = |voter: usize| ["red", "green", "blue"][(at + voter) % 3];
        for (voter, name) in ["ann", "bob", "cid"].into_iter().enumerate() {
            world.answer(name, &format!(r#"{{"choice": "{}"}}"#, of(voter)));
        }
    }
    assert!(matches!(world.outcome(), BallotOutcome::BelowThreshold { .. }));
    assert_eq!(world.ballot.view().rounds.len(), 3);
}

#[test]
fn who_is_silent_in_a_later_round_stays_with_its_vote_and_who_abstains_takes_it_back() {
    let mut world = World::open(proposal(2));
    split(&mut world);
    world.answer("bob", r#"{"abstain": true}"#);
    world.answer("cid", r#"{"choice": "red"}"#);
    assert!(world.is_open());
    world.pass();
    assert_eq!(world.chosen(), "red");
    let view = world.ballot.view();
    assert_eq!(view.rounds[1].tally, [2.0, 0.0, 0.0]);
    assert_eq!(view.took_part, 3);
}

#[test]
fn an_answer_to_the_round_before_is_not_one_to_this() {
    let mut world = World::open(proposal(2));
    let stale = world.asked("ann").number;
    split(&mut world);
    let before = world.ballot.clone();
    let heard = super::agents::reply(synod_agents::Performative::Inform, r#"{"choice": "blue"}"#);
    world.ballot.heard(world.now, stale, &heard, &mut world.out);
    assert_eq!(world.ballot, before);
}

#[test]
fn who_opened_it_ends_it_in_whatever_round() {
    let mut world = World::open(proposal(10));
    world.answer("ann", r#"{"choice": "red"}"#);
    world.answer("bob", r#"{"choice": "red"}"#);
    world.step(&Principal::user("opener"), BallotInput::Close {}).unwrap();
    assert_eq!(world.chosen(), "red");
    assert_eq!(world.ballot.view().rounds.len(), 1);
}

#[test]
fn a_round_that_misses_the_quorum_is_the_last() {
    let mut world = World::open(Proposal { quorum: Quorum::Voters(2), ..proposal(5) });
    world.answer("ann", r#"{"choice": "red"}"#);
    world.pass();
    assert_eq!(*world.outcome(), BallotOutcome::NoQuorum { took_part: 1, needed: 2 });
}

#[test]
fn who_may_veto_has_time_for_it_in_a_round_that_may_be_the_last() {
    let veto = VetoRule { holders: vec!["zoe".into()], effect: VetoEffect::End };
    let mut world = World::open(Proposal { veto: Some(veto), ..proposal(3) });
    for voter in ["ann", "bob", "cid"] {
        world.answer(voter, r#"{"choice": "red"}"#);
    }
    assert!(world.is_open(), "all agree, and yet a veto may come");
    world.pass();
    assert_eq!(world.chosen(), "red");
    assert_eq!(world.ballot.view().rounds.len(), 1);
}
