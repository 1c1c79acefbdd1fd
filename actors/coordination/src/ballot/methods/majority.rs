//! Majority: one choice each, more than half of the votes wins.

use super::Need;
use super::count::Count;
use super::plurality::choices;
use super::profile::Profile;

/// The option with more than half of the votes; two with exactly half each are tied.
#[must_use]
pub fn majority(profile: &Profile) -> Count {
    choices(profile, Need::Majority)
}
