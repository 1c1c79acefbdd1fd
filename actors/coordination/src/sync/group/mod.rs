//! A group that moves in step: members with barriers, phases and a leader, as one conversation.
//!
//! Invariants:
//! - At most one leads, with a token that no leader before had.
//! - Nobody waits for ever: barriers break, phases fail, leases and the group run out.
//! - A member that dies or leaves is waited for no longer, and is no leader.

mod letters;
mod machine;
mod setup;
#[cfg(test)]
mod tests;
mod view;

pub use machine::Group;
pub use setup::{
    BarrierSetup, GroupAnswer, GroupInput, GroupMember, GroupOutcome, GroupSetup, PhaseSetup,
};
pub(crate) use setup::{name, names};
pub use view::{BarrierView, GroupView, LeaseView, PhaseView};
