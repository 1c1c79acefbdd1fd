//! Which nodes there are: SWIM (Das, Gupta, Motivala, 2002) by foca, inside an actor.
//!
//! ```text
//!  JoinCluster, LeaveCluster, RemoveMember ──▶ Membership (actor) ──▶ Peers (learn, cast, call)
//!  Subscribe ◀── MemberChange ──────────────      │        └──▶ Vitals (verdicts)
//!                                              Machine (pure): step(now, Input) -> Commands
//!                                                 ├─ foca: probes, suspicions, gossip
//!                                                 ├─ Joining: seeds, exchanges of all members
//!                                                 ├─ Door: who may be spoken of, and as what
//!                                                 └─ Timers: a clock that knows when it slept
//! ```
//!
//! Invariants:
//! - A node is a member in one seat at a time: (incarnation, renewal). The greater seat holds, so
//!   a node that was taken for dead by mistake comes back, and an older start of it never does.
//! - Of two processes with one node id the one that started later stays; the other one is told
//!   [`Expulsion::Superseded`] and says nothing any more.
//! - What a node missed while it could not run itself, nobody failed to answer.
//! - Messages per node and second don't grow with the number of members, which has a limit.

mod actor;
mod asking;
mod config;
mod events;
mod hearing;
mod joining;
mod machine;
mod messages;
mod packet;
mod roster;
mod seat;
mod table;
#[cfg(test)]
mod tests;
mod timers;

pub use actor::Membership;
pub use config::MembershipConfig;
pub use messages::{
    Expulsion, JoinCluster, JoinRefusal, Joined, LeaveCluster, MemberChange, MemberState,
    MemberView, MembershipMessage, MembershipView, RemoveMember, ShowMembers, Standing,
};
