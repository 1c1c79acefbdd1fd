//! Contract net: a call for proposals, the best of them, and a contract that survives its
//! contractor (FIPA SC00029H; iterated, SC00030H).
//!
//! ```text
//!            all answered, or the deadline        chosen, or the time to choose is over
//!  Calling ───────────────────────────▶ Evaluating ───────────────────────────▶ Awarded
//!     ▲ too few proposals, nobody left in reserve: a new round, while there are rounds │
//!     └───────────────────────────────────────────────────────────────────────────────┤
//!   Ended: done · failed · cancelled ◀── result │ next best, higher fence ◀── failure, ┘
//!                                                                  death, missed deadline
//! ```
//!
//! Invariants:
//! - Never are two awards live: each has a fencing token, one higher than the one before, and a
//!   result with any other than the live token is refused.
//! - Never is an award lost: it ends with a result, or passes on, or the conversation ends.
//! - Never does a wait go without a deadline: for proposals, for the choice, for the contract.
//! - Never does a late, second or foreign answer change anything.

mod award;
mod calling;
mod letters;
mod machine;
pub mod score;
mod terms;
mod view;

pub use machine::ContractNet;
pub use score::{Claim, History, Measured, Scored, Scoring};
pub use terms::{Failed, Input, Outcome, Setup, Standing};
pub use view::{AwardView, RankedView, View};

#[cfg(test)]
mod tests;
