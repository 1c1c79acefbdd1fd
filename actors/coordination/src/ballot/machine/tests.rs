//! What a ballot decides, and when: by example, and against a count of every possible completion.

use proptest::prelude::*;

use super::super::config::{Quorum, Threshold, TieRule};
use super::super::outcome::Wins;
use super::*;

type Letters = Ballot<u32, char>;

const NOW: Duration = Duration::ZERO;

fn rules(quorum: u32, threshold: Threshold, tie: TieRule) -> Rules {
    Rules { quorum: Quorum::Voters(quorum), threshold, tie }
}

fn open(voters: u32, rules: Rules) -> Letters {
    Ballot::open(0..voters, rules, None, 7).unwrap()
}

/// Feeds one letter a voter: `-` abstains, `!` fails, anything else is a vote for that letter.
fn feed(ballot: &mut Letters, letters: &str) {
    for letter in letters.chars() {
        let voter = ballot.counted.values().filter(|counted| **counted).count() as u32;
        let input = match letter {
            '-' => Input::Abstain { voter },
            '!' => Input::Fail { voter },
            choice => Input::Vote { voter, choice },
        };
        ballot.step(NOW, input).unwrap();
    }
}

fn outcome(letters: &str, rules: Rules) -> Option<Outcome<char>> {
    let mut ballot = open(letters.len() as u32, rules);
    for letter in letters.chars() {
        if ballot.outcome().is_none() {
            feed(&mut ballot, letter.encode_utf8(&mut [0; 4]));
        }
    }
    ballot.outcome().cloned()
}

fn won(choice: char) -> Option<Outcome<char>> {
    Some(Outcome::Chosen { choice, by: Wins::Votes })
}

#[test]
fn a_majority_closes_the_ballot_before_the_last_vote() {
    let mut ballot = open(3, rules(1, Threshold::Majority, TieRule::StatusQuo));
    feed(&mut ballot, "aa");
    assert_eq!(ballot.outcome().cloned(), won('a'));
    assert_eq!(ballot.tally().waiting, 1);
    let late = ballot.step(NOW, Input::Vote { voter: 2, choice: 'b' });
    assert_eq!(late, Err(BallotError::Closed));
}

#[test]
fn a_failed_voter_abstains_and_does_not_block() {
    let rules = rules(2, Threshold::Majority, TieRule::StatusQuo);
    assert_eq!(outcome("a!a", rules), won('a'));
}

#[test]
fn quorum_is_not_threshold() {
    // One vote of five is unanimous, and still too few can take part once three have failed.
    let all = rules(3, Threshold::Unanimous, TieRule::StatusQuo);
    assert_eq!(outcome("a!!!!", all), Some(Outcome::NoQuorum { turnout: 1, needed: 3 }));
    // Abstaining is taking part: it helps the quorum and not the threshold.
    assert_eq!(outcome("a--!!", all), won('a'));
}

#[test]
fn a_quorum_that_can_no_longer_be_reached_closes_the_ballot() {
    let mut ballot = open(4, rules(3, Threshold::Majority, TieRule::StatusQuo));
    feed(&mut ballot, "!!");
    // Both who are left may still vote, and yet three can't be reached.
    assert_eq!(ballot.outcome(), Some(&Outcome::NoQuorum { turnout: 0, needed: 3 }));
}

#[test]
fn each_tie_rule_decides_a_tie_its_own_way() {
    let with = |tie| outcome("abba", rules(1, Threshold::Majority, tie));
    assert_eq!(with(TieRule::StatusQuo), Some(Outcome::Kept));
    assert_eq!(with(TieRule::First), Some(Outcome::Chosen { choice: 'a', by: Wins::Tie }));
    let drawn = with(TieRule::Random);
    assert!(matches!(drawn, Some(Outcome::Chosen { by: Wins::Tie, .. })), "{drawn:?}");
    assert_eq!(drawn, with(TieRule::Random), "the seed fixes it");
}

#[test]
fn random_ties_are_fair_over_seeds() {
    let wins = (0..10_000_u64)
        .filter(|seed| {
            let rules = rules(1, Threshold::Plurality, TieRule::Random);
            let mut ballot = Ballot::open(0..2, rules, None, *seed).unwrap();
            feed(&mut ballot, "ab");
            ballot.outcome() == Some(&Outcome::Chosen { choice: 'a', by: Wins::Tie })
        })
        .count();
    assert!((4_700..5_300).contains(&wins), "{wins} of 10,000");
}

#[test]
fn a_three_way_split_has_no_majority_and_a_plurality_needs_none() {
    let majority = rules(1, Threshold::Majority, TieRule::First);
    assert_eq!(outcome("abc", majority), Some(Outcome::BelowThreshold { votes: 1, cast: 3 }));
    let plurality = rules(1, Threshold::Plurality, TieRule::StatusQuo);
    assert_eq!(outcome("abca", plurality), won('a'));
}

#[test]
fn silence_until_the_deadline_is_absence() {
    let rules = rules(2, Threshold::Majority, TieRule::StatusQuo);
    let deadline = Some(Duration::from_secs(5));
    let mut ballot = Ballot::open(0..4, rules, deadline, 7).unwrap();
    feed(&mut ballot, "aa");
    assert_eq!(ballot.step(Duration::from_secs(4), Input::Tick), Ok(None));
    let late = ballot.step(Duration::from_secs(5), Input::Vote { voter: 2, choice: 'b' });
    assert_eq!(late, Err(BallotError::Closed));
    assert_eq!(ballot.outcome().cloned(), won('a'));
    assert_eq!(ballot.tally().failed, 2);
}

#[test]
fn nobody_votes_twice_and_strangers_do_not_vote() {
    let mut ballot = open(3, Rules::default());
    feed(&mut ballot, "a");
    let twice = ballot.step(NOW, Input::Vote { voter: 0, choice: 'b' });
    assert_eq!(twice, Err(BallotError::AlreadyCounted));
    let stranger = ballot.step(NOW, Input::Abstain { voter: 9 });
    assert_eq!(stranger, Err(BallotError::UnknownVoter));
    assert_eq!(ballot.tally().votes, [1]);
}

#[test]
fn a_ballot_needs_voters_each_named_once() {
    let empty = Letters::open([], Rules::default(), None, 0).map(|_| ());
    assert_eq!(empty, Err(BallotError::NoElectorate));
    let twice = Letters::open([1, 1], Rules::default(), None, 0).map(|_| ());
    assert_eq!(twice, Err(BallotError::NamedTwice));
}

/// Every verdict that the voters who are left could bring about: each votes for one of the known
/// choices or for one of as many new ones as there are voters, abstains or fails.
fn reachable(tally: &Tally, rules: &Rules, seed: u64, found: &mut Vec<Verdict>) {
    if tally.waiting == 0 {
        let verdict = tally.verdict(rules, seed);
        if !found.contains(&verdict) {
            found.push(verdict);
        }
        return;
    }
    let left = Tally { waiting: tally.waiting - 1, ..tally.clone() };
    reachable(&Tally { failed: left.failed + 1, ..left.clone() }, rules, seed, found);
    reachable(&Tally { abstained: left.abstained + 1, ..left.clone() }, rules, seed, found);
    for choice in 0..=left.votes.len() {
        let mut next = left.clone();
        next.votes.resize(next.votes.len().max(choice + 1), 0);
        next.votes[choice] += 1;
        reachable(&next, rules, seed, found);
    }
}

fn any_rules() -> impl Strategy<Value = Rules> {
    let threshold = prop_oneof![
        Just(Threshold::Plurality),
        Just(Threshold::Majority),
        Just(Threshold::Unanimous),
        (1..=10_u32).prop_map(|tenths| Threshold::Share(f64::from(tenths) / 10.0)),
    ];
    let tie = prop_oneof![Just(TieRule::StatusQuo), Just(TieRule::First), Just(TieRule::Random)];
    (1..=6_u32, threshold, tie).prop_map(|(quorum, threshold, tie)| rules(quorum, threshold, tie))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn it_closes_exactly_when_no_further_vote_could_change_the_outcome(
        rules in any_rules(),
        votes in prop::collection::vec(1..4_u32, 0..4),
        abstained in 0..2_u32,
        failed in 0..2_u32,
        waiting in 0..5_u32,
        seed in any::<u64>(),
    ) {
        let tally = Tally { votes, abstained, failed, waiting };
        let mut found = Vec::new();
        reachable(&tally, &rules, seed, &mut found);
        let expected = if let [only] = found[..] { Some(only) } else { None };
        prop_assert_eq!(tally.fixed(&rules, seed), expected, "{:?}", found);
    }

    #[test]
    fn the_order_of_the_voters_does_not_matter_without_ties(
        letters in prop::collection::vec(prop::sample::select(vec!['a', 'b', 'c', '-', '!']), 1..8),
        turn in 0..8_usize,
        quorum in 1..4_u32,
    ) {
        let rules = rules(quorum, Threshold::Plurality, TieRule::StatusQuo);
        let mut turned = letters.clone();
        turned.rotate_left(turn % letters.len());
        let verdict = |letters: Vec<char>| {
            let letters: String = letters.iter().collect();
            match outcome(&letters, rules) {
                Some(Outcome::Chosen { choice, .. }) => Some(choice),
                _ => None,
            }
        };
        prop_assert_eq!(verdict(letters), verdict(turned));
    }
}
