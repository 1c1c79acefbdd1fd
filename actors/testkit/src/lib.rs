//! What tests of actors need: probes, virtual time, seeds that are printed, faults on a plan.
//!
//! ```text
//!  actor under test ──▶ Probe (an address whose messages the test awaits)
//!        │  time        ◀── VirtualTime (tokio's paused time, UTC on a fixed epoch)
//!        │  randomness  ◀── Seed (SYNOD_SEED, or random and printed when the test fails)
//!        └─ failures    ◀── Faults (fail the nth call, panic at the kth message, at random)
//! ```
//!
//! Invariants:
//! - Nothing here sleeps on the machine's clock in a paused runtime, and every wait has a deadline.
//! - The same seed gives the same faults and the same random numbers.
#![allow(clippy::panic, reason = "an assertion fails by a panic; only tests link this crate")]

mod eventually;
mod faults;
mod panics;
mod probe;
mod seed;
mod virtual_time;

pub use eventually::eventually;
pub use faults::{Faults, InjectedFault};
pub use panics::{ON_PURPOSE, silence_provoked_panics};
pub use probe::Probe;
pub use seed::Seed;
pub use virtual_time::VirtualTime;
