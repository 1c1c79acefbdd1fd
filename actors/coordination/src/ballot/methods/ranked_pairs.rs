//! Ranked pairs (Tideman 1987, Social Choice and Welfare 4:185–206).

use std::collections::BTreeSet;

use super::count::{Count, RankedPair};
use super::pairwise::Pairwise;
use super::profile::{Profile, shown};

/// Comparisons, over all orders of equally large margins, after which the search for further
/// winners stops. Which options win in some order is NP-hard to say (Brill and Fischer 2012);
/// with so few ties as there are with many voters the search ends long before.
const EFFORT: u64 = 5_000_000;

/// Orders that are kept open at a time.
const MOST_OPEN: usize = 256;

/// Whoever is first when the pairs are locked in, the largest margin first, each unless it
/// contradicts those before it. Where margins are equal, whoever is first in *some* order of
/// them is a winner; [`Count::complete`] says whether all orders were looked at.
///
/// Promises the Condorcet criterion, monotonicity and, but for ties, independence of clones.
#[must_use]
pub fn ranked_pairs(profile: &Profile) -> Count {
    let pairwise = Pairwise::of(profile);
    let live: Vec<u16> = profile.live.each().collect();
    let options = profile.live.options();
    let pairs = by_margin(&pairwise, &live);
    let mut search =
        Search { pairs: &pairs, winners: BTreeSet::new(), effort: EFFORT, gave_up: false };
    let first = search.all_orders(options, &live);
    let ranked = |(margin, a, b): &(u64, u16, u16)| RankedPair {
        over: *a,
        under: *b,
        margin: shown(u128::from(*margin)),
        locked: first.has(*a, *b),
    };
    let mut tally = vec![0.0; options];
    for a in &live {
        tally[usize::from(*a)] = pairwise.beaten(*a, profile.live.each()) as f64;
    }
    let nobody = pairwise.cast() == 0.0;
    Count {
        winners: if nobody { Vec::new() } else { search.winners.iter().copied().collect() },
        cast: pairwise.cast(),
        tally,
        prefers: pairwise.table(),
        pairs: pairs.iter().map(ranked).collect(),
        complete: !search.gave_up,
        ..Count::default()
    }
}

/// Every pair that is not drawn: margin, winner, loser; the largest margin first.
fn by_margin(pairwise: &Pairwise, live: &[u16]) -> Vec<(u64, u16, u16)> {
    let mut pairs = Vec::new();
    for a in live {
        for b in live {
            let (more, less) = (pairwise.weight(*a, *b), pairwise.weight(*b, *a));
            if more > less {
                pairs.push((more - less, *a, *b));
            }
        }
    }
    pairs.sort_by_key(|(margin, a, b)| (std::cmp::Reverse(*margin), *a, *b));
    pairs
}

/// Who is above whom by the pairs locked in: their transitive closure, a bit for each two.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Above {
    words: usize,
    rows: Vec<u64>,
}

impl Above {
    fn none(options: usize) -> Self {
        let words = options.div_ceil(64);
        Self { words, rows: vec![0; words * options] }
    }

    fn options(&self) -> u64 {
        (self.rows.len() / self.words.max(1)) as u64
    }

    fn has(&self, a: u16, b: u16) -> bool {
        let (a, b) = (usize::from(a), usize::from(b));
        self.rows[a * self.words + b / 64] >> (b % 64) & 1 == 1
    }

    /// Puts `a` and all above it above `b` and all below it.
    fn lock(&mut self, a: u16, b: u16) {
        if self.has(a, b) {
            return;
        }
        let start = usize::from(b) * self.words;
        let mut below = self.rows[start..start + self.words].to_vec();
        below[usize::from(b) / 64] |= 1 << (b % 64);
        for upper in 0..self.options() as u16 {
            if upper == a || self.has(upper, a) {
                let row = usize::from(upper) * self.words;
                for (word, more) in self.rows[row..row + self.words].iter_mut().zip(&below) {
                    *word |= more;
                }
            }
        }
    }

    /// Those with nobody above them.
    fn tops<'a>(&'a self, live: &'a [u16]) -> impl Iterator<Item = u16> + 'a {
        live.iter().copied().filter(|a| !live.iter().any(|b| self.has(*b, *a)))
    }
}

/// An order that is being tried: what is locked in, from which pair on nothing is decided, and
/// the pairs of equal margin of which one comes next.
struct Open {
    above: Above,
    from: usize,
    next: Vec<(u16, u16)>,
    tried: usize,
}

struct Search<'a> {
    pairs: &'a [(u64, u16, u16)],
    winners: BTreeSet<u16>,
    effort: u64,
    gave_up: bool,
}

impl Search<'_> {
    /// Depth first through all orders of equal margins; returns where the first of them led.
    fn all_orders(&mut self, options: usize, live: &[u16]) -> Above {
        let mut seen = BTreeSet::new();
        let mut first = None;
        let mut open = Vec::new();
        let mut at = Some((Above::none(options), 0));
        while let Some((above, from)) = at.take().or_else(|| next_of(&mut open)) {
            if self.effort == 0 && first.is_some() {
                self.gave_up = true;
                break;
            }
            let step = self.advance(above, from, open.len() < MOST_OPEN);
            if step.next.is_empty() {
                self.winners.extend(step.above.tops(live));
                first.get_or_insert(step.above);
            } else if seen.insert((step.from, step.above.clone())) {
                open.push(step);
            }
        }
        first.unwrap_or_else(|| Above::none(options))
    }

    /// Locks in pairs until it matters which of several comes next, or all are through.
    fn advance(&mut self, mut above: Above, mut from: usize, may_branch: bool) -> Open {
        while from < self.pairs.len() {
            let margin = self.pairs[from].0;
            let equal = self.pairs[from..].iter().take_while(|pair| pair.0 == margin).count();
            let group = &self.pairs[from..from + equal];
            let mut left: Vec<(u16, u16)> = group.iter().map(|(_, a, b)| (*a, *b)).collect();
            left.retain(|(a, b)| !above.has(*b, *a) && !above.has(*a, *b));
            self.effort = self.effort.saturating_sub((1 + left.len() as u64) * above.options());
            // A pair that lies in no circle of those locked and those left is locked in any order.
            let mut all = above.clone();
            left.iter().for_each(|(a, b)| all.lock(*a, *b));
            let (tied, sure): (Vec<_>, Vec<_>) =
                left.into_iter().partition(|(a, b)| all.has(*b, *a));
            sure.iter().for_each(|(a, b)| above.lock(*a, *b));
            if !tied.is_empty() && may_branch && self.effort > 0 {
                return Open { above, from, next: tied, tried: 0 };
            }
            self.gave_up |= !tied.is_empty();
            for (a, b) in tied {
                if !above.has(b, a) {
                    above.lock(a, b);
                }
            }
            from += equal;
        }
        Open { above, from, next: Vec::new(), tried: 0 }
    }
}

/// The next order to try: of the innermost choice, the next pair.
fn next_of(open: &mut Vec<Open>) -> Option<(Above, usize)> {
    loop {
        let choice = open.last_mut()?;
        if let Some((a, b)) = choice.next.get(choice.tried).copied() {
            choice.tried += 1;
            let mut above = choice.above.clone();
            above.lock(a, b);
            return Some((above, choice.from));
        }
        open.pop();
    }
}
