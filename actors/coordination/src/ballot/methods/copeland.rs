//! Copeland's rule (Copeland 1951): the most rivals beaten in pairs.

use std::cmp::Ordering;

use super::count::{Count, leaders};
use super::pairwise::Pairwise;
use super::profile::Profile;

/// The option with the most points: one for each rival that it beats in a pair, half a one for
/// each draw. Promises the Condorcet criterion.
#[must_use]
pub fn copeland(profile: &Profile) -> Count {
    let pairwise = Pairwise::of(profile);
    let live = &profile.live;
    // Twice the points, so that halves are whole.
    let against = |a: u16, b: u16| match pairwise.weight(a, b).cmp(&pairwise.weight(b, a)) {
        Ordering::Greater => 2,
        Ordering::Equal => 1,
        Ordering::Less => 0_u32,
    };
    let points = |a: u16| -> u32 { live.each().filter(|b| *b != a).map(|b| against(a, b)).sum() };
    let tally = (0..live.options() as u16)
        .map(|option| if live.has(option) { f64::from(points(option)) / 2.0 } else { 0.0 })
        .collect();
    let nobody = pairwise.cast() == 0.0;
    Count {
        winners: if nobody { Vec::new() } else { leaders(live.each(), points) },
        cast: pairwise.cast(),
        tally,
        prefers: pairwise.table(),
        complete: true,
        ..Count::default()
    }
}
