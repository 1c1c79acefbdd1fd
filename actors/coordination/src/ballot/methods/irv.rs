//! Instant run-off (the alternative vote).

use super::count::{Count, RunoffRound, leaders};
use super::profile::{Live, Marks, Profile, shown};

/// Whoever is first on the fewest ballots goes out, until one is left. A ballot counts for the
/// best of those who are left on it, and for each of them where it has them level (Approval-IRV:
/// Delemazure and Peters, EC 2024); one that names nobody who is left is exhausted. All that
/// share the fewest votes go out together, so that no order has to be made up; when nobody would
/// be left, those are tied.
///
/// Promises the majority criterion; neither the Condorcet criterion nor monotonicity.
#[must_use]
pub fn irv(profile: &Profile) -> Count {
    let mut live = profile.live.clone();
    let mut count = Count { complete: true, ..Count::default() };
    count.tally = vec![0.0; live.options()];
    let ballots: Vec<(u64, &Vec<Vec<u16>>)> = profile.ballots.iter().filter_map(ranking).collect();
    count.cast = shown(ballots.iter().map(|(weight, _)| u128::from(*weight)).sum());
    // Where each ballot stands: places before it hold nobody who is left.
    let mut at = vec![0_usize; ballots.len()];
    while !ballots.is_empty() && !live.is_empty() {
        let (votes, exhausted) = votes(&ballots, &mut at, &live);
        let of = |option: u16| votes[usize::from(option)];
        let fewest = leaders(live.each(), |option| std::cmp::Reverse(of(option)));
        for option in live.each() {
            count.tally[usize::from(option)] = shown(of(option));
        }
        let is_over = fewest.len() == live.len();
        let out = if is_over { Vec::new() } else { fewest };
        count.rounds.push(RunoffRound {
            votes: votes.iter().map(|votes| shown(*votes)).collect(),
            out: out.clone(),
            exhausted: shown(exhausted),
        });
        if is_over {
            count.winners = live.each().collect();
            break;
        }
        out.into_iter().for_each(|option| live.strike(option));
    }
    count
}

fn ranking((weight, marks): &(u64, Marks)) -> Option<(u64, &Vec<Vec<u16>>)> {
    if let Marks::Ranking(ranks) = marks { Some((*weight, ranks)) } else { None }
}

/// The votes of each option and those of nobody.
fn votes(ballots: &[(u64, &Vec<Vec<u16>>)], at: &mut [usize], live: &Live) -> (Vec<u128>, u128) {
    let mut votes = vec![0_u128; live.options()];
    let mut exhausted = 0;
    for ((weight, ranks), at) in ballots.iter().zip(at) {
        while ranks.get(*at).is_some_and(|rank| !rank.iter().any(|option| live.has(*option))) {
            *at += 1;
        }
        let Some(rank) = ranks.get(*at) else {
            exhausted += u128::from(*weight);
            continue;
        };
        for option in rank.iter().filter(|option| live.has(**option)) {
            votes[usize::from(*option)] += u128::from(*weight);
        }
    }
    (votes, exhausted)
}
