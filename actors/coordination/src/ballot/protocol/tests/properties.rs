//! What holds of every ballot, on random ones.

use proptest::prelude::*;

use super::*;

const VOTERS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const OPTIONS: [&str; 3] = ["red", "green", "blue"];

/// What one voter does, as a number that each method reads in its own form; none: nothing.
type Deed = (usize, Option<u8>);

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    prop::collection::vec((0..VOTERS.len(), prop::option::weighted(0.9, any::<u8>())), 0..14)
}

fn proposals() -> impl Strategy<Value = Proposal> {
    let method = prop::sample::select(vec![
        (Method::Plurality, None),
        (Method::Plurality, Some(0.4)),
        (Method::Majority, None),
        (Method::Supermajority { share: 2.0 / 3.0 }, None),
        (Method::Unanimity, None),
        (Method::Approval, None),
        (Method::Approval, Some(0.6)),
        (Method::Score { max: 3.0 }, None),
        (Method::Borda, None),
        (Method::Irv, None),
        (Method::Copeland, None),
        (Method::Schulze, None),
        (Method::RankedPairs, None),
    ]);
    let tie = prop::sample::select(vec![
        TieBreak::StatusQuo,
        TieBreak::Random,
        TieBreak::Chair { name: "b".into() },
        TieBreak::Escalate { to: None },
    ]);
    let weights = prop::collection::vec(1..4_u8, VOTERS.len());
    (method, tie, weights, 2..=VOTERS.len(), 1..4_u32, 1..3_u32).prop_map(
        |((method, threshold), tie, weights, voters, quorum, max_rounds)| {
            let mut proposal = colours(&VOTERS[..voters].join(" "));
            for (voter, weight) in proposal.voters.iter_mut().zip(weights) {
                voter.weight = f64::from(weight) / 2.0;
            }
            let quorum = Quorum::Voters(quorum.min(voters as u32));
            Proposal { method, threshold, tie, quorum, max_rounds, ..proposal }
        },
    )
}

fn paper(method: Method, number: u8) -> Paper {
    let at = |shift: u8| OPTIONS[usize::from(number >> shift) % 3].to_owned();
    match method.form() {
        crate::ballot::Form::Choice => Paper::Choice(at(0)),
        crate::ballot::Form::Approve => {
            let kept = OPTIONS.iter().enumerate().filter(|(bit, _)| number >> bit & 1 == 1);
            Paper::Approve(kept.map(|(_, option)| (*option).to_owned()).collect())
        }
        crate::ballot::Form::Scores => {
            let score = |(at, option): (usize, &&str)| {
                ((*option).to_owned(), f64::from(number >> (2 * at) & 3))
            };
            Paper::Scores(OPTIONS.iter().enumerate().map(score).collect())
        }
        crate::ballot::Form::Ranking => {
            let mut ranks = vec![vec![at(0)]];
            if at(3) != at(0) {
                ranks.push(vec![at(3)]);
            }
            Paper::Ranking(ranks)
        }
    }
}

fn input(proposal: &Proposal, (voter, deed): Deed) -> BallotInput {
    let (voter, reason) = (VOTERS[voter].to_owned(), String::new());
    match deed {
        Some(number) if number < 230 => {
            BallotInput::Vote { voter, ballot: paper(proposal.method, number), reason }
        }
        _ => BallotInput::Abstain { voter, reason },
    }
}

/// What an outcome decides, without the numbers that later votes add to.
fn decision(outcome: &BallotOutcome) -> String {
    match outcome {
        BallotOutcome::NoQuorum { .. } => "no quorum".to_owned(),
        BallotOutcome::BelowThreshold { .. } => "below".to_owned(),
        other => format!("{other:?}"),
    }
}

/// Runs a ballot to its end; inputs that it refuses are passed over.
fn run(proposal: &Proposal, deeds: &[Deed]) -> World {
    let mut world = World::open(proposal.clone());
    for deed in deeds {
        let ended = world.ballot.outcome().cloned();
        let _ = world.step(Principal::anonymous(), input(proposal, *deed));
        if let Some(ended) = ended {
            assert_eq!(*world.outcome(), ended, "what has been decided stays so");
        }
    }
    let mut waits = 0;
    while !world.ballot.has_ended() {
        world.pass();
        waits += 1;
        assert!(waits <= 4, "two rounds and a tie, and it has still not ended");
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn every_ballot_ends_with_one_outcome_and_ends_alike_when_it_is_replayed(
        proposal in proposals(),
        deeds in deeds(),
    ) {
        let once = run(&proposal, &deeds);
        let again = run(&proposal, &deeds);
        prop_assert_eq!(&once.ballot, &again.ballot);
        prop_assert_eq!(&once.out.notes, &again.out.notes);
        let decided = once.out.notes.iter().filter(|note| note.kind == "ballot.decided").count();
        prop_assert_eq!(decided, 1);
        prop_assert_eq!(once.ballot.next_wake(), None);
    }

    #[test]
    fn closing_early_decides_what_waiting_for_all_would_have(
        proposal in proposals(),
        deeds in deeds(),
    ) {
        let early = run(&proposal, &deeds);
        let patient = run(&Proposal { early_close: false, ..proposal }, &deeds);
        prop_assert_eq!(decision(early.outcome()), decision(patient.outcome()));
    }

    #[test]
    fn it_does_not_matter_in_which_order_the_voters_come(
        proposal in proposals(),
        deeds in prop::collection::vec(any::<u8>(), VOTERS.len()),
        turn in 0..6_usize,
    ) {
        let mut all: Vec<Deed> = (0..VOTERS.len()).zip(deeds.into_iter().map(Some)).collect();
        let proposal = Proposal { max_rounds: 1, ..proposal };
        let straight = decision(run(&proposal, &all).outcome());
        all.rotate_left(turn);
        prop_assert_eq!(decision(run(&proposal, &all).outcome()), straight);
    }

    #[test]
    fn any_state_survives_the_disk_and_goes_on_from_there(
        proposal in proposals(),
        deeds in deeds(),
    ) {
        let mut world = World::open(proposal.clone());
        for deed in deeds {
            let _ = world.step(Principal::anonymous(), input(&proposal, deed));
            let bytes = RecordCodec::encode(&world.ballot).unwrap();
            let kept: BallotProtocol = RecordCodec::decode(&bytes).unwrap();
            prop_assert_eq!(&kept, &world.ballot);
            world.ballot = kept;
        }
    }
}
