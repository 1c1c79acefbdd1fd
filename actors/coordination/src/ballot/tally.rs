//! Counting: what a set of votes decides, and whether further votes could decide otherwise.

use super::config::{Rules, TieRule};
use super::outcome::Wins;

/// The count of a ballot as it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Votes of each choice, in the order in which the choices were first voted for.
    pub votes: Vec<u32>,
    /// Voters who took part without choosing.
    pub abstained: u32,
    /// Voters who failed, or stayed silent until the deadline.
    pub failed: u32,
    /// Voters who may still vote.
    pub waiting: u32,
}

/// What a tally decides, choices by index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Chosen { choice: usize, by: Wins },
    Kept,
    NoQuorum,
    BelowThreshold,
}

impl Tally {
    /// Votes in all, abstentions apart.
    #[must_use]
    pub fn cast(&self) -> u32 {
        self.votes.iter().sum()
    }

    /// Voters who took part: they voted or abstained.
    #[must_use]
    pub fn turnout(&self) -> u32 {
        self.cast() + self.abstained
    }

    /// Voters in all.
    #[must_use]
    pub fn electorate(&self) -> u32 {
        self.turnout() + self.failed + self.waiting
    }

    /// The most votes that a choice has.
    #[must_use]
    pub fn most(&self) -> u32 {
        self.votes.iter().copied().max().unwrap_or(0)
    }

    /// What is decided if nobody votes any more.
    pub(super) fn verdict(&self, rules: &Rules, seed: u64) -> Verdict {
        if self.turnout() < rules.quorum.of(self.electorate()) {
            return Verdict::NoQuorum;
        }
        let (most, cast) = (self.most(), self.cast());
        let mut leaders = (0..self.votes.len()).filter(|choice| self.votes[*choice] == most);
        let first = leaders.next();
        let others = leaders.count();
        match first {
            Some(choice) if others == 0 && rules.threshold.is_met(most, cast, false) => {
                Verdict::Chosen { choice, by: Wins::Votes }
            }
            Some(first) if others > 0 && rules.threshold.is_met(most, cast, true) => {
                self.break_tie(rules.tie, first, others + 1, seed)
            }
            _ => Verdict::BelowThreshold,
        }
    }

    fn break_tie(&self, rule: TieRule, first: usize, tied: usize, seed: u64) -> Verdict {
        let choice = match rule {
            TieRule::StatusQuo => return Verdict::Kept,
            TieRule::First => first,
            TieRule::Random => {
                let most = self.most();
                let mut leaders = (0..self.votes.len()).filter(|at| self.votes[*at] == most);
                leaders.nth(below(seed, tied)).unwrap_or(first)
            }
        };
        Verdict::Chosen { choice, by: Wins::Tie }
    }

    /// The verdict, when no further vote can change it.
    ///
    /// Not every completion has to be counted. A verdict changes only when a choice draws level,
    /// takes the lead or meets or misses the threshold, or when the quorum is reached; each of
    /// these has a cheapest way there: all that goes to one choice in the amounts below, with the
    /// rest scattered over choices nobody else votes for (most votes cast), abstaining (most
    /// turn-out) or failing (least of both). Two rivals need not rise together: where both can
    /// draw level, one of them alone can take the lead. A test counts all completions of small
    /// ballots against this.
    pub(super) fn fixed(&self, rules: &Rules, seed: u64) -> Option<Verdict> {
        let now = self.verdict(rules, seed);
        if self.waiting == 0 {
            return Some(now);
        }
        let fresh = self.votes.len();
        let unchanged = |choice, votes, scattered, abstaining| {
            let ballot = self.completed(choice, votes, scattered, abstaining);
            ballot.verdict(rules, seed) == now
        };
        let always = (0..=fresh).all(|choice| {
            self.turning_points(choice).into_iter().flatten().all(|votes| {
                let rest = self.waiting - votes;
                unchanged(choice, votes, rest, 0)
                    && unchanged(choice, votes, 0, rest)
                    && unchanged(choice, votes, 0, 0)
            })
        });
        always.then_some(now)
    }

    /// Numbers of further votes for `choice` at which a verdict may change.
    fn turning_points(&self, choice: usize) -> [Option<u32>; 4] {
        let has = self.votes.get(choice).copied().unwrap_or(0);
        let level = self.most() - has;
        [0, level, level + 1, self.waiting].map(|votes| (votes <= self.waiting).then_some(votes))
    }

    /// This tally with `votes` more for `choice`, `scattered` votes for a new choice each, and
    /// `abstaining` abstentions; whoever is left fails.
    fn completed(&self, choice: usize, votes: u32, scattered: u32, abstaining: u32) -> Self {
        let mut all = self.votes.clone();
        if votes > 0 {
            all.resize(all.len().max(choice + 1), 0);
            all[choice] += votes;
        }
        all.extend(std::iter::repeat_n(1, scattered as usize));
        let failing = self.waiting - votes - scattered - abstaining;
        Self {
            votes: all,
            abstained: self.abstained + abstaining,
            failed: self.failed + failing,
            waiting: 0,
        }
    }
}

/// A number below `bound` that `seed` fixes: one step of SplitMix64 (Steele, Lea and Flood,
/// OOPSLA 2014), scaled by multiplication (Lemire 2019). Written out, because the outcome of a
/// recorded ballot must not change with the release of a crate.
pub(super) fn below(seed: u64, bound: usize) -> usize {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    ((u128::from(mixed) * bound as u128) >> 64) as usize
}
