//! What a count found, and how it came to it.

use serde::{Deserialize, Serialize};

/// The result of a count. Options by their number in the proposal's list, weights as they were
/// given (1 for a voter without a weight of its own).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Count {
    /// The winner; several that nothing sets apart; or none, when no option has what it takes.
    pub winners: Vec<u16>,
    /// The weight of all ballots that were counted.
    pub cast: f64,
    /// What each option got. Votes, approvals, points; for `irv` the votes when it went out or
    /// won; for `copeland` a point for each rival beaten and half a one for each drawn; for
    /// `schulze` the rivals with weaker paths back; for `ranked_pairs` the rivals beaten in pairs.
    pub tally: Vec<f64>,
    /// The rounds of `irv`.
    pub rounds: Vec<RunoffRound>,
    /// `prefers[a][b]`: the weight of the ballots that have `a` before `b`. Of the rules that
    /// compare in pairs; empty for the others.
    pub prefers: Vec<Vec<f64>>,
    /// `strongest[a][b]`: the strength of the strongest path from `a` to `b`, of `schulze`.
    pub strongest: Vec<Vec<f64>>,
    /// The pairs of `ranked_pairs`, the largest margin first.
    pub pairs: Vec<RankedPair>,
    /// Whether every order of equally large margins was looked at, where there are any. If not,
    /// there may be more winners than are named.
    pub complete: bool,
}

/// One round of an instant run-off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunoffRound {
    /// The votes of each option; 0 for those that are out.
    pub votes: Vec<f64>,
    /// Who goes out: all that have the fewest.
    pub out: Vec<u16>,
    /// The weight of the ballots that name nobody who is left.
    pub exhausted: f64,
}

/// One pair in the order in which ranked pairs looks at it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RankedPair {
    /// Who wins the pair.
    pub over: u16,
    /// Who loses it.
    pub under: u16,
    /// By how much.
    pub margin: f64,
    /// Whether it stands, or contradicts pairs that were locked in before it.
    pub locked: bool,
}

/// Those of `options` with the most `points`.
pub(super) fn leaders<P: Ord + Copy>(
    options: impl Iterator<Item = u16>,
    points: impl Fn(u16) -> P,
) -> Vec<u16> {
    let mut found: Vec<u16> = Vec::new();
    let mut most = None;
    for option in options {
        let has = Some(points(option));
        if has > most {
            found.clear();
            most = has;
        }
        if has == most {
            found.push(option);
        }
    }
    found
}
