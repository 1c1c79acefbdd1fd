//! Which nodes host what is there a few times only, and how it moves from one to another.
//!
//! ```text
//!  members, shard table ┐
//!  who could host what  ┴▶ placements (pure) ─ hosts ─▶ Hosting (pure, one a node)
//!                              leases of the seats ◀─ Acquire, Renew, Release ─┤
//!                                 what runs here   ◀─ Start, Stop ─────────────┘
//! ```
//!
//! Each of the `n` instances of a thing has a seat, which is a lease of the control group with a
//! fencing token. Nodes may differ for a while about who should host; the seats decide who may.
//!
//! Never: something started without its seat; a seat given back while what had it still runs; more
//! than `n` at work while their nodes reach the control group. A node that does not reach it stops
//! what it hosts before others can have the seats.

mod command;
mod config;
mod hosting;
mod plan;
#[cfg(test)]
mod tests;

pub use command::{HostingCommand, seat_lease};
pub use config::PlacingConfig;
pub use hosting::{Hosting, Look, Terms};
pub use plan::{Placeable, placements};
