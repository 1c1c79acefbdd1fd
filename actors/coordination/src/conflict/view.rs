//! How a conflict is shown.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::machine::{Conflict, Stage};
use super::outcome::ConflictOutcome;
use super::setup::{Cause, Party, Strategy};

/// Something that happened on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct HistoryEntry {
    /// When (UTC microseconds).
    pub at_us: i64,
    /// What: `opened`, `passed`, `asked`, `withdrawn`, `resolved` or `unresolved`.
    pub event: String,
    /// The strategy, or the party that has withdrawn; empty for none.
    pub of: String,
    /// Why, for people.
    pub why: String,
}

/// A conflict as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ConflictView {
    /// What it is about.
    pub subject: String,
    /// Where it came from.
    pub cause: Cause,
    /// Between whom.
    pub parties: Vec<Party>,
    /// Who of them has given up.
    pub withdrawn: BTreeSet<String>,
    /// How it is settled, in this order.
    pub strategies: Vec<Strategy>,
    /// The strategy that waits for somebody; none when it has ended.
    pub waits_for: Option<String>,
    /// Until when it waits (UTC microseconds).
    pub until_us: Option<i64>,
    /// What arbiters have said to it: a party, or nothing when they abstained.
    pub judged: BTreeMap<String, Option<String>>,
    /// When it ends at the latest (UTC microseconds).
    pub deadline_us: i64,
    /// What has happened.
    pub history: Vec<HistoryEntry>,
    /// How it ended.
    pub outcome: Option<ConflictOutcome>,
}

impl ConflictView {
    pub(super) fn of(conflict: &Conflict) -> Self {
        let answer = conflict.answer();
        let judged = match &conflict.stage {
            Stage::Asking(asking) => asking.judged.clone(),
            Stage::Ended(_) => BTreeMap::new(),
        };
        let setup = &conflict.setup;
        Self {
            subject: setup.subject.clone(),
            cause: setup.cause,
            parties: setup.parties.clone(),
            withdrawn: conflict.withdrawn.clone(),
            strategies: setup.strategies.clone(),
            waits_for: answer.waits_for,
            until_us: answer.until_us,
            judged,
            deadline_us: conflict.deadline.0,
            history: conflict.history.clone(),
            outcome: answer.outcome,
        }
    }
}
