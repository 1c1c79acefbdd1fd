//! Score voting (range voting): points for each option, the largest sum wins.

use super::additive::Running;
use super::count::Count;
use super::profile::{Live, Marks, Profile};
use super::{Method, Need};

/// The option with the largest sum of points, each ballot's from 0 to `max`, times its weight.
/// An option that a ballot leaves out gets none from it.
#[must_use]
pub fn score(profile: &Profile, max: f64) -> Count {
    let method = Method::Score { max };
    Running::whole(method, profile).into_count(method, Need::Most, &profile.live)
}

/// The points as they were given, none above the most.
pub(super) fn points(live: &Live, marks: &Marks, max: f64, give: &mut dyn FnMut(u16, u64)) {
    let Marks::Scores(scores) = marks else { return };
    for (option, score) in scores.iter().filter(|(option, _)| live.has(*option)) {
        give(*option, u64::from(*score).min(millionths(max)));
    }
}

/// Points in millionths.
pub(super) fn millionths(points: f64) -> u64 {
    (points * 1e6).round() as u64
}
