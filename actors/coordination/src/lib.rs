//! How agents decide together, settle what they disagree about and stay in step.
//!
//! ```text
//!  API, agents, nodes ── Open, Step, Show, Follow ──▶ Desk<P> ── Append ──▶ journal
//!                                                       │  ▲ Input, Heard, wake
//!                                                       ▼  │
//!                                                    P: Protocol   one value = one conversation
//!                                                       │          ballot, contract_net, auction,
//!                       answers, notes, envelopes       │          lock, conflict, sync::group
//!  who asked, NoteListener, Courier ◀─── stored ◀───────┘
//! ```
//!
//! A protocol is a pure machine ([`protocol::Protocol`]): it never reads a clock, never draws a
//! random number that its seed does not fix, never sends anything. Its [`desk::Desk`] is a
//! supervised actor that writes each input down before anybody hears of what came of it. Beside
//! the protocols stand `resources` (units that are granted and given back), `sync` (documents that
//! agents share) and `messaging` (envelopes, topics, rumours).
//!
//! Who sends what: whoever uses a protocol sends a [`desk::DeskMessage`] to its desk; a desk hands
//! envelopes to agents through a [`desk::Courier`] and tells listeners what was decided, by whom
//! and why. `synod-tasks` uses the machines without a desk: its tasks are stored already.
//!
//! Invariants:
//! - Never is a decision told before it is durable, and never is another one told after a crash.
//! - Never does a conversation stay without an end: each wait has a deadline, each end a reason.
//! - Never does a late, second, foreign or forged input change anything.
//! - Never is a group, a history, a queue or an input without a bound.

pub mod auction;
pub mod ballot;
mod bounds;
pub mod conflict;
pub mod contract_net;
pub mod desk;
pub mod lock;
mod lot;
pub mod messaging;
pub mod protocol;
pub mod resources;
pub mod sync;
pub mod team;

pub use ballot::{
    Ballot, BallotError, Input, Outcome, Quorum, Rules, Tally, Threshold, TieRule, Wins,
};
pub use protocol::{
    ConversationId, Dispatch, Effects, Heard, Kept, Moment, Note, Opening, Protocol, Refusal,
    may_speak_for,
};
