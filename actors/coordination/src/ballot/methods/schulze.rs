//! The Schulze method (Schulze 2011, Social Choice and Welfare 36:267–303), with winning votes.

use super::count::Count;
use super::pairwise::{Pairwise, table};
use super::profile::Profile;

/// The options that no other has a stronger path to than they have back. A path is as strong as
/// its weakest link; a link from `a` to `b` is as strong as the weight that prefers `a`, and
/// there is one only if less prefers `b`. The strongest paths by Floyd and Warshall, in cubic
/// time.
///
/// Promises the Condorcet criterion, monotonicity and independence of clones.
#[must_use]
pub fn schulze(profile: &Profile) -> Count {
    let pairwise = Pairwise::of(profile);
    let live: Vec<u16> = profile.live.each().collect();
    let options = profile.live.options();
    let paths = strongest(&pairwise, &live, options);
    let path = |a: u16, b: u16| paths[usize::from(a) * options + usize::from(b)];
    let is_winner = |a: &u16| live.iter().all(|b| path(*a, *b) >= path(*b, *a));
    let mut tally = vec![0.0; options];
    for a in &live {
        tally[usize::from(*a)] =
            live.iter().filter(|b| path(*a, **b) > path(**b, *a)).count() as f64;
    }
    let nobody = pairwise.cast() == 0.0;
    Count {
        winners: if nobody { Vec::new() } else { live.iter().copied().filter(is_winner).collect() },
        cast: pairwise.cast(),
        tally,
        prefers: pairwise.table(),
        strongest: table(&paths, options),
        complete: true,
        ..Count::default()
    }
}

fn strongest(pairwise: &Pairwise, live: &[u16], options: usize) -> Vec<u64> {
    let mut paths = vec![0_u64; options * options];
    for a in live {
        for b in live {
            let weight = pairwise.weight(*a, *b);
            if weight > pairwise.weight(*b, *a) {
                paths[usize::from(*a) * options + usize::from(*b)] = weight;
            }
        }
    }
    for via in live.iter().map(|option| usize::from(*option)) {
        let onward = paths[via * options..(via + 1) * options].to_vec();
        for from in live.iter().map(|option| usize::from(*option)).filter(|from| *from != via) {
            let row = &mut paths[from * options..(from + 1) * options];
            let so_far = row[via];
            for (to, link) in onward.iter().enumerate().filter(|(to, _)| *to != from) {
                row[to] = row[to].max(so_far.min(*link));
            }
        }
    }
    paths
}
