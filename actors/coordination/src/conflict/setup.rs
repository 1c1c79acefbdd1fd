//! What a conflict is about, between whom, and how it is to be settled.

use serde::{Deserialize, Serialize};

use super::merge::MergeKind;
use super::version::VersionVector;
use crate::sync::Stamp;

/// Where a conflict came from.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Several want the same resource.
    Contention,
    /// Several wait for each other.
    Deadlock,
    /// Several have decided the same differently.
    Decisions,
    /// Several have changed the same without seeing each other's change.
    Updates,
    /// Somebody has reported it.
    #[default]
    Reported,
}

/// One of those between whom a conflict is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Party {
    /// Its name: 1 to 256 bytes, once in a conflict.
    pub name: String,
    /// How urgent its matter is; the greater the more.
    pub priority: u32,
    /// What it has to say in the matter; the greater the more.
    pub authority: u32,
    /// Since when it is at it (UTC microseconds).
    pub since_us: i64,
    /// Whether it holds what the conflict is about.
    pub holds: bool,
    /// How many locks it holds.
    pub locks: u32,
    /// What it wants or has decided, or the state it has come to: JSON or text, at most 64 KiB.
    pub claim: String,
    /// When it said so: a hybrid logical time; 0 when that is not known.
    #[schema(value_type = u64)]
    pub stamp: Stamp,
    /// What its state contains, for concurrent changes; at most 1,000 replicas.
    pub version: VersionVector,
}

impl Party {
    /// A party of which nothing but the name is known.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

/// A way to settle a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Strategy {
    /// The party of the highest priority wins; equal ones can't be told apart.
    Priority,
    /// The party of the greatest authority wins; equal ones can't be told apart.
    Authority,
    /// The oldest wins: whoever holds it yields, the others wait.
    WoundWait,
    /// Who holds it keeps it: older ones wait, younger ones yield. One must hold it alone.
    WaitDie,
    /// The party of the lowest priority yields, of those the youngest, of those the one with the
    /// fewest locks.
    Victim,
    /// Most arbiters decide: more than half of those who choose.
    Vote {
        /// Who: agents, who are asked, or others, who say so; 1 to 1,000, no parties.
        arbiters: Vec<String>,
        /// How many of them must choose at least; 0 for more than half of them.
        #[serde(default)]
        quorum: u32,
        /// How long they have, in milliseconds: 1 to 604,800,000.
        within_ms: u64,
    },
    /// One arbiter decides.
    Arbiter {
        /// Who: an agent, who is asked, or another, who says so; no party.
        name: String,
        /// How long it has, in milliseconds: 1 to 604,800,000.
        within_ms: u64,
    },
    /// What the parties claim is merged; each claim must be of the form that this takes.
    Merge(MergeKind),
    /// A claim that contains all others (by `version`) wins, else the latest (by `stamp`); of
    /// equal times that of the greater name, as registers have it where the last writer wins.
    LastWriter,
    /// A person decides.
    Human {
        /// Who may; empty for any user.
        #[serde(default)]
        users: Vec<String>,
        /// How long they have, in milliseconds: 1 to 604,800,000.
        within_ms: u64,
        /// What is done when nobody has decided by then.
        #[serde(default)]
        fallback: HumanFallback,
    },
}

impl Strategy {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Priority => "priority",
            Self::Authority => "authority",
            Self::WoundWait => "wound_wait",
            Self::WaitDie => "wait_die",
            Self::Victim => "victim",
            Self::Vote { .. } => "vote",
            Self::Arbiter { .. } => "arbiter",
            Self::Merge(_) => "merge",
            Self::LastWriter => "last_writer",
            Self::Human { .. } => "human",
        }
    }
}

/// What is done when no person has decided in time.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HumanFallback {
    /// The next strategy is tried.
    #[default]
    Next,
    /// This party wins.
    Party(String),
    /// The conflict stays unresolved.
    Unresolved,
}

/// How a conflict is opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConflictSetup {
    /// What it is about: 1 to 4,096 bytes.
    pub subject: String,
    /// Where it came from.
    pub cause: Cause,
    /// Between whom: 2 to 1,000.
    pub parties: Vec<Party>,
    /// How it is settled, in this order: 1 to 16.
    pub strategies: Vec<Strategy>,
    /// When it ends at the latest, in milliseconds from now: 1 to 604,800,000; by default an hour.
    pub deadline_ms: u64,
}

impl Default for ConflictSetup {
    fn default() -> Self {
        Self {
            subject: String::new(),
            cause: Cause::default(),
            parties: Vec::new(),
            strategies: Vec::new(),
            deadline_ms: 3_600_000,
        }
    }
}
