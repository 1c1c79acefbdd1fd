//! The journal of a work group, replicated: what engines talk to instead of the node's own.
//!
//! ```text
//!  engine ─ Append, SaveSnapshot, PutBlob ─▶ GroupLog ─ proposals ─▶ the group's log, everywhere
//!         ◀─ ReadStream, LoadSnapshot, GetBlob ── Streams, as applied on this node
//! ```
//!
//! Invariants:
//! - Never is an append answered with a position before a majority has it on disk.
//! - Never is one taken by a node that doesn't lead, or leads without a majority.
//! - Positions are contiguous in the group; versions and epochs never go back.

mod actor;
mod adopting;
mod answer;
mod command;
mod image;
mod storing;
mod streams;
#[cfg(test)]
mod tests;

pub use actor::GroupLog;
pub(crate) use adopting::{adopt, local_streams};
pub(crate) use answer::StreamsAnswer;
pub(crate) use command::Command;
pub(crate) use streams::{Effect, StreamLimits, Streams};
