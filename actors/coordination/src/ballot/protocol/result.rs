//! What comes of a ballot.

use serde::{Deserialize, Serialize};

/// What came of a ballot; every ballot has exactly one in the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BallotOutcome {
    /// This option was chosen.
    Chosen {
        /// Which.
        option: String,
        /// By what.
        by: ChosenBy,
    },
    /// A tie: things stay as they are.
    Kept {
        /// The option that says so, if there is one.
        option: Option<String>,
        /// Who or what let things stay.
        by: ChosenBy,
    },
    /// Too few took part.
    NoQuorum {
        /// How many did.
        took_part: u32,
        /// How many would have had to.
        needed: u32,
    },
    /// Enough took part, and no option had what it takes.
    BelowThreshold {
        /// The most that an option got.
        most: f64,
        /// Of how much.
        cast: f64,
    },
    /// A veto ended it.
    Vetoed {
        /// Whose.
        by: String,
        /// Why.
        reason: String,
    },
    /// A tie that nobody decided in time.
    Undecided {
        /// Who is tied.
        tied: Vec<String>,
    },
    /// It was called off.
    Cancelled {
        /// By whom; empty when nobody said who.
        by: String,
        /// Why.
        reason: String,
    },
}

/// By what an option was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChosenBy {
    /// The votes.
    Votes,
    /// The rule for ties.
    TieRule,
    /// The chair, whose name this is.
    Chair(String),
    /// A human, whose name this is.
    Human(String),
}

impl BallotOutcome {
    /// Why, for people.
    #[must_use]
    pub fn why(&self) -> String {
        match self {
            Self::Chosen { option, by } => format!("'{option}' was chosen by {}", by.in_words()),
            Self::Kept { by, .. } => {
                format!("a tie: things stay as they are by {}", by.in_words())
            }
            Self::NoQuorum { took_part, needed } => {
                format!("{took_part} took part, quorum {needed}")
            }
            Self::BelowThreshold { most, cast } => {
                format!("no option had enough: at most {most} of {cast}")
            }
            Self::Vetoed { by, reason } => format!("'{by}' vetoed: {reason}"),
            Self::Undecided { tied } => format!("nobody decided in time between {tied:?}"),
            Self::Cancelled { by, reason } => format!("'{by}' called it off: {reason}"),
        }
    }
}

impl ChosenBy {
    fn in_words(&self) -> String {
        match self {
            Self::Votes => "the votes".to_owned(),
            Self::TieRule => "the rule for ties".to_owned(),
            Self::Chair(name) => format!("the chair, '{name}'"),
            Self::Human(name) => format!("a human, '{name}'"),
        }
    }
}
