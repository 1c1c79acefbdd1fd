//! What a node is to do so that it hosts what it should.

use std::time::Duration;

use crate::control::{FencingToken, LeaseName};

/// What is to be done. Each is answered by the method of [`Hosting`](super::Hosting) that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostingCommand {
    /// Take a seat: [`Hosting::acquired`](super::Hosting::acquired).
    Acquire {
        /// Of what.
        name: String,
        /// The lease of the seat.
        lease: LeaseName,
        /// For how long, microseconds.
        for_us: u64,
    },
    /// Renew these leases: [`Hosting::renewed`](super::Hosting::renewed).
    Renew {
        /// Which, and for how long each, microseconds.
        leases: Vec<(LeaseName, u64)>,
    },
    /// Give a seat back: [`Hosting::released`](super::Hosting::released).
    Release {
        /// Of what.
        name: String,
        /// The lease of the seat.
        lease: LeaseName,
        /// The token it was given with.
        token: FencingToken,
    },
    /// Start it: [`Hosting::started`](super::Hosting::started).
    Start {
        /// What.
        name: String,
        /// Which of its instances, from 0.
        slot: u32,
        /// The fence: higher than that of any instance before it in this seat.
        token: FencingToken,
    },
    /// Stop it, and answer when nothing of it runs any more:
    /// [`Hosting::stopped`](super::Hosting::stopped).
    Stop {
        /// What.
        name: String,
        /// The token it was started with; none for what an incarnation before may have left.
        token: Option<FencingToken>,
        /// How long work in hand may take.
        within: Duration,
    },
}

/// The lease of a seat, `placed/<name>/<slot>`; none for a name that a lease can't have.
#[must_use]
pub fn seat_lease(name: &str, slot: u32) -> Option<LeaseName> {
    LeaseName::parse(&format!("placed/{name}/{slot}")).ok()
}
