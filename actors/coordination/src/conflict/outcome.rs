//! How a conflict ends.

use serde::{Deserialize, Serialize};

/// What becomes of a party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Its claim stands.
    Wins,
    /// It keeps what it has and goes on.
    Keeps,
    /// Its claim is part of what came of all.
    Merged,
    /// It waits until the winner is done.
    Waits,
    /// It gives up what it claims, and begins again if it wants.
    Yields,
    /// It had given up before.
    Withdrawn,
}

/// A party and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Fated {
    /// Who.
    pub party: String,
    /// What.
    pub fate: Fate,
}

/// How a conflict was settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Resolution {
    /// By which strategy: `priority`, `vote`, ...; `withdrawal` when but one party was left.
    pub strategy: String,
    /// Who has it; none when all have (merged), or all but one (a victim).
    pub winner: Option<String>,
    /// What becomes of each party, in the order in which they were named.
    pub fates: Vec<Fated>,
    /// What holds now: the winner's claim, what was merged, or what a person wrote.
    pub value: Option<String>,
    /// Why, for people.
    pub why: String,
}

/// How a conflict ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConflictOutcome {
    /// It was settled.
    Resolved(Resolution),
    /// It was not.
    Unresolved {
        /// Why not.
        reason: String,
    },
}
