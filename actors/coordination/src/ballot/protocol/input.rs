//! What a ballot is told, and what whoever told it hears.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::result::BallotOutcome;

/// What a ballot is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BallotInput {
    /// A voter votes.
    Vote {
        /// Who.
        voter: String,
        /// For what.
        ballot: Paper,
        /// Why, at most 4 KiB; shared between rounds.
        #[serde(default)]
        reason: String,
    },
    /// A voter takes part and is for nothing; what it voted before counts no more.
    Abstain {
        /// Who.
        voter: String,
        /// Why, at most 4 KiB.
        #[serde(default)]
        reason: String,
    },
    /// Whoever may vetoes.
    Veto {
        /// Who.
        holder: String,
        /// The option, where a veto strikes one.
        #[serde(default)]
        option: Option<String>,
        /// Why, at most 4 KiB.
        #[serde(default)]
        reason: String,
    },
    /// Whoever opened it ends the voting: what was cast decides, whatever rounds might follow.
    Close {},
    /// Whoever opened it calls it off.
    Cancel {
        /// Why, at most 4 KiB.
        #[serde(default)]
        reason: String,
    },
    /// The chair or a human decides a tie.
    Decide {
        /// Who.
        by: String,
        /// One of those tied; none leaves things as they are.
        #[serde(default)]
        option: Option<String>,
        /// Why, at most 4 KiB.
        #[serde(default)]
        reason: String,
    },
}

/// A filled-in ballot. Its form is that of the method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Paper {
    /// One option.
    Choice(String),
    /// Every option that will do.
    Approve(Vec<String>),
    /// Points for options; those left out get none.
    Scores(BTreeMap<String, f64>),
    /// The best first: a list of places, each a list of the options that share it. A place of one
    /// option may be written without its list. Those left out come last.
    Ranking(#[serde(deserialize_with = "ranks")] Vec<Vec<String>>),
}

/// A place in a ranking: an option, or several that are tied.
#[derive(Debug, Clone, PartialEq, Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum Rank {
    /// One option.
    One(String),
    /// Several that are tied.
    Tied(Vec<String>),
}

impl From<Rank> for Vec<String> {
    fn from(rank: Rank) -> Self {
        match rank {
            Rank::One(option) => vec![option],
            Rank::Tied(options) => options,
        }
    }
}

/// People may write a place with one option without its list; on disk every place is a list.
fn ranks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<String>>, D::Error> {
    if !deserializer.is_human_readable() {
        return Vec::deserialize(deserializer);
    }
    let ranks = Vec::<Rank>::deserialize(deserializer)?;
    Ok(ranks.into_iter().map(Vec::from).collect())
}

/// What whoever told a ballot something hears.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct BallotAnswer {
    /// The round that it was counted in.
    pub round: u32,
    /// Whether it took the place of an earlier vote of this round.
    pub replaced: bool,
    /// What came of the ballot, if that ended it.
    pub outcome: Option<BallotOutcome>,
}
