//! Shared state: updates of one node, and what a replica costs the network.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use parking_lot::Mutex;
use synod_coordination::sync::{
    Alone, Edit, ReadShared, Scalar, SharedConfig, SharedMessage, SharedState, Spread, WriteShared,
};
use synod_journal::{JournalActor, JournalConfig, SimulatedDisk};
use synod_runtime::{Address, Strategy, Supervisor, System};

use crate::LONG;
use crate::figures::{
    Round, Stopwatch, each_awaited, latencies, latency, load, rate, rates, rounds, share_of,
};

const WRITERS: usize = 64;
/// Keys that are written to again and again, and bytes of a value.
const KEYS: u64 = 1_000;
const VALUE: usize = 64;

pub(crate) async fn print(folder: &Path) {
    let folder = folder.join("shared");
    std::fs::create_dir_all(&folder).expect("a folder");
    let journal = JournalActor::spec(JournalConfig::default(), folder);
    let node = Node::start(journal, Arc::new(Alone)).await;
    let (mut alone, mut many) = (Vec::new(), Vec::new());
    for _ in 0..rounds() {
        alone.push(each_awaited(share_of(2_000), async |at| node.write(at).await).await);
        many.push(side_by_side(&node, share_of(50_000)).await);
    }
    node.system.stop(LONG).await.expect("an orderly end");
    latencies("Shared state: an update of 64 bytes, on the disk");
    latency("one writer, one node", "", &alone);
    rates("Shared state: updates of one node, on the disk", "updates");
    rate(&format!("{WRITERS} writers"), "", &many);
    print_bytes().await;
}

async fn side_by_side(node: &Node, count: u64) -> Round {
    let watch = Stopwatch::start();
    stream::iter(0..count).for_each_concurrent(WRITERS, async |at| node.write(at).await).await;
    watch.stop(Vec::new(), count)
}

/// What goes over the network for an update until all have it.
async fn print_bytes() {
    println!("\n## Shared state: bytes on the wire for an update of {VALUE} bytes\n");
    println!(
        "| replicas | written | bytes an update | a replica beside the writer | ms until all had \
         all | load |"
    );
    println!("|--:|---|--:|--:|--:|--:|");
    for replicas in [2, 3, 8] {
        for at_once in [1, WRITERS] {
            let count = share_of(2_000);
            let (bytes, late) = spread(replicas, at_once, count).await;
            let each = bytes as f64 / count as f64;
            let beside = each / (replicas - 1) as f64;
            let late = late.as_secs_f64() * 1e3;
            println!(
                "| {replicas} | {at_once} at a time | {each:.0} | {beside:.0} | {late:.1} | {} |",
                load()
            );
        }
    }
    println!("\nUntil all had all: from the answer to the last write on.");
}

/// So many updates on one of the nodes, until all have them: the bytes, and how long after the
/// last answer.
async fn spread(replicas: u64, at_once: usize, count: u64) -> (u64, Duration) {
    let network = Arc::new(Network::default());
    let mut nodes = Vec::new();
    for own in 0..replicas {
        let way = Arc::new(Way { own, network: Arc::clone(&network) });
        let journal = JournalActor::simulated(JournalConfig::default(), SimulatedDisk::new(own));
        let node = Node::start(journal, way).await;
        network.nodes.lock().insert(own, node.shared.clone());
        nodes.push(node);
    }
    let first = &nodes[0];
    stream::iter(0..count).for_each_concurrent(at_once, async |at| first.write(at).await).await;
    let begun = Instant::now();
    let aim = first.fingerprint().await;
    for node in &nodes[1..] {
        while node.fingerprint().await != aim {
            assert!(begun.elapsed() < LONG, "they never came to the same state");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let (late, bytes) = (begun.elapsed(), network.bytes.load(Ordering::Relaxed));
    for node in nodes {
        node.system.stop(LONG).await.expect("an orderly end");
    }
    (bytes, late)
}

struct Node {
    system: System,
    shared: Address<SharedMessage>,
}

impl Node {
    async fn start(journal: synod_runtime::Spec<JournalActor>, spread: Arc<dyn Spread>) -> Self {
        let system = System::builder().build();
        let shared = SharedState::spec(SharedConfig::default(), journal.address(), spread);
        let address = shared.address();
        let root = Supervisor::new(Strategy::RestForOne).child(journal).child(shared);
        system.start(root.into_spec("node")).await.expect("a node");
        Self { system, shared: address }
    }

    async fn write(&self, at: u64) {
        let value = Scalar::text(format!("{at:0VALUE$}"));
        let edits = vec![Edit::Set { key: format!("key-{}", at % KEYS), value }];
        let write = WriteShared { document: "board".to_owned(), edits };
        self.shared.ask(write, LONG).await.expect("an answer").expect("a write");
    }

    async fn fingerprint(&self) -> Option<String> {
        let read = ReadShared { limit: 1, ..ReadShared::whole("board") };
        let view = self.shared.ask(read, LONG).await.expect("an answer").expect("a name");
        view.map(|view| view.fingerprint)
    }
}

/// The ways between the nodes, and what went over them.
#[derive(Default)]
struct Network {
    nodes: Mutex<BTreeMap<u64, Address<SharedMessage>>>,
    bytes: AtomicU64,
}

struct Way {
    own: u64,
    network: Arc<Network>,
}

impl Spread for Way {
    fn peers(&self) -> Vec<u64> {
        self.network.nodes.lock().keys().copied().filter(|node| *node != self.own).collect()
    }

    fn send(&self, to: u64, bytes: Bytes) {
        self.network.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if let Some(node) = self.network.nodes.lock().get(&to) {
            // Without room it is lost, as on a network; rounds make good for it.
            let _ = node.try_send(SharedMessage::Heard { from: self.own, bytes });
        }
    }
}
