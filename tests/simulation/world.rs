//! All nodes of a simulation, the network between them, and what they were asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use synod::Node;
use synod::config::NodeConfig;
use synod::node::{ClusterParts, Ground, NodeBuilder};
use synod_cluster::simulated::{Conditions, SimulatedNetwork};
use synod_cluster::{Acceptor, BoxedStream, GroupId, GroupView, Transport};
use synod_journal::SimulatedDisk;
use synod_runtime::{SeededEntropy, System};
use synod_testkit::{Seed, VirtualTime};
use tempfile::TempDir;

use crate::agent::Worker;
use crate::facts::Facts;
use crate::witness::{Eye, Planted};

/// How long a node that is killed may take to be gone.
const GONE: Duration = Duration::from_millis(1);

/// Bytes of a disk that has room.
const ROOM: u64 = 1 << 40;

/// A place for a node: its disk, its address, its folder, and the node while it runs.
pub(crate) struct Seat {
    pub(crate) address: String,
    pub(crate) disk: SimulatedDisk,
    pub(crate) time: VirtualTime,
    pub(crate) eye: Eye,
    config: NodeConfig,
    running: Mutex<Option<Arc<Running>>>,
    starts: Mutex<u64>,
}

/// A node from its start to its end.
pub(crate) struct Running {
    system: System,
    alive: Arc<AtomicBool>,
    /// None until it is up.
    node: Mutex<Option<Arc<Node>>>,
}

pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) seats: Vec<Seat>,
    pub(crate) network: SimulatedNetwork,
    pub(crate) facts: Arc<Mutex<Facts>>,
    /// Removed with the world.
    _folder: TempDir,
}

/// What most directions are like while nothing is wrong.
pub(crate) fn usual() -> Conditions {
    let delay = Duration::from_micros(300);
    Conditions { delay, jitter: Duration::from_micros(700), ..Conditions::default() }
}

impl World {
    /// So many nodes, none of which runs yet.
    pub(crate) fn new(seed: u64, nodes: usize, planted: Planted) -> Arc<Self> {
        let folder = folder();
        let facts = Arc::new(Mutex::new(Facts::new()));
        let network = SimulatedNetwork::new(seed);
        network.set_all(usual());
        let addresses: Vec<String> = (1..=nodes).map(|node| format!("node-{node}:7967")).collect();
        let seats = (0..nodes).map(|node| {
            let mut config = config(&addresses);
            config.cluster.consensus.pre_vote = planted != Planted::NoPreVote;
            config.node.name = format!("node-{}", node + 1);
            config.node.data_folder = folder.path().join(&config.node.name);
            let disk = SimulatedDisk::new(Seed::fixed(seed).round(node as u64).value());
            if planted == Planted::SkippedSync {
                disk.skip_syncs();
            }
            let eye = Eye::new(node, Arc::clone(&facts), planted);
            Seat {
                address: addresses[node].clone(),
                disk,
                time: VirtualTime::new(),
                eye,
                config,
                running: Mutex::new(None),
                starts: Mutex::new(0),
            }
        });
        let seats = seats.collect();
        Arc::new(Self { seed, seats, network, facts, _folder: folder })
    }

    pub(crate) fn note(&self, what: impl AsRef<str>) {
        self.facts.lock().note(what);
    }

    pub(crate) fn broken(&self, what: impl AsRef<str>) {
        self.facts.lock().broken(what);
    }

    /// Begins to start a node; what becomes of it shows later.
    pub(crate) fn start(self: &Arc<Self>, node: usize) {
        let seat = &self.seats[node];
        let start = {
            let mut starts = seat.starts.lock();
            *starts += 1;
            *starts
        };
        let number = (node as u64) << 32 | start;
        let entropy = SeededEntropy::new(Seed::fixed(self.seed).round(number).value());
        let system = System::builder().clock(seat.time.clone()).entropy(entropy).build();
        let alive = Arc::new(AtomicBool::new(true));
        let transport = Arc::new(Wire {
            inner: self.network.transport(&seat.address),
            alive: Arc::clone(&alive),
        });
        let ground = Ground {
            system: system.clone(),
            disk: seat.disk.clone(),
            transport,
            address: seat.address.clone(),
            witness: Arc::new(seat.eye.clone()),
        };
        let running = Arc::new(Running { system, alive, node: Mutex::new(None) });
        *seat.running.lock() = Some(Arc::clone(&running));
        let facts = Arc::clone(&self.facts);
        let builder = NodeBuilder::new()
            .agent(move || Worker::new(node, Arc::clone(&facts)))
            .config(seat.config.clone())
            .without_http()
            .on(ground);
        self.note(format!("node {node} starts"));
        let world = Arc::clone(self);
        tokio::spawn(async move {
            match builder.start().await {
                Ok(node) => *running.node.lock() = Some(Arc::new(node)),
                Err(why) => {
                    if running.alive.swap(false, Ordering::Relaxed) {
                        world.note(format!("node {node} did not start: {why}"));
                    }
                }
            }
        });
    }

    /// The power of a node goes: what it had not synced may be lost.
    pub(crate) async fn kill(&self, node: usize) {
        let seat = &self.seats[node];
        let Some(running) = seat.running.lock().take() else { return };
        self.note(format!("node {node} is killed"));
        running.alive.store(false, Ordering::Relaxed);
        seat.disk.crash();
        self.network.kill(&seat.address);
        *seat.eye.parts.lock() = None;
        // It can't end in order any more; whatever it still does reaches no disk and no other.
        let _ended = running.system.stop(GONE).await;
        self.network.kill(&seat.address);
    }

    /// Whether a node runs, or is starting.
    pub(crate) fn runs(&self, node: usize) -> bool {
        let running = self.seats[node].running.lock();
        running.as_ref().is_some_and(|running| running.alive.load(Ordering::Relaxed))
    }

    pub(crate) fn node(&self, node: usize) -> Option<Arc<Node>> {
        let running = self.seats[node].running.lock();
        running.as_ref().and_then(|running| running.node.lock().clone())
    }

    /// Whether a node has ended by itself.
    pub(crate) fn has_ended(&self, node: usize) -> bool {
        let gone = self.node(node).is_some_and(|node| node.ended().now_or_never().is_some());
        let refused = self.seats[node].running.lock().is_some() && !self.runs(node);
        gone || refused
    }

    pub(crate) fn parts(&self, node: usize) -> Option<ClusterParts> {
        self.seats[node].eye.parts.lock().clone().filter(|_| self.runs(node))
    }

    /// How a group looks from a node that runs.
    pub(crate) fn view(&self, node: usize, group: u32) -> Option<GroupView> {
        self.parts(node).map(|parts| parts.groups.view(GroupId(group)))
    }

    /// The node that takes the work, by its own account.
    pub(crate) fn leader(&self, group: u32) -> Option<usize> {
        let leads = |node: &usize| self.view(*node, group).is_some_and(|view| view.accepts());
        (0..self.seats.len()).find(leads)
    }

    /// Nothing is wrong any more: everything gets through, disks have room and are fast, and all
    /// nodes run.
    pub(crate) async fn heal(self: &Arc<Self>) {
        self.note("everything is well again");
        self.network.heal();
        self.network.set_all(usual());
        for node in 0..self.seats.len() {
            let seat = &self.seats[node];
            *seat.eye.slow.lock() = Duration::ZERO;
            seat.disk.set_free_bytes(ROOM);
            if !self.runs(node) {
                self.kill(node).await;
                self.start(node);
            }
        }
    }
}

/// A folder for the few files that are not on the simulated disks.
fn folder() -> TempDir {
    let made = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    made.expect("a folder for temporary files")
}

/// Small limits, so that all of them are met.
fn config(seeds: &[String]) -> NodeConfig {
    let mut config = NodeConfig::default();
    config.node.shutdown_s = 1;
    config.cluster.enabled = true;
    config.cluster.seeds = seeds.to_vec();
    config.cluster.join_timeout_s = 600;
    config.journal.segment_bytes = 4 << 20;
    config.journal.max_group_bytes = 2 << 20;
    config.journal.reserve_bytes = 0;
    config
}

/// A node's way to the network, which ends with the node.
struct Wire {
    inner: Arc<dyn Transport>,
    alive: Arc<AtomicBool>,
}

impl Wire {
    fn check(&self) -> std::io::Result<()> {
        let alive = self.alive.load(Ordering::Relaxed);
        alive.then_some(()).ok_or_else(|| std::io::ErrorKind::NetworkDown.into())
    }
}

impl Transport for Wire {
    fn connect<'a>(&'a self, address: &'a str) -> BoxFuture<'a, std::io::Result<BoxedStream>> {
        async move {
            self.check()?;
            let stream = self.inner.connect(address).await?;
            self.check()?;
            Ok(stream)
        }
        .boxed()
    }

    fn listen(&self) -> BoxFuture<'_, std::io::Result<Box<dyn Acceptor>>> {
        async move {
            self.check()?;
            self.inner.listen().await
        }
        .boxed()
    }
}
