//! Counting rules: pure functions from weighted ballots to a winner, a tie or nobody, with the
//! whole way there. One file for each rule.
//!
//! Weights are whole millionths, so sums are exact and don't depend on the order of the ballots.
//! No rule knows the names of voters (anonymity) or prefers an option for its place in the list
//! (neutrality): what it can't tell apart it returns as a tie.

mod additive;
mod approval;
mod borda;
mod copeland;
mod count;
mod irv;
mod majority;
mod pairwise;
mod plurality;
mod profile;
mod ranked_pairs;
mod schulze;
mod score;
mod supermajority;
mod unanimity;

use serde::{Deserialize, Serialize};

pub use additive::Running;
pub use approval::approval;
pub use borda::borda;
pub use copeland::copeland;
pub use count::{Count, RankedPair, RunoffRound};
pub use irv::irv;
pub use majority::majority;
pub use plurality::plurality;
pub use profile::{Live, Marks, Profile};
pub use ranked_pairs::ranked_pairs;
pub use schulze::schulze;
pub use score::score;
pub use supermajority::supermajority;
pub use unanimity::unanimity;

/// How ballots are filled in and counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// One choice each; the most votes win.
    Plurality,
    /// One choice each; more than half of the votes wins.
    #[default]
    Majority,
    /// One choice each; at least this share of the votes wins.
    Supermajority {
        /// Above 0.5 and at most 1.
        share: f64,
    },
    /// One choice each; all votes.
    Unanimity,
    /// Every option that will do; the most approvals win.
    Approval,
    /// Points from 0 to `max` for each option; the largest sum wins.
    Score {
        /// Above 0 and at most 1,000.
        max: f64,
    },
    /// Rankings; a point for each rival that is ranked lower.
    Borda,
    /// Rankings; whoever is first on the fewest goes out, again and again.
    Irv,
    /// Rankings; the most rivals beaten in pairs.
    Copeland,
    /// Rankings; the strongest paths (Schulze 2011, winning votes).
    Schulze,
    /// Rankings; pairs are locked in, the largest margin first (Tideman 1987).
    RankedPairs,
}

/// What a voter writes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// One option.
    Choice,
    /// A list of options.
    Approve,
    /// Points for options.
    Scores,
    /// Options from best to worst.
    Ranking,
}

/// What the leader needs to be the winner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Need {
    Most,
    Majority,
    Share(f64),
    All,
}

impl Method {
    /// What its ballots look like.
    #[must_use]
    pub fn form(self) -> Form {
        match self {
            Self::Plurality | Self::Majority | Self::Supermajority { .. } | Self::Unanimity => {
                Form::Choice
            }
            Self::Approval => Form::Approve,
            Self::Score { .. } => Form::Scores,
            Self::Borda | Self::Irv | Self::Copeland | Self::Schulze | Self::RankedPairs => {
                Form::Ranking
            }
        }
    }

    /// Whether each ballot adds its points and nothing else, so that a count can be kept.
    #[must_use]
    pub fn is_additive(self) -> bool {
        !matches!(self, Self::Irv | Self::Copeland | Self::Schulze | Self::RankedPairs)
    }

    /// What the leader needs; `threshold` is a share that plurality and approval may ask for.
    pub(crate) fn need(self, threshold: Option<f64>) -> Need {
        match self {
            Self::Majority => Need::Majority,
            Self::Supermajority { share } => Need::Share(share),
            Self::Unanimity => Need::All,
            Self::Plurality | Self::Approval => threshold.map_or(Need::Most, Need::Share),
            _ => Need::Most,
        }
    }

    /// Counts. `threshold`: the least share of the weight cast that the winner of plurality or
    /// approval needs; the other rules have none beside their own.
    #[must_use]
    pub fn count(self, threshold: Option<f64>, profile: &Profile) -> Count {
        match self {
            Self::Plurality => plurality(profile, threshold),
            Self::Majority => majority(profile),
            Self::Supermajority { share } => supermajority(profile, share),
            Self::Unanimity => unanimity(profile),
            Self::Approval => approval(profile, threshold),
            Self::Score { max } => score(profile, max),
            Self::Borda => borda(profile),
            Self::Irv => irv(profile),
            Self::Copeland => copeland(profile),
            Self::Schulze => schulze(profile),
            Self::RankedPairs => ranked_pairs(profile),
        }
    }
}

#[cfg(test)]
mod tests;
