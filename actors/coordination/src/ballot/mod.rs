//! Voting on one question: a frozen electorate, quorum apart from threshold.
//!
//! ```text
//!  methods/   counting rules: pure functions from ballots to a winner, a tie or nobody
//!  protocol/  a whole ballot as a conversation: voters asked, rounds, vetoes, ties, one outcome
//!  Ballot     the small machine that the consensus mode of tasks feeds, by choices alone
//! ```
//!
//! Terms. *Turn-out* is the number of voters who took part: they voted or abstained. A voter who
//! failed or stayed silent until the deadline abstains as far as the threshold is concerned, and
//! did not take part as far as the quorum is. The *quorum* is the least turn-out that may decide
//! at all; the *threshold* is the share of the votes that the winner needs. A *tie* is when
//! several choices share the most votes; the tie rule then acts as a casting vote.

mod config;
mod error;
mod machine;
pub mod methods;
mod outcome;
mod protocol;
mod tally;

pub use config::{Quorum, Rules, Threshold, TieRule};
pub use error::BallotError;
pub use machine::{Ballot, Input};
pub use methods::{Count, Form, Method};
pub use outcome::{Outcome, Wins};
pub use protocol::{
    BallotAnswer, BallotInput, BallotOutcome, BallotProtocol, BallotState, BallotView, CastBallot,
    ChosenBy, MOST_COMPARED, MOST_MARKS, MOST_OPTIONS, MOST_ROUNDS, MOST_TEXT, MOST_VOTERS, Paper,
    Proposal, Rank, RoundResult, SharedReason, TieBreak, VetoEffect, VetoRule, VoterEntry,
    VoterKind,
};
pub use tally::Tally;
