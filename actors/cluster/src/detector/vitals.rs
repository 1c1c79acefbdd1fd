//! The signs of life of all nodes, as this node sees them: written by links and membership, read
//! by whoever sends work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::config::DetectorConfig;
use super::phi::PhiAccrual;
use crate::links::HeartbeatListener;
use crate::node::NodeId;

/// Most nodes that are watched; one more is not. Membership has a limit of its own below this.
const MAX_NODES: usize = 16_384;

/// What membership knows of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeVerdict {
    /// A member in good standing.
    Up,
    /// Some member could not reach it.
    Suspect,
    /// Taken for dead, or gone on purpose.
    Down,
}

/// Whether what lives on a node (agents, entries of the registry) may be taken to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeLease {
    /// Yes.
    Held,
    /// Perhaps: it is suspected, or silent for unusually long. Prefer others.
    Doubtful,
    /// No: it is down, has left, or was never heard of.
    Ended,
}

/// The signs of life of one node.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VitalSigns {
    /// Phi of its heartbeats on the link; none while there is no link.
    pub phi: Option<f64>,
    /// Time since its last heartbeat on the link.
    pub silence: Option<Duration>,
    /// What follows for what lives there.
    pub lease: NodeLease,
}

/// A handle on what this node knows of the others' lives; clones share it.
#[derive(Debug, Clone)]
pub struct Vitals {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: DetectorConfig,
    origin: Instant,
    nodes: Mutex<Nodes>,
}

#[derive(Debug, Default)]
struct Nodes {
    /// How late this node's own event loop is: silence of others that is our own fault.
    slack: Duration,
    all: BTreeMap<NodeId, Watched>,
}

#[derive(Debug, Default)]
struct Watched {
    heartbeats: Option<PhiAccrual>,
    verdict: Option<NodeVerdict>,
}

impl Vitals {
    /// Nobody is known yet. `now` is any time not after the first heartbeat.
    #[must_use]
    pub fn new(config: DetectorConfig, now: Instant) -> Self {
        Self { shared: Arc::new(Shared { config, origin: now, nodes: Mutex::default() }) }
    }

    /// The signs of life of `node`; [`NodeLease::Ended`] for one never heard of.
    #[must_use]
    pub fn of(&self, node: NodeId, now: Instant) -> VitalSigns {
        let now = self.since_origin(now);
        let nodes = self.shared.nodes.lock();
        let Some(watched) = nodes.all.get(&node) else {
            return VitalSigns { phi: None, silence: None, lease: NodeLease::Ended };
        };
        let heartbeats = watched.heartbeats.as_ref();
        let phi = heartbeats.map(|detector| detector.phi(now, nodes.slack));
        let silent = phi.is_some_and(|phi| phi >= self.shared.config.threshold);
        let lease = match watched.verdict {
            None | Some(NodeVerdict::Down) => NodeLease::Ended,
            Some(NodeVerdict::Up) if !silent => NodeLease::Held,
            Some(NodeVerdict::Up | NodeVerdict::Suspect) => NodeLease::Doubtful,
        };
        VitalSigns { phi, silence: heartbeats.map(|detector| detector.silence(now)), lease }
    }

    /// Whether what lives on `node` may be taken to live.
    #[must_use]
    pub fn lease(&self, node: NodeId, now: Instant) -> NodeLease {
        self.of(node, now).lease
    }

    /// What membership says of `node` from now on. A node that is down begins anew when it
    /// comes back, so its heartbeats of before are forgotten.
    pub fn judge(&self, node: NodeId, verdict: NodeVerdict) {
        self.watched(node, |watched| {
            watched.verdict = Some(verdict);
            if verdict == NodeVerdict::Down {
                watched.heartbeats = None;
            }
        });
    }

    /// Forgets `node`.
    pub fn forget(&self, node: NodeId) {
        self.shared.nodes.lock().all.remove(&node);
    }

    /// How late this node's own event loop is: that much more silence of others is forgiven.
    pub fn forgive(&self, slack: Duration) {
        self.shared.nodes.lock().slack = slack;
    }

    fn watched(&self, node: NodeId, change: impl FnOnce(&mut Watched)) {
        let mut nodes = self.shared.nodes.lock();
        if nodes.all.len() < MAX_NODES || nodes.all.contains_key(&node) {
            change(nodes.all.entry(node).or_default());
        }
    }

    #[cfg(test)]
    pub(super) fn shared_len(&self) -> usize {
        self.shared.nodes.lock().all.len()
    }

    fn since_origin(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.shared.origin)
    }
}

impl HeartbeatListener for Vitals {
    fn heard(&self, from: NodeId, at: Instant, _round_trip: Option<Duration>) {
        let (config, at) = (self.shared.config, self.since_origin(at));
        self.watched(from, |watched| match &mut watched.heartbeats {
            Some(detector) => detector.heartbeat(at),
            none => *none = Some(PhiAccrual::new(config, at)),
        });
    }

    /// Silence means nothing from now on: a link is also closed when nobody needs it, and what a
    /// broken one means is for membership to find out.
    fn silenced(&self, node: NodeId, _at: Instant) {
        if let Some(watched) = self.shared.nodes.lock().all.get_mut(&node) {
            watched.heartbeats = None;
        }
    }

    fn phi(&self, node: NodeId, at: Instant) -> Option<f64> {
        self.of(node, at).phi
    }
}
