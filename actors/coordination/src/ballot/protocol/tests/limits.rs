//! Bad input: a clear answer, and nothing changed.

use super::*;

fn refused(proposal: Proposal) -> String {
    let mut out = Effects::default();
    let refusal = BallotProtocol::open(proposal, &opening(), &mut out).unwrap_err();
    assert!(out.notes.is_empty() && out.dispatches.is_empty());
    refusal.to_string()
}

#[test]
fn proposals_out_of_range_are_refused_each_by_its_field() {
    let plain = || colours("a b c d");
    let weigh = |weight: f64| {
        let mut proposal = plain();
        proposal.voters[2].weight = weight;
        proposal
    };
    let with = |options: &[&str]| Proposal::new("q", options, users("a"));
    let veto = |holders: &[&str]| {
        let holders = holders.iter().map(|holder| (*holder).to_owned()).collect();
        Some(VetoRule { holders, effect: VetoEffect::End })
    };
    let names: Vec<String> = (0..301).map(|at| format!("option {at}")).collect();
    let many: Vec<&str> = names.iter().map(String::as_str).collect();
    let cases = [
        (Proposal { question: String::new(), ..plain() }, "question: 0 bytes"),
        (Proposal { question: "x".repeat(5_000), ..plain() }, "question: 5000 bytes"),
        (Proposal { voters: Vec::new(), ..plain() }, "voters: 0 voters: expected 1 to 100000"),
        (with(&["only"]), "options: 1 options: expected 2"),
        (with(&["x", "y", "x"]), "options[2]: 'x' is option 0 too"),
        (with(&["x", ""]), "options[1]: 0 bytes"),
        (Proposal { status_quo: Some("pink".into()), ..plain() }, "status_quo: 'pink'"),
        (weigh(f64::NAN), "voters[2].weight: NaN"),
        (weigh(-1.0), "voters[2].weight: -1"),
        (weigh(0.0), "voters[2].weight: 0"),
        (weigh(f64::INFINITY), "voters[2].weight: inf"),
        (Proposal { voters: users("a b a"), ..plain() }, "voters[2].name: 'a' is voter 0 too"),
        (Proposal { voters: agents("Not-An-Id"), ..plain() }, "voters[0].name: 'Not-An-Id'"),
        (Proposal { quorum: Quorum::Voters(5), ..plain() }, "quorum.voters: 5 voters"),
        (Proposal { quorum: Quorum::Voters(0), ..plain() }, "quorum.voters: 0 voters"),
        (Proposal { quorum: Quorum::Share(f64::NAN), ..plain() }, "quorum.share: NaN"),
        (Proposal { max_rounds: 0, ..plain() }, "max_rounds: 0 rounds: expected 1 to 10"),
        (Proposal { max_rounds: 11, ..plain() }, "max_rounds: 11 rounds"),
        (Proposal { round_ms: 0, ..plain() }, "round_ms: 0 milliseconds"),
        (Proposal { decide_ms: u64::MAX, ..plain() }, "decide_ms"),
        (Proposal { threshold: Some(0.5), ..plain() }, "threshold: expected with plurality"),
        (
            Proposal { method: Method::Plurality, threshold: Some(f64::NAN), ..plain() },
            "threshold: NaN",
        ),
        (
            Proposal { method: Method::Supermajority { share: 0.5 }, ..plain() },
            "method.supermajority.share: 0.5",
        ),
        (
            Proposal { method: Method::Score { max: f64::INFINITY }, ..plain() },
            "method.score.max: inf",
        ),
        (
            Proposal { method: Method::Schulze, ..Proposal::new("q", &many, users("a")) },
            "options: 301 options with this method: expected 2 to 300",
        ),
        (Proposal { tie: TieBreak::Chair { name: String::new() }, ..plain() }, "tie.chair.name"),
        (Proposal { veto: veto(&[]), ..plain() }, "veto.holders: 0 names"),
        (Proposal { veto: veto(&["z", "z"]), ..plain() }, "veto.holders[1]: 'z' is holder 0"),
    ];
    for (proposal, expected) in cases {
        let refusal = refused(proposal);
        assert!(refusal.starts_with(expected), "{refusal:?} is not {expected:?}");
    }
}

#[test]
fn electorates_of_a_hundred_thousand_open_and_larger_ones_do_not() {
    let of = |voters: usize| {
        let voters = (0..voters).map(|at| VoterEntry::user(format!("v{at}"))).collect();
        Proposal::new("q", &["x", "y"], voters)
    };
    let mut out = Effects::default();
    assert!(BallotProtocol::open(of(100_000), &opening(), &mut out).is_ok());
    assert!(refused(of(100_001)).starts_with("voters: 100001 voters"));
    let mut ranked = Proposal { method: Method::Borda, ..of(100_000) };
    ranked.options = (0..11).map(|at| at.to_string()).collect();
    assert!(refused(ranked).contains("1100000 marks, at most 1000000"));
}

#[test]
fn a_ballot_that_tolerates_faults_is_sized_for_them() {
    let of = |voters: &str, quorum: u32, faults: u32| Proposal {
        quorum: Quorum::Voters(quorum),
        tolerate_faults: Some(faults),
        ..colours(voters)
    };
    let few = refused(of("a b c", 3, 1));
    assert!(few.contains("3f+1 = 4 voters: there are 3"), "{few}");
    let low = refused(of("a b c d", 2, 1));
    assert!(low.contains("2f+1 = 3: it is 2"), "{low}");
    let mut unequal = of("a b c d", 3, 1);
    unequal.voters[0].weight = 2.0;
    assert!(refused(unequal).contains("equal weight"));
    let huge = refused(of("a b c d", 3, u32::MAX));
    assert!(huge.contains("3f+1 = 12884901886"), "{huge}");
    World::open(of("a b c d", 3, 1));
}

#[test]
fn bad_ballots_are_refused_each_by_its_field() {
    let mut world = World::open(Proposal { method: Method::Irv, ..colours("a b") });
    let tied = |ranks: &[&[&str]]| {
        let rank = |rank: &&[&str]| rank.iter().map(|option| (*option).to_owned()).collect();
        Paper::Ranking(ranks.iter().map(rank).collect())
    };
    let cases = [
        (ranking("red pink"), "ballot.ranking[1]: 'pink'"),
        (ranking("red blue red"), "ballot.ranking[2]: 'red' is named twice"),
        (tied(&[&["red"], &["blue", "red"]]), "ballot.ranking[1]: 'red' is named twice"),
        (tied(&[&[]]), "ballot.ranking[0]: no option"),
        (tied(&[]), "ballot.ranking: no option"),
    ];
    for (paper, expected) in cases {
        let refusal = world.vote("a", paper).unwrap_err().to_string();
        assert!(refusal.starts_with(expected), "{refusal:?} is not {expected:?}");
    }
    let mut world = World::open(Proposal { method: Method::Score { max: 5.0 }, ..colours("a b") });
    for bad in [f64::NAN, -0.5, 5.1, f64::INFINITY] {
        let scores = BTreeMap::from([("red".to_owned(), bad)]);
        let refusal = world.vote("a", Paper::Scores(scores)).unwrap_err().to_string();
        assert!(refusal.starts_with("ballot.scores.red: "), "{refusal}");
    }
}

#[test]
fn strangers_and_who_speaks_for_others_are_refused() {
    let mut world = World::open(colours("a b c"));
    let stranger = world.vote("zoe", choice("red"));
    assert!(matches!(stranger, Err(Refusal::NotAllowed(_))), "{stranger:?}");
    let reason = String::new();
    let input = BallotInput::Vote { voter: "a".into(), ballot: choice("red"), reason };
    let foreign = world.step(&Principal::user("b"), input.clone());
    assert!(matches!(foreign, Err(Refusal::NotAllowed(_))), "{foreign:?}");
    world.step(Principal::anonymous(), input).unwrap();
}

#[test]
fn reasons_have_a_limit_each_and_in_all() {
    let names: Vec<String> = (0..600).map(|at| format!("v{at}")).collect();
    let mut world = World::open(Proposal { early_close: false, ..colours(&names.join(" ")) });
    let long = world.vote_because("v0", choice("red"), &"x".repeat(4_097));
    assert!(long.unwrap_err().to_string().starts_with("reason: 4097 bytes"));
    let full = names
        .iter()
        .find_map(|name| world.vote_because(name, choice("red"), &"x".repeat(4_096)).err());
    assert!(matches!(full, Some(Refusal::Full(_))), "{full:?}");
}
