//! Approval voting (Brams and Fishburn 1978): every option that will do, the most approvals win.

use super::Method;
use super::additive::Running;
use super::count::Count;
use super::profile::{Live, Marks, Profile};

/// The option that the most weight approves of; with a `threshold` at least that share of all.
/// A ballot that approves of nothing counts as one against all.
#[must_use]
pub fn approval(profile: &Profile, threshold: Option<f64>) -> Count {
    let method = Method::Approval;
    Running::whole(method, profile).into_count(method, method.need(threshold), &profile.live)
}

/// One point for each.
pub(super) fn points(live: &Live, marks: &Marks, give: &mut dyn FnMut(u16, u64)) {
    let Marks::Approvals(options) = marks else { return };
    for option in options.iter().filter(|option| live.has(**option)) {
        give(*option, 1);
    }
}
