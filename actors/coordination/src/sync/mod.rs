//! Staying in step: state that agents share, and how a group moves on together.
//!
//! ```text
//!  Write ─▶ SharedState ─▶ Replica (pure) ─▶ delta ─▶ journal ─ committed ─▶ some other nodes
//!  Read ──▶     │                ▲                                              │
//!               ▼                └── deltas, digests, fingerprints ◀── Spread ──┘
//!           listeners
//! ```
//!
//! Invariants:
//! - A node reads and writes at once, whoever else is there; nodes that hear of each other again
//!   come to the same state.
//! - Nobody else hears of a write before it is in this node's journal.
//! - What others say is checked and bounded: it never makes a panic, and never more than
//!   [`DocumentLimits`] allow.

mod actor;
pub mod barrier;
pub mod clock;
mod config;
pub mod document;
pub mod dots;
mod durable;
mod error;
pub mod group;
pub mod leader;
mod listeners;
mod messages;
pub mod phase;
mod records;
mod replica;
mod scalar;
mod spread;
#[cfg(test)]
mod tests;

pub use actor::SharedState;
pub use clock::{ClockDrift, HybridClock, Stamp};
pub use config::SharedConfig;
pub use document::{
    CellKind, Delta, DeltaFault, Digest, DocumentLimits, Edit, EditRefusal, MAX_EDITS,
    SharedDocument, SharedValue,
};
pub use error::{SharedError, SharedRefusal};
pub use group::Group;
pub use messages::{
    ListShared, ReadShared, SharedChange, SharedDelivery, SharedHealth, SharedListener,
    SharedMessage, SharedSummary, SharedView, ShowShared, WriteShared, Written,
};
pub use scalar::Scalar;
pub use spread::{Alone, Spread};
