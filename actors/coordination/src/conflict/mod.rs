//! Conflicts between agents: found, and settled by a chain of strategies.
//!
//! ```text
//!  lock table ─▶ contention, deadlock ─┐
//!  decisions ──▶ DecisionLog ──────────┼─▶ Conflict: strategy ─▶ strategy ─▶ ... ─▶ unresolved
//!  updates ────▶ UpdateLog ────────────┘        │           │                       (why)
//!                                               └▶ resolved ◀┘
//! ```
//!
//! A conversation is one conflict, with its history. Detection is apart: pure values that are
//! fed what happens and say when it does not go together.
//!
//! Invariants:
//! - A conflict ends, by its deadline at the latest: resolved by a strategy, or unresolved with
//!   the reason. What it ended with never changes.
//! - The strategies are tried in order; one that can't decide says why and the next is tried.
//! - Nobody who is a party to it is asked to judge it.

mod ask;
mod checks;
mod detect;
mod input;
mod judge;
mod machine;
mod merge;
mod outcome;
mod setup;
mod version;
mod view;
mod watch;

pub use detect::{Found, contentions, deadlocks};
pub use input::{ConflictAnswer, ConflictInput};
pub use machine::Conflict;
pub use merge::{CounterValues, LatestValue, Merge, MergeError, MergeKind, ObservedSet};
pub use outcome::{ConflictOutcome, Fate, Fated, Resolution};
pub use setup::{Cause, ConflictSetup, HumanFallback, Party, Strategy};
pub use version::{Order, VersionVector};
pub use view::{ConflictView, HistoryEntry};
pub use watch::{Concurrent, Contradiction, Decision, DecisionLog, Update, UpdateLog};

#[cfg(test)]
mod tests;
