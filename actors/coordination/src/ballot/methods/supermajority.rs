//! Supermajority: one choice each, a set share of the votes wins.

use super::Need;
use super::count::Count;
use super::plurality::choices;
use super::profile::Profile;

/// The option with at least `share` of the votes (above 0.5, at most 1).
#[must_use]
pub fn supermajority(profile: &Profile, share: f64) -> Count {
    choices(profile, Need::Share(share))
}
