//! What each rule promises, on random ballots.

use proptest::prelude::*;

use super::*;

const OPTIONS: usize = 4;

/// A ranking of some of four options, with ties.
fn ranking() -> impl Strategy<Value = Vec<Vec<u16>>> {
    let order = Just((0..OPTIONS as u16).collect::<Vec<_>>()).prop_shuffle();
    (order, 1..=OPTIONS, prop::collection::vec(any::<bool>(), OPTIONS)).prop_map(
        |(order, kept, tied)| {
            let mut ranks: Vec<Vec<u16>> = Vec::new();
            for (option, tied) in order.into_iter().zip(tied).take(kept) {
                match ranks.last_mut() {
                    Some(last) if tied => last.push(option),
                    _ => ranks.push(vec![option]),
                }
            }
            ranks
        },
    )
}

pub(super) fn rankings() -> impl Strategy<Value = Profile> {
    prop::collection::vec((1..4_u64, ranking()), 1..9).prop_map(|ballots| {
        let ballots = ballots.into_iter().map(|(weight, r)| (weight * ONE, Marks::Ranking(r)));
        Profile { live: Live::all(OPTIONS), ballots: ballots.collect() }
    })
}

/// The same voters' ballots in the form of the method: the first place is chosen or approved of,
/// and each place is worth two points less.
fn in_form_of(method: Method, profile: &Profile) -> Profile {
    let mark = |ranks: &Vec<Vec<u16>>| match method.form() {
        Form::Choice => Marks::Choice(ranks[0][0]),
        Form::Approve => Marks::Approvals(ranks[0].clone()),
        Form::Scores => {
            let places = (0_u32..).zip(ranks);
            let points = |(place, rank): (u32, &Vec<u16>)| {
                rank.iter().map(|option| (*option, 8_000_000 - place * 2_000_000)).collect()
            };
            Marks::Scores(places.flat_map(|place| -> Vec<_> { points(place) }).collect())
        }
        Form::Ranking => Marks::Ranking(ranks.clone()),
    };
    let ballots = profile.ballots.iter().map(|(weight, marks)| match marks {
        Marks::Ranking(ranks) => (*weight, mark(ranks)),
        other => (*weight, other.clone()),
    });
    Profile { live: profile.live.clone(), ballots: ballots.collect() }
}

fn renamed(marks: &Marks, names: &[u16]) -> Marks {
    let name = |option: &u16| names[usize::from(*option)];
    match marks {
        Marks::Choice(option) => Marks::Choice(name(option)),
        Marks::Approvals(options) => Marks::Approvals(options.iter().map(name).collect()),
        Marks::Scores(all) => {
            Marks::Scores(all.iter().map(|(option, points)| (name(option), *points)).collect())
        }
        Marks::Ranking(ranks) => {
            Marks::Ranking(ranks.iter().map(|rank| rank.iter().map(name).collect()).collect())
        }
    }
}

/// Moves an option one place up, alone.
fn raised(ranks: &[Vec<u16>], option: u16) -> Vec<Vec<u16>> {
    let at = ranks.iter().position(|rank| rank.contains(&option));
    let is_alone = at.is_some_and(|at| ranks[at].len() == 1);
    let mut raised: Vec<Vec<u16>> = ranks.to_vec();
    raised.iter_mut().for_each(|rank| rank.retain(|other| *other != option));
    let place = match at {
        None => raised.len(),
        Some(at) if is_alone => at.saturating_sub(1),
        Some(at) => at,
    };
    raised.insert(place, vec![option]);
    raised.retain(|rank| !rank.is_empty());
    raised
}

/// The option that beats every other in pairs.
fn condorcet_winner(profile: &Profile) -> Option<u16> {
    let prefers = copeland(profile).prefers;
    let beats = |a: usize, b: usize| a == b || prefers[a][b] > prefers[b][a];
    (0..OPTIONS).find(|a| (0..OPTIONS).all(|b| beats(*a, b))).map(|winner| winner as u16)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn it_does_not_matter_who_votes_what(profile in rankings(), turn in 0..8_usize) {
        for method in every_method() {
            let profile = in_form_of(method, &profile);
            let mut turned = profile.clone();
            turned.ballots.rotate_left(turn % profile.ballots.len());
            turned.ballots.reverse();
            prop_assert_eq!(method.count(None, &profile), method.count(None, &turned));
        }
    }

    #[test]
    fn a_ballot_of_twice_the_weight_is_two_ballots(profile in rankings()) {
        for method in every_method() {
            let profile = in_form_of(method, &profile);
            let mut apart = profile.clone();
            apart.ballots = profile.ballots.iter()
                .flat_map(|(weight, marks)| {
                    std::iter::repeat_n((ONE, marks.clone()), (*weight / ONE) as usize)
                })
                .collect();
            prop_assert_eq!(method.count(None, &profile), method.count(None, &apart));
        }
    }

    #[test]
    fn no_rule_prefers_an_option_for_its_name(
        profile in rankings(),
        names in Just((0..OPTIONS as u16).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        for method in every_method() {
            let profile = in_form_of(method, &profile);
            let mut other = profile.clone();
            for (_, marks) in &mut other.ballots {
                *marks = renamed(marks, &names);
            }
            let winners = method.count(None, &profile).winners;
            let mut expected: Vec<u16> =
                winners.iter().map(|winner| names[usize::from(*winner)]).collect();
            expected.sort_unstable();
            prop_assert_eq!(method.count(None, &other).winners, expected, "{:?}", method);
        }
    }

    #[test]
    fn whom_a_majority_puts_first_wins_where_that_is_promised(
        profile in rankings(),
        favourite in 0..OPTIONS as u16,
    ) {
        let mut profile = profile;
        let others: u64 = profile.ballots.iter().map(|(weight, _)| weight).sum();
        profile.ballots.push((others + 1, Marks::Ranking(vec![vec![favourite]])));
        let promised = [
            Method::Plurality, Method::Majority, Method::Irv, Method::Copeland, Method::Schulze,
            Method::RankedPairs,
        ];
        for method in promised {
            let strict = method == Method::Irv;
            let mut profile = in_form_of(method, &profile);
            if strict {
                // Approval-IRV promises it for ballots without ties in the first place.
                for (_, marks) in &mut profile.ballots {
                    if let Marks::Ranking(ranks) = marks {
                        *ranks = ranks.concat().into_iter().map(|option| vec![option]).collect();
                    }
                }
            }
            prop_assert_eq!(method.count(None, &profile).winners, [favourite], "{:?}", method);
        }
    }

    #[test]
    fn who_beats_every_other_wins_where_that_is_promised(profile in rankings()) {
        let winner = condorcet_winner(&profile);
        prop_assume!(winner.is_some());
        for method in [Method::Copeland, Method::Schulze, Method::RankedPairs] {
            let winners = method.count(None, &profile).winners;
            prop_assert_eq!(winners.first().copied(), winner, "{:?}", method);
            prop_assert_eq!(winners.len(), 1);
        }
    }

    #[test]
    fn raising_a_winner_on_a_ballot_does_not_make_it_lose(
        profile in rankings(),
        at in 0..8_usize,
    ) {
        let promised =
            [Method::Borda, Method::Copeland, Method::Schulze, Method::RankedPairs];
        let at = at % profile.ballots.len();
        for method in promised {
            for winner in method.count(None, &profile).winners {
                let mut after = profile.clone();
                if let (_, Marks::Ranking(ranks)) = &mut after.ballots[at] {
                    *ranks = raised(ranks, winner);
                }
                let winners = method.count(None, &after).winners;
                prop_assert!(winners.contains(&winner), "{:?} {:?}", method, winners);
            }
        }
    }

    #[test]
    fn a_kept_count_is_the_count_of_all_ballots_and_forgets_what_is_taken_back(
        profile in rankings(),
        back in 0..8_usize,
    ) {
        for method in every_method().into_iter().filter(|method| method.is_additive()) {
            let mut profile = in_form_of(method, &profile);
            let mut kept = Running::whole(method, &profile);
            let (weight, marks) = profile.ballots.remove(back % profile.ballots.len());
            kept.remove(method, &profile.live, weight, &marks);
            prop_assert_eq!(kept, Running::whole(method, &profile));
        }
    }
}

/// Every ballot that a voter could cast on three options, by form.
fn possible(method: Method) -> Vec<Option<Marks>> {
    let mut all = vec![None];
    match method.form() {
        Form::Choice => all.extend((0..3).map(|option| Some(Marks::Choice(option)))),
        Form::Approve => all.extend((0..8_u16).map(|set| {
            Some(Marks::Approvals((0..3).filter(|option| set >> option & 1 == 1).collect()))
        })),
        Form::Scores => all.extend((0..8_u16).map(|set| {
            let points = |option: u16| (option, u32::from(set >> option & 1) * 2_000_000);
            Some(Marks::Scores((0..3).map(points).collect()))
        })),
        Form::Ranking => {
            for text in ["abc", "acb", "bac", "bca", "cab", "cba", "a", "b", "c", "a=b", "b=c"] {
                all.push(Some(ranked(text)));
            }
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_count_that_is_settled_is_not_changed_by_any_ballots_that_follow(
        first in prop::collection::vec((1..3_u64, 0..12_usize), 0..6),
        waiting in prop::collection::vec(1..3_u64, 1..3),
    ) {
        let methods = [
            Method::Plurality, Method::Majority, Method::Supermajority { share: 0.75 },
            Method::Unanimity, Method::Approval, Method::Score { max: 2.0 }, Method::Borda,
        ];
        for (method, threshold) in methods.into_iter().map(|m| (m, None)).chain([
            (Method::Plurality, Some(0.4)), (Method::Approval, Some(0.6)),
        ]) {
            let possible = possible(method);
            let mut profile = Profile::of(3);
            for (weight, ballot) in &first {
                if let Some(marks) = &possible[ballot % possible.len()] {
                    profile.ballots.push((weight * ONE, marks.clone()));
                }
            }
            let running = Running::whole(method, &profile);
            let need = method.need(threshold);
            let weight = waiting.iter().sum::<u64>() * ONE;
            if !running.is_settled(method, need, &profile.live, weight) {
                continue;
            }
            let now = method.count(threshold, &profile).winners;
            for a in &possible {
                for b in &possible {
                    let mut after = profile.clone();
                    for (weight, marks) in waiting.iter().zip([a, b]) {
                        after.ballots.extend(marks.clone().map(|marks| (weight * ONE, marks)));
                    }
                    prop_assert_eq!(&method.count(threshold, &after).winners, &now);
                }
            }
        }
    }
}
