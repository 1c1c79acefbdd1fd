//! The mailbox: five lanes outside of the actor, so that they outlive its incarnations.
//!
//! ```text
//!  senders ── offer ──▶ ┌ Inbox ─────────────────────────────┐
//!                       │ Room   bound, reserve of each lane │ ── one wake per batch ──▶ cell
//!  waiting senders ───▶ │ Lanes  critical … background       │ ◀── take_batch ───────────┘
//!  permits ───────────▶ └────────────────────────────────────┘ ◀── Batch dropped: the rest returns
//! ```
//!
//! Invariants:
//! - Order within a lane is never changed, not by a crash and not by the return of a batch.
//! - A message counts against the bound until the batch that took it has ended.
//! - Every [`Config::fairness`](MailboxConfig::fairness)-th message is the one that has waited
//!   longest: with `k` older messages queued, a message is served after at most
//!   `fairness * (k + 1)` others, whatever else arrives.
//! - The lock is never held while a message is dropped, a waker or a listener is called.

mod admission;
mod batch;
mod config;
mod envelope;
mod expiry;
mod inbox;
mod lanes;
mod room;
mod state;
mod waiting;

#[cfg(test)]
mod tests;

pub use batch::{Batch, Delivery};
pub use config::{MailboxConfig, Overflow};
pub use inbox::{Inbox, InboxId};

pub(crate) use envelope::Header;
pub(crate) use expiry::Expiry;
