//! Rules that add up points: a count that is kept vote by vote, and when it can't change any more.

use serde::{Deserialize, Serialize};

use super::count::{Count, leaders};
use super::profile::{Live, Marks, Profile, shown};
use super::{Method, Need, approval, borda, plurality, score};

/// Room for the error of a share such as 0.1 + 0.2, relative to the weight cast.
const SLACK: f64 = 1e-9;

/// The points of each option so far. A ballot costs as much as it has options, however many
/// ballots there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    points: Vec<u128>,
    cast: u64,
}

impl Running {
    /// Nothing counted yet, on so many options.
    #[must_use]
    pub fn of(options: usize) -> Self {
        Self { points: vec![0; options], cast: 0 }
    }

    /// Counts all ballots of `profile`.
    #[must_use]
    pub fn whole(method: Method, profile: &Profile) -> Self {
        let mut running = Self::of(profile.live.options());
        for (weight, marks) in &profile.ballots {
            running.add(method, &profile.live, *weight, marks);
        }
        running
    }

    /// Counts one ballot. Rules that don't add up points count nothing here.
    pub fn add(&mut self, method: Method, live: &Live, weight: u64, marks: &Marks) {
        let mut counted = false;
        give(method, live, marks, &mut |option, points| {
            counted = true;
            if let Some(has) = self.points.get_mut(usize::from(option)) {
                *has += u128::from(points) * u128::from(weight);
            }
        });
        if counted || is_cast(method, marks) {
            self.cast += weight;
        }
    }

    /// Takes a ballot back that was counted with the same options in the running.
    pub fn remove(&mut self, method: Method, live: &Live, weight: u64, marks: &Marks) {
        let mut counted = false;
        give(method, live, marks, &mut |option, points| {
            counted = true;
            if let Some(has) = self.points.get_mut(usize::from(option)) {
                *has = has.saturating_sub(u128::from(points) * u128::from(weight));
            }
        });
        if counted || is_cast(method, marks) {
            self.cast = self.cast.saturating_sub(weight);
        }
    }

    /// How many options there are.
    #[must_use]
    pub fn options(&self) -> usize {
        self.points.len()
    }

    /// The weight of the ballots counted, in millionths.
    #[must_use]
    pub fn cast(&self) -> u64 {
        self.cast
    }

    /// What each option has, as it is shown.
    #[must_use]
    pub fn tally(&self, method: Method) -> Vec<f64> {
        let unit = match method {
            Method::Score { .. } => 1e6,
            Method::Borda => 2.0,
            _ => 1.0,
        };
        self.points.iter().map(|points| shown(*points) / unit).collect()
    }

    /// Who wins if nobody votes any more.
    pub(crate) fn winners(&self, need: Need, live: &Live) -> Vec<u16> {
        let first = leaders(live.each(), |option| self.has(option));
        let most = first.first().map_or(0, |leader| self.has(*leader));
        if need.is_met(most, self.cast, first.len() > 1) { first } else { Vec::new() }
    }

    /// Whether the winners stay the same whatever ballots of `waiting` millionths in all follow:
    /// the worst for the leader is that all of it goes to the next, the best for those who fall
    /// short that all of it goes to them. Says no where it can't tell.
    pub(crate) fn is_settled(&self, method: Method, need: Need, live: &Live, waiting: u64) -> bool {
        if waiting == 0 {
            return true;
        }
        let winners = self.winners(need, live);
        let Some(leader) = winners.first().copied() else {
            return need.is_out_of_reach(self, live, waiting);
        };
        let gain = u128::from(waiting) * u128::from(most_points(method, live));
        let rivals = live.each().filter(|option| *option != leader);
        let next = rivals.map(|option| self.has(option)).max().unwrap_or(0);
        let most = self.has(leader);
        let holds = match need {
            Need::Most => true,
            Need::Majority | Need::Share(_) => need.is_met(most, self.cast + waiting, false),
            Need::All => false,
        };
        holds && most > next + gain
    }

    fn has(&self, option: u16) -> u128 {
        self.points.get(usize::from(option)).copied().unwrap_or(0)
    }

    /// The result with all that shows it.
    pub(super) fn into_count(self, method: Method, need: Need, live: &Live) -> Count {
        Count {
            winners: self.winners(need, live),
            cast: shown(u128::from(self.cast)),
            tally: self.tally(method),
            complete: true,
            ..Count::default()
        }
    }
}

impl Need {
    /// Whether so many points of `cast` suffice. `tied`: others have as many.
    fn is_met(self, points: u128, cast: u64, tied: bool) -> bool {
        let all = u128::from(cast);
        match self {
            _ if points == 0 => false,
            Self::Most => true,
            Self::Majority => points * 2 > all || (tied && points * 2 == all),
            Self::Share(share) => points as f64 >= (share - SLACK) * all as f64,
            Self::All => points == all,
        }
    }

    /// Whether no option can get there with `waiting` more.
    fn is_out_of_reach(self, running: &Running, live: &Live, waiting: u64) -> bool {
        let after = running.cast + waiting;
        let best = |option| running.has(option) + u128::from(waiting);
        match self {
            Self::Most => false,
            Self::Majority | Self::Share(_) => {
                live.each().all(|option| !self.is_met(best(option), after, true))
            }
            Self::All => live.each().filter(|option| running.has(*option) > 0).count() > 1,
        }
    }
}

/// The points a ballot gives for each millionth of its weight.
fn give(method: Method, live: &Live, marks: &Marks, points: &mut dyn FnMut(u16, u64)) {
    match method {
        Method::Plurality | Method::Majority | Method::Supermajority { .. } | Method::Unanimity => {
            plurality::points(live, marks, points)
        }
        Method::Approval => approval::points(live, marks, points),
        Method::Score { max } => score::points(live, marks, max, points),
        Method::Borda => borda::points(live, marks, points),
        Method::Irv | Method::Copeland | Method::Schulze | Method::RankedPairs => {}
    }
}

/// Whether a ballot without a mark is a vote: one against all, rather than none.
fn is_cast(method: Method, marks: &Marks) -> bool {
    matches!(
        (method, marks),
        (Method::Approval, Marks::Approvals(_)) | (Method::Score { .. }, Marks::Scores(_))
    )
}

/// The most points a ballot can give to an option above another, for each millionth.
fn most_points(method: Method, live: &Live) -> u64 {
    match method {
        Method::Score { max } => score::millionths(max),
        Method::Borda => 2 * (live.len() as u64).saturating_sub(1),
        _ => 1,
    }
}
