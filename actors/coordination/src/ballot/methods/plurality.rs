//! Plurality: one choice each, the most votes win.

use super::additive::Running;
use super::count::Count;
use super::profile::{Live, Marks, Profile};
use super::{Method, Need};

/// The option with the most votes, if it has the `threshold` share of them where one is set.
///
/// Promises the majority criterion; not the Condorcet criterion.
#[must_use]
pub fn plurality(profile: &Profile, threshold: Option<f64>) -> Count {
    let method = Method::Plurality;
    Running::whole(method, profile).into_count(method, method.need(threshold), &profile.live)
}

/// The count of a rule by single choices.
pub(super) fn choices(profile: &Profile, need: Need) -> Count {
    let method = Method::Plurality;
    Running::whole(method, profile).into_count(method, need, &profile.live)
}

/// One point for the choice.
pub(super) fn points(live: &Live, marks: &Marks, give: &mut dyn FnMut(u16, u64)) {
    if let Marks::Choice(option) = marks
        && live.has(*option)
    {
        give(*option, 1);
    }
}
