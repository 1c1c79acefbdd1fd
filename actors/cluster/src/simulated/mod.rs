//! A network in memory, for tests: delays, losses and partitions by seed, in virtual time.
//!
//! ```text
//!  links of "a" ── Transport ──▶ SimulatedNetwork: one pipe each way for each connection,
//!  links of "b" ── Transport ──▶ and for each directed pair of addresses its conditions
//! ```
//!
//! It behaves as TCP does: bytes arrive in order or not at all, what is lost comes later, what a
//! partition holds up arrives when it heals, and a writer waits when nobody reads. In a
//! single-threaded runtime with paused time the same seed gives the same run.

mod pipe;
mod stream;
#[cfg(test)]
mod tests;
mod world;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::sleep;

use crate::links::Transport;
use stream::SimulatedTransport;
use world::World;

/// What one direction between two addresses is like.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Conditions {
    /// How long a piece takes at least.
    pub delay: Duration,
    /// How much longer chance lets it take at most.
    pub jitter: Duration,
    /// Probability (0 to 1) that a piece is lost and has to be sent again: it comes 200 ms later,
    /// twice as much when it is lost again, and so on.
    pub loss: f64,
    /// Probability (0 to 1) that a piece breaks its connection.
    pub breakage: f64,
    /// Bytes that get through in a second; all at once when absent.
    pub bytes_per_second: Option<u64>,
}

impl Conditions {
    /// A delay that is always the same.
    #[must_use]
    pub fn delayed(delay: Duration) -> Self {
        Self { delay, ..Self::default() }
    }
}

/// A network in memory. Clones are the same network.
#[derive(Clone)]
pub struct SimulatedNetwork {
    world: Arc<Mutex<World>>,
}

impl SimulatedNetwork {
    /// A network without delay or loss.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { world: Arc::new(Mutex::new(World::new(seed))) }
    }

    /// The transport of the node that listens at `address`.
    #[must_use]
    pub fn transport(&self, address: &str) -> Arc<dyn Transport> {
        Arc::new(SimulatedTransport::new(Arc::clone(&self.world), address.into()))
    }

    /// Sets what all directions are like that have no conditions of their own.
    pub fn set_all(&self, conditions: Conditions) {
        self.world.lock().usual = conditions;
    }

    /// Sets what the direction between two addresses is like.
    pub fn set_path(&self, from: &str, to: &str, conditions: Conditions) {
        self.world.lock().conditions.insert((from.into(), to.into()), conditions);
    }

    /// Lets nothing through from one address to the other until it is unblocked; the other
    /// direction stays as it is.
    pub fn block(&self, from: &str, to: &str) {
        self.world.lock().block(from, to, true);
    }

    /// Lets bytes through again.
    pub fn unblock(&self, from: &str, to: &str) {
        self.world.lock().block(from, to, false);
    }

    /// Lets nothing through between two groups of addresses, either way.
    pub fn partition(&self, left: &[&str], right: &[&str]) {
        let mut world = self.world.lock();
        for (a, b) in left.iter().flat_map(|a| right.iter().map(move |b| (*a, *b))) {
            world.block(a, b, true);
            world.block(b, a, true);
        }
    }

    /// Lets nothing through between an address and all others, as when its node freezes.
    pub fn isolate(&self, address: &str) {
        self.world.lock().isolate(address, true);
    }

    /// Ends [`SimulatedNetwork::isolate`].
    pub fn rejoin(&self, address: &str) {
        self.world.lock().isolate(address, false);
    }

    /// Ends all partitions, blocks and isolations.
    pub fn heal(&self) {
        self.world.lock().heal();
    }

    /// Ends the node at `address` as when its process is killed: its connections break, and
    /// nobody listens there until it listens again.
    pub fn kill(&self, address: &str) {
        self.world.lock().kill(address);
    }

    /// Breaks all connections between two addresses.
    pub fn cut(&self, left: &str, right: &str) {
        self.world.lock().cut(left, right);
    }

    /// Blocks both directions between two addresses for `period`, then lets bytes through for
    /// `period`, and so on, `times` times.
    pub async fn flap(&self, left: &str, right: &str, period: Duration, times: u32) {
        for _ in 0..times {
            self.partition(&[left], &[right]);
            sleep(period).await;
            self.unblock(left, right);
            self.unblock(right, left);
            sleep(period).await;
        }
    }

    /// Bytes that the node at `address` has sent.
    #[must_use]
    pub fn sent_bytes(&self, address: &str) -> u64 {
        self.world.lock().sent.get(address).copied().unwrap_or(0)
    }

    /// Connections that stand.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.world.lock().connections()
    }
}

impl std::fmt::Debug for SimulatedNetwork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimulatedNetwork").finish_non_exhaustive()
    }
}
