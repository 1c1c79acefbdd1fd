//! Resource units, and the ledger that grants them and takes them back.
//!
//! ```text
//!  Want ── grant ──▶ Grant {fence, holder, units, until} ── give back, lease over ──▶ free again
//! ```
//!
//! Invariants:
//! - Never is more granted than there is, of any kind, and never are units lost: free and granted
//!   add up to the capacity at all times.
//! - Never does a grant outlive its lease unless it is renewed, and never is one given back under
//!   another fencing token than its own.

mod ledger;
mod units;

pub use ledger::{Grant, Ledger, Want};
pub use units::ResourceUnits;

#[cfg(test)]
mod tests;
