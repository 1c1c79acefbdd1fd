//! Comparison in pairs: how much weight has one option before another.

use super::profile::{Profile, shown};

/// `weight(a, b)`: the weight, in millionths, of the ballots with `a` before `b`.
pub(super) struct Pairwise {
    options: usize,
    weights: Vec<u64>,
    cast: u64,
}

impl Pairwise {
    /// Compares every two options in the running on every ballot.
    pub(super) fn of(profile: &Profile) -> Self {
        let options = profile.live.options();
        let live: Vec<usize> = profile.live.each().map(usize::from).collect();
        let mut weights = vec![0_u64; options * options];
        let (mut places, mut cast) = (Vec::new(), 0);
        for (weight, marks) in &profile.ballots {
            if profile.places(marks, &mut places).is_none() {
                continue;
            }
            cast += weight;
            for a in &live {
                let row = &mut weights[a * options..(a + 1) * options];
                for b in live.iter().filter(|b| places[*a] < places[**b]) {
                    row[*b] += weight;
                }
            }
        }
        Self { options, weights, cast }
    }

    pub(super) fn weight(&self, a: u16, b: u16) -> u64 {
        self.weights.get(usize::from(a) * self.options + usize::from(b)).copied().unwrap_or(0)
    }

    /// How many of `rivals` it beats.
    pub(super) fn beaten(&self, option: u16, rivals: impl Iterator<Item = u16>) -> u64 {
        let beats = |rival: &u16| self.weight(option, *rival) > self.weight(*rival, option);
        rivals.filter(beats).count() as u64
    }

    /// The weight of all ballots.
    pub(super) fn cast(&self) -> f64 {
        shown(u128::from(self.cast))
    }

    /// All of it, as it is shown.
    pub(super) fn table(&self) -> Vec<Vec<f64>> {
        table(&self.weights, self.options)
    }
}

/// A square of millionths as it is shown.
pub(super) fn table(weights: &[u64], options: usize) -> Vec<Vec<f64>> {
    let row = |row: &[u64]| row.iter().map(|weight| shown(u128::from(*weight))).collect();
    weights.chunks(options.max(1)).map(row).collect()
}
