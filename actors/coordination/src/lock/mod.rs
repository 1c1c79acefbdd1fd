//! Locks and semaphores that agents hold for a while, each under a token that goes stale.
//!
//! ```text
//!  Acquire ─▶ all free, nobody before it? ──yes──▶ Granted{fence, until}
//!                 │ no                                 ├─ Release, OwnerGone ─▶ free ─▶ the next
//!                 ▼                                    └─ lease ends ─────────▶ free ─▶ the next
//!             policy: wound, die, wait
//!                 │
//!                 ▼
//!             Waiting{ticket} ─▶ granted | timed out | cancelled | wounded | victim | gone |
//!                                closed
//! ```
//!
//! A conversation is a lock space: a namespace of locks and semaphores, its owners and its queues.
//!
//! Invariants:
//! - A resource is never held beyond its permits: a lock by one writer, or by readers.
//! - Tokens (fences) rise with every grant of the space. One that has been given back, has
//!   expired or was taken is never accepted again.
//! - Every wait ends by its deadline, every grant by the end of its lease.
//! - Queues are in order of arrival, where each step of priority counts as `aging_ms` of waiting:
//!   so a request is overtaken only by those that come less than (255 - its priority) ×
//!   `aging_ms` after it, and by requests of owners for more of what they hold already. In
//!   wound-wait spaces the arrival of the owner counts, in wait-die spaces no priority does.
//! - No deadlock stays, except in `timeout` spaces until a deadline.
//!
//! An acquire or release without contention costs O(log n).

mod checks;
mod endings;
mod graph;
mod machine;
mod messages;
mod policy;
mod setup;
mod table;
mod view;

pub use machine::LockSpace;
pub use messages::{Acquire, Ending, LockAnswer, LockInput, Mode, Wish};
pub use setup::{DeadlockPolicy, LockSetup, Reentrancy, Semaphore};
pub use view::{Contention, Ended, GrantView, LockLedger, LockView, WaitView};

#[cfg(test)]
mod tests;
