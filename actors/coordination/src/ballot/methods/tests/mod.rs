//! The counting rules against published cases, by their promises, and against brute force.

mod oracles;
mod properties;
mod published;

use super::*;

/// The weight of one voter.
const ONE: u64 = 1_000_000;

/// Ballots as the literature writes them: `"8 acdb, 2 b=a"`; letters are options, `=` a tie.
pub(super) fn ballots(options: usize, text: &str) -> Profile {
    let mut profile = Profile::of(options);
    for group in text.split(',') {
        let (voters, ranking) = group.trim().split_once(' ').unwrap();
        let voters: u64 = voters.parse().unwrap();
        profile.ballots.push((voters * ONE, ranked(ranking)));
    }
    profile
}

fn ranked(letters: &str) -> Marks {
    let mut ranks: Vec<Vec<u16>> = Vec::new();
    let mut is_tied = false;
    for letter in letters.trim().bytes() {
        match (letter, is_tied) {
            (b'=', _) => is_tied = true,
            (letter, true) => {
                ranks.last_mut().unwrap().push(u16::from(letter - b'a'));
                is_tied = false;
            }
            (letter, false) => ranks.push(vec![u16::from(letter - b'a')]),
        }
    }
    Marks::Ranking(ranks)
}

/// Winners as letters.
pub(super) fn letters(count: &Count) -> String {
    count.winners.iter().map(|winner| (b'a' + *winner as u8) as char).collect()
}

fn first_choices(profile: &Profile) -> Profile {
    let first = |(weight, marks): &(u64, Marks)| match marks {
        Marks::Ranking(ranks) => (*weight, Marks::Choice(ranks[0][0])),
        other => (*weight, other.clone()),
    };
    Profile { live: profile.live.clone(), ballots: profile.ballots.iter().map(first).collect() }
}

#[test]
fn a_majority_is_more_than_half_and_two_halves_tie() {
    let of = |text| majority(&first_choices(&ballots(3, text)));
    assert_eq!(letters(&of("3 a, 2 b")), "a");
    assert_eq!(letters(&of("2 a, 2 b")), "ab");
    assert_eq!(letters(&of("2 a, 1 b, 1 c")), "", "exactly half and no equal half");
    assert_eq!(letters(&of("2 a, 2 b, 1 c")), "");
}

#[test]
fn a_supermajority_is_a_share_of_the_votes_to_the_last_one() {
    let two_thirds = |text| supermajority(&first_choices(&ballots(3, text)), 2.0 / 3.0);
    assert_eq!(letters(&two_thirds("2 a, 1 b")), "a");
    assert_eq!(letters(&two_thirds("19 a, 11 b")), "");
    assert_eq!(letters(&two_thirds("20 a, 10 b")), "a");
}

#[test]
fn unanimity_is_all_votes_and_none_at_all_is_nobody() {
    let of = |text| unanimity(&first_choices(&ballots(3, text)));
    assert_eq!(letters(&of("5 b")), "b");
    assert_eq!(letters(&of("5 b, 1 c")), "");
    assert_eq!(letters(&unanimity(&Profile::of(3))), "");
}

#[test]
fn nobody_wins_where_nobody_votes_whatever_the_rule() {
    for method in every_method() {
        assert_eq!(letters(&method.count(None, &Profile::of(3))), "", "{method:?}");
    }
}

#[test]
fn approval_may_ask_for_a_share_and_a_blank_ballot_is_against_all() {
    let mut profile = Profile::of(2);
    profile.ballots = vec![(ONE, Marks::Approvals(vec![0, 1])), (ONE, Marks::Approvals(vec![0]))];
    assert_eq!(letters(&approval(&profile, Some(0.9))), "a");
    profile.ballots.push((ONE, Marks::Approvals(Vec::new())));
    assert_eq!(letters(&approval(&profile, Some(0.9))), "");
    let count = approval(&profile, Some(0.6));
    assert_eq!((letters(&count).as_str(), count.cast), ("a", 3.0));
    assert_eq!(count.tally, [2.0, 1.0]);
}

#[test]
fn scores_are_weighed_and_summed_and_none_is_above_the_most() {
    let mut profile = Profile::of(2);
    let points = |a: u32, b: u32| Marks::Scores(vec![(0, a * 1_000_000), (1, b * 1_000_000)]);
    profile.ballots = vec![(ONE, points(3, 99)), (3 * ONE, points(5, 2))];
    let count = score(&profile, 10.0);
    assert_eq!(count.tally, [18.0, 16.0]);
    assert_eq!(letters(&count), "a");
}

#[test]
fn borda_gives_halves_for_ties_and_left_out_options_share_the_last_place() {
    assert_eq!(borda(&ballots(4, "1 abcd")).tally, [3.0, 2.0, 1.0, 0.0]);
    assert_eq!(borda(&ballots(4, "1 a=bc")).tally, [2.5, 2.5, 1.0, 0.0]);
    assert_eq!(borda(&ballots(4, "1 a")).tally, [3.0, 1.0, 1.0, 1.0]);
}

#[test]
fn a_struck_option_is_as_if_it_had_never_been_there() {
    let mut profile = ballots(4, "5 dabc, 4 bcda, 3 cabd, 1 b=d");
    profile.live.strike(3);
    let without = ballots(3, "5 abc, 4 bca, 3 cab, 1 b");
    for method in every_method().into_iter().filter(|method| method.form() == Form::Ranking) {
        let (struck, without) = (method.count(None, &profile), method.count(None, &without));
        assert_eq!(struck.winners, without.winners, "{method:?}");
        assert_eq!(struck.tally[..3], without.tally, "{method:?}");
    }
}

#[test]
fn equal_margins_make_everybody_a_winner_who_is_first_in_some_order_of_them() {
    // a > c and c > b are decided by 8 each, and b > a is locked in: one of the two must go.
    let text = "12 adcb, 3 bacd, 25 bcad, 21 cbad, 12 dabc, 21 dacb, 6 dbac";
    let count = ranked_pairs(&ballots(4, text));
    assert_eq!(letters(&count), "bc");
    assert!(count.complete);
}

#[test]
fn too_many_equal_margins_are_given_up_on_and_said_to_be() {
    // Circles of three that are all equal: 3^20 ways to break them.
    let mut profile = Profile::of(60);
    for shift in 0..3_u16 {
        let place = |at: u16| -> Vec<u16> { (0..20).map(|of| of * 3 + (at + shift) % 3).collect() };
        profile.ballots.push((ONE, Marks::Ranking((0..3).map(place).collect())));
    }
    let count = ranked_pairs(&profile);
    assert!(!count.complete);
    assert!(!count.winners.is_empty());
}

#[test]
fn an_instant_run_off_shows_its_rounds_and_what_is_exhausted() {
    let count = irv(&ballots(3, "4 a, 3 bc, 2 c"));
    assert_eq!(count.rounds.len(), 3);
    assert_eq!(count.rounds[0].votes, [4.0, 3.0, 2.0]);
    assert_eq!(count.rounds[0].out, [2]);
    assert_eq!(count.rounds[1].exhausted, 2.0);
    assert_eq!(letters(&count), "a");
}

pub(super) fn every_method() -> Vec<Method> {
    vec![
        Method::Plurality,
        Method::Majority,
        Method::Supermajority { share: 2.0 / 3.0 },
        Method::Unanimity,
        Method::Approval,
        Method::Score { max: 10.0 },
        Method::Borda,
        Method::Irv,
        Method::Copeland,
        Method::Schulze,
        Method::RankedPairs,
    ]
}
