//! Voting on one question: a frozen electorate, one vote each, quorum apart from threshold.
//!
//! Terms. *Turn-out* is the number of voters who took part: they voted or abstained. A voter who
//! failed or stayed silent until the deadline abstains as far as the threshold is concerned, and
//! did not take part as far as the quorum is. The *quorum* is the least turn-out that may decide
//! at all; the *threshold* is the share of the votes that the winner needs. A *tie* is when
//! several choices share the most votes; the tie rule then acts as a casting vote.

mod config;
mod error;
mod machine;
mod outcome;
mod tally;

pub use config::{Quorum, Rules, Threshold, TieRule};
pub use error::BallotError;
pub use machine::{Ballot, Input};
pub use outcome::{Outcome, Wins};
pub use tally::Tally;
