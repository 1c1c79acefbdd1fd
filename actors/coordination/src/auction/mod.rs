//! Auctions: who gets what, and what is paid for it.
//!
//! ```text
//!                 bids, passes, the clock
//!  Setup ──▶ Open ─────────────────────────▶ sold (winners, prices) · unsold (why) · cancelled
//! ```
//!
//! English and Dutch auctions are open; first-price, Vickrey, double and combinatorial ones are
//! sealed, and nothing of a bid is shown or noted before they close.
//!
//! Invariants:
//! - Money is counted in whole millionths of a unit. Never does anybody pay more than it has bid,
//!   and so never more than its budget; never is a lot sold below the reserve, nor twice.
//! - Never does a late, second, foreign or forbidden bid change anything.
//! - Equal bids are decided by who was earlier, then by the lot that the seed draws.
//! - Every auction ends: by its deadline, put off a bounded number of times, or by its clock; or
//!   as soon as nobody is left who could still move it.

pub mod bundles;
mod closing;
pub mod double;
mod dutch;
mod english;
mod letters;
mod machine;
pub mod sealed;
mod terms;
mod view;

pub use machine::{Auction, Standing};
pub use terms::{
    Award, Bidder, Bundle, Extension, Input, Item, Kind, Outcome, Payment, Sale, Setup, Unsold,
};
pub use view::View;

#[cfg(test)]
mod tests;
