//! How agents decide together. Today: ballots.
//!
//! ```text
//!   opens            votes, abstentions, failures, the clock
//!  electorate ──▶ Ballot ◀────────────────────────────────── whoever tallies
//!    rules           │
//!                    ▼
//!                 Outcome: chosen | kept | no quorum | below threshold
//! ```
//!
//! A ballot is a pure machine: it never reads a clock, never draws a random number that its seed
//! does not fix, never sends anything. Whoever tallies (the consensus mode of `synod-tasks`) feeds
//! it and acts on its outcome.
//!
//! Invariants:
//! - The electorate is frozen when the ballot opens; a voter votes once, and never afterwards.
//! - Quorum (how many took part) and threshold (how many of the votes agree) are never mixed.
//! - An outcome never changes once the ballot has closed, and the ballot closes as soon as no
//!   further vote could change it, never before.

pub mod auction;
pub mod ballot;
mod bounds;
pub mod conflict;
pub mod contract_net;
pub mod desk;
pub mod lock;
mod lot;
pub mod protocol;
pub mod resources;
pub mod sync;

pub use ballot::{
    Ballot, BallotError, Input, Outcome, Quorum, Rules, Tally, Threshold, TieRule, Wins,
};
pub use protocol::{
    ConversationId, Dispatch, Effects, Heard, Kept, Moment, Note, Opening, Protocol, Refusal,
    may_speak_for,
};
