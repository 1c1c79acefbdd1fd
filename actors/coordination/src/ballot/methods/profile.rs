//! What a counting rule reads: weighted ballots over numbered options.

use serde::{Deserialize, Serialize};

/// One voter's ballot; options by their number, from 0.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Marks {
    /// One option.
    Choice(u16),
    /// Every option that will do, each once; none is an answer too.
    Approvals(Vec<u16>),
    /// Millionths of points for options; an option without any has none.
    Scores(Vec<(u16, u32)>),
    /// The best first; options in one place are tied, and those that are left out are tied behind
    /// all others.
    Ranking(Vec<Vec<u16>>),
}

/// Which options are still in the running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    standing: Vec<bool>,
}

impl Live {
    /// All of so many options.
    #[must_use]
    pub fn all(options: usize) -> Self {
        Self { standing: vec![true; options] }
    }

    /// Takes one out.
    pub fn strike(&mut self, option: u16) {
        if let Some(standing) = self.standing.get_mut(usize::from(option)) {
            *standing = false;
        }
    }

    /// Whether this one is in the running.
    #[must_use]
    pub fn has(&self, option: u16) -> bool {
        self.standing.get(usize::from(option)).copied().unwrap_or(false)
    }

    /// Those in the running, in their order.
    pub fn each(&self) -> impl Iterator<Item = u16> + '_ {
        (0_u16..).zip(&self.standing).filter(|(_, standing)| **standing).map(|(option, _)| option)
    }

    /// How many are in the running.
    #[must_use]
    pub fn len(&self) -> usize {
        self.standing.iter().filter(|standing| **standing).count()
    }

    /// Whether none is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many there were at first.
    #[must_use]
    pub fn options(&self) -> usize {
        self.standing.len()
    }
}

/// Weighted ballots on options. A ballot of another form than the rule reads marks nothing, and
/// so do options that are not in the running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The options.
    pub live: Live,
    /// Each ballot with its weight in millionths.
    pub ballots: Vec<(u64, Marks)>,
}

impl Profile {
    /// No ballots yet on so many options.
    #[must_use]
    pub fn of(options: usize) -> Self {
        Self { live: Live::all(options), ballots: Vec::new() }
    }

    /// The place of each option in a ranking, by number; `None` for a ballot of another form.
    /// Options that are left out share the last place.
    pub(super) fn places(&self, marks: &Marks, places: &mut Vec<u16>) -> Option<()> {
        let Marks::Ranking(ranks) = marks else { return None };
        places.clear();
        places.resize(self.live.options(), u16::MAX);
        for (place, rank) in (0_u16..).zip(ranks) {
            for option in rank {
                if let Some(at) = places.get_mut(usize::from(*option)) {
                    *at = place;
                }
            }
        }
        Some(())
    }
}

/// Millionths as they are shown.
pub(super) fn shown(millionths: u128) -> f64 {
    millionths as f64 / 1e6
}
