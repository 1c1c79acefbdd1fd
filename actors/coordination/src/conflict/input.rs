//! What a conflict is told and what it answers.

use serde::{Deserialize, Serialize};

use super::outcome::ConflictOutcome;

/// What a conflict is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ConflictInput {
    /// An arbiter says whom it gives it to.
    Judge {
        /// Who judges.
        arbiter: String,
        /// Which party is right; none to abstain.
        #[serde(default)]
        choice: Option<String>,
        /// Why, at most 4 KiB.
        #[serde(default)]
        reason: String,
    },
    /// The outcome of a ballot that was held about it, in place of the arbiters' votes.
    Ballot {
        /// Which ballot.
        ballot: String,
        /// Which party it chose; none when it decided nothing.
        #[serde(default)]
        choice: Option<String>,
    },
    /// A person decides.
    Decide {
        /// Who.
        user: String,
        /// Which party wins; none when none does and `value` holds.
        #[serde(default)]
        choice: Option<String>,
        /// What holds, where it is not what the winner claims; at most 64 KiB.
        #[serde(default)]
        value: Option<String>,
        /// Why, at most 4 KiB.
        #[serde(default)]
        reason: String,
    },
    /// A party gives up, or is gone.
    Withdraw {
        /// Which.
        party: String,
        /// Why, at most 4 KiB.
        #[serde(default)]
        reason: String,
    },
    /// Whoever opened it takes it back: it stays unresolved.
    Cancel {
        /// Why, at most 4 KiB.
        #[serde(default)]
        reason: String,
    },
}

/// How a conflict stands after an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ConflictAnswer {
    /// The strategy that waits for somebody; none when it has ended.
    pub waits_for: Option<String>,
    /// Until when it waits (UTC microseconds).
    pub until_us: Option<i64>,
    /// How it ended.
    pub outcome: Option<ConflictOutcome>,
}
