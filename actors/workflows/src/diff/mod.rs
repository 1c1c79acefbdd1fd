//! Two runs side by side: where they went apart first, and what of each step is the same.
//!
//! ```text
//!  records of A ─ facts ─▶ pieces of work by (level, step, visit, item) ─┐
//!                                                                        ├─ compare ─▶ RunDiff
//!  records of B ─ facts ─▶ pieces of work by (level, step, visit, item) ─┘
//! ```
//!
//! Steps that run side by side end in any order, so histories are not compared event by event but
//! piece by piece. Ids (of the runs, their children and approvals) and times don't count. A history
//! lists causes before effects; the first difference is thus the one that comes first in the order
//! of A's history, into which what only B has is sorted behind what it follows in B's.
//!
//! Work is linear in the events of both; what is told of them is bounded.

mod compare;
mod facts;

pub(crate) use compare::compare;
pub(crate) use facts::{Facts, facts};

#[cfg(test)]
mod tests;
