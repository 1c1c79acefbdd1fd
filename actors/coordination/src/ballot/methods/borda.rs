//! The Borda count (Borda 1781).

use super::additive::Running;
use super::count::Count;
use super::profile::{Live, Marks, Profile};
use super::{Method, Need};

/// The option with the most points: one for each rival that a ballot ranks lower, half a one for
/// each that it ranks level. Options left out are level behind all others (the tournament form,
/// in which every ballot gives the same number of points).
///
/// Promises neither the majority nor the Condorcet criterion, nor independence of irrelevant
/// alternatives.
#[must_use]
pub fn borda(profile: &Profile) -> Count {
    Running::whole(Method::Borda, profile).into_count(Method::Borda, Need::Most, &profile.live)
}

/// Twice the points, so that halves are whole.
pub(super) fn points(live: &Live, marks: &Marks, give: &mut dyn FnMut(u16, u64)) {
    let Marks::Ranking(ranks) = marks else { return };
    let mut left_out = live.clone();
    let mut behind = live.len() as u64;
    for rank in ranks {
        let level = rank.iter().filter(|option| live.has(**option)).count() as u64;
        behind = behind.saturating_sub(level);
        for option in rank.iter().filter(|option| live.has(**option)) {
            left_out.strike(*option);
            give(*option, 2 * behind + (level - 1));
        }
    }
    for option in left_out.each() {
        give(option, behind.saturating_sub(1));
    }
}
