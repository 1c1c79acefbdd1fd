//! Observation: what every actor shows without its own help, and the tree in which it is found.
//!
//! ```text
//!  cell ── atomics ──▶ Node ◀── children by name ── Node ◀── … ── System::observe
//!  cell ── one store per batch ──▶ slot of the Progress slab ◀── one sweep over all
//! ```
//!
//! Invariants: observing never waits for an actor; a node is in the tree exactly as long as its
//! supervisor knows the child.

mod node;
mod progress;
mod snapshot;

pub(crate) use node::{Mailbox, Node};
pub(crate) use progress::ProgressSlot;
pub use progress::{Progress, Sweep, Transition};
pub use snapshot::{ActorSnapshot, ActorState};
