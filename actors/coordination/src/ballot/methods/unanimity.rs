//! Unanimity: one choice each, and all the same.

use super::Need;
use super::count::Count;
use super::plurality::choices;
use super::profile::Profile;

/// The option that every vote is for. Abstentions don't stand against it.
#[must_use]
pub fn unanimity(profile: &Profile) -> Count {
    choices(profile, Need::All)
}
