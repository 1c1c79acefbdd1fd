//! The ballot as a protocol: a proposal is opened, voters vote or are asked, one outcome comes.
//!
//! ```text
//!            all heard, settled, closed, or its time is up
//!  Voting, round 1 ──▶ … ──▶ Voting, last round ──▶ Ended(outcome)
//!     │  reasons shared                     │ tie      ▲
//!     │                                     ▼          │ Decide, or its time is up
//!     │                                 Escalated ─────┤
//!     └── veto, cancellation ──────────────────────────┘
//! ```
//!
//! - A round closes when everybody has been heard, when its time is up, when whoever opened the
//!   ballot closes it, or, in the last round, when no further vote could change the outcome.
//! - A voter that fails or stays silent abstains, and does not count as having taken part. In a
//!   later round it stays with what it was for; an explicit abstention takes a vote back.
//! - Several rounds end as soon as all are for the same, nobody changes, or the same option leads
//!   twice in a row.
//! - While a round is open in which voters are independent, neither the view nor a note shows
//!   what anybody is for.

mod asking;
mod checks;
mod closing;
mod input;
mod machine;
mod paper;
mod proposal;
mod result;
mod roll;
mod view;

pub use checks::{MOST_COMPARED, MOST_MARKS, MOST_OPTIONS, MOST_ROUNDS, MOST_TEXT, MOST_VOTERS};
pub use input::{BallotAnswer, BallotInput, Paper, Rank};
pub use machine::BallotProtocol;
pub use proposal::{Proposal, TieBreak, VetoEffect, VetoRule, VoterEntry, VoterKind};
pub use result::{BallotOutcome, ChosenBy};
pub use view::{BallotState, BallotView, CastBallot, RoundResult, SharedReason};

#[cfg(test)]
mod tests;
