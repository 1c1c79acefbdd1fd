//! Nodes with a journal, on virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use synod_journal::{JournalActor, JournalConfig, SimulatedDisk};
use synod_runtime::{Address, SeededEntropy, Strategy, Supervisor, System};
use synod_testkit::{Seed, VirtualTime};

use super::super::{
    Alone, Edit, ListShared, ReadShared, Scalar, SharedChange, SharedConfig, SharedDelivery,
    SharedError, SharedListener, SharedMessage, SharedState, SharedValue, ShowShared, Spread,
    WriteShared,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// The ways between nodes; some may be cut.
#[derive(Default)]
struct Network {
    nodes: Mutex<BTreeMap<u64, Address<SharedMessage>>>,
    cut_off: Mutex<Option<u64>>,
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
        let cut_off = *self.network.cut_off.lock();
        if cut_off == Some(to) || cut_off == Some(self.own) {
            return;
        }
        if let Some(node) = self.network.nodes.lock().get(&to) {
            drop(node.try_send(SharedMessage::Heard { from: self.own, bytes }));
        }
    }
}

struct Node {
    system: System,
    shared: Address<SharedMessage>,
}

impl Node {
    async fn start(seed: u64, disk: &SimulatedDisk, spread: Arc<dyn Spread>) -> Self {
        let entropy = SeededEntropy::new(seed);
        let system = System::builder().clock(VirtualTime::new()).entropy(entropy).build();
        let config = JournalConfig {
            segment_bytes: 2 << 20,
            max_group_bytes: 1 << 20,
            max_record_bytes: 768 << 10,
            reserve_bytes: 0,
            ..JournalConfig::default()
        };
        let journal = JournalActor::simulated(config, disk.clone());
        let config = SharedConfig { snapshot_s: 3600, ..SharedConfig::default() };
        let shared = SharedState::spec(config, journal.address(), spread);
        let address = shared.address();
        let root = Supervisor::new(Strategy::RestForOne).child(journal).child(shared);
        system.start(root.into_spec("node")).await.unwrap();
        Self { system, shared: address }
    }

    async fn write(&self, edit: Edit) -> Result<(), SharedError> {
        let write = WriteShared { document: "board".into(), edits: vec![edit] };
        self.shared.ask(write, PATIENCE).await.unwrap().map(drop)
    }

    async fn get(&self, key: &str) -> Option<SharedValue> {
        let read = self.shared.ask(ReadShared::whole("board"), PATIENCE).await.unwrap().unwrap();
        read.and_then(|view| view.values.get(key).cloned())
    }
}

fn count(by: i64) -> Edit {
    Edit::Count { key: "n".into(), by }
}

#[tokio::test(start_paused = true)]
async fn a_node_alone_reads_and_writes_and_keeps_what_it_answered_for() {
    let seed = Seed::from_env();
    let disk = SimulatedDisk::new(seed.value());
    let node = Node::start(seed.value(), &disk, Arc::new(Alone)).await;
    let told = Arc::new(Mutex::new(Vec::<SharedChange>::new()));
    let listener = {
        let told = Arc::clone(&told);
        SharedListener::new(move |change| {
            told.lock().push(change);
            SharedDelivery::Taken
        })
    };
    node.shared.send(SharedMessage::Subscribe(listener)).await.unwrap();
    let writes = (0..100).map(|_| node.write(count(1)));
    for written in futures::future::join_all(writes).await {
        written.unwrap();
    }
    let syncs = disk.syncs();
    assert!(syncs < 50, "{syncs} syncs: writes that wait go together");
    assert_eq!(told.lock().len(), 100);
    assert_eq!(told.lock()[0].keys, ["n"]);
    disk.crash();
    node.system.stop(PATIENCE).await.ok();

    let node = Node::start(seed.value() + 1, &disk, Arc::new(Alone)).await;
    assert_eq!(node.get("n").await, Some(SharedValue::Counter(100)));
    node.write(count(-1)).await.unwrap();
    assert_eq!(node.get("n").await, Some(SharedValue::Counter(99)));
    let list = ListShared { after: String::new(), limit: 10 };
    let listed = node.shared.ask(list, PATIENCE).await.unwrap();
    assert_eq!((listed.len(), listed[0].keys), (1, 1));
    node.system.stop(PATIENCE).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_write_that_the_journal_does_not_take_has_changed_nothing() {
    let seed = Seed::from_env();
    let disk = SimulatedDisk::new(seed.value());
    let node = Node::start(seed.value(), &disk, Arc::new(Alone)).await;
    node.write(count(7)).await.unwrap();
    disk.set_free_bytes(0);
    let large = || Edit::Set { key: "x".into(), value: Scalar::text("x".repeat(60_000)) };
    let mut refused = None;
    for _ in 0..200 {
        if let Err(error) = node.write(large()).await {
            refused = Some(error);
            break;
        }
    }
    assert!(matches!(refused, Some(SharedError::NotDurable(_))), "{refused:?}");
    let unknown = node.write(Edit::Remove { key: "never".into() }).await;
    assert_eq!(unknown, Ok(()), "what changes nothing needs no room");
    assert_eq!(node.get("n").await, Some(SharedValue::Counter(7)));
    disk.set_free_bytes(1 << 40);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while node.write(count(1)).await.is_err() {
        assert!(tokio::time::Instant::now() < deadline, "it goes on once there is room");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(node.get("n").await, Some(SharedValue::Counter(8)));
    node.system.stop(PATIENCE).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_board_survives_a_partition_and_both_sides_write_on() {
    let seed = Seed::from_env();
    let network = Arc::new(Network::default());
    let mut nodes = Vec::new();
    for own in 1..=3u64 {
        let way = Arc::new(Way { own, network: Arc::clone(&network) });
        let disk = SimulatedDisk::new(seed.value() + own);
        let node = Node::start(seed.value() + own, &disk, way).await;
        network.nodes.lock().insert(own, node.shared.clone());
        nodes.push(node);
    }
    nodes[0].write(count(1)).await.unwrap();
    *network.cut_off.lock() = Some(3);
    let put = |text: &str| Edit::Put { key: "goal".into(), value: Scalar::text(text) };
    nodes[0].write(put("left")).await.unwrap();
    nodes[2].write(put("right")).await.unwrap();
    nodes[2].write(count(10)).await.unwrap();
    assert_eq!(
        nodes[2].get("goal").await,
        Some(SharedValue::Versions(vec![Scalar::text("right")]))
    );
    tokio::time::sleep(Duration::from_secs(5)).await;
    *network.cut_off.lock() = None;
    let both = Some(SharedValue::Versions(vec![Scalar::text("left"), Scalar::text("right")]));
    let deadline = tokio::time::Instant::now() + PATIENCE;
    for node in &nodes {
        while node.get("goal").await != both
            || node.get("n").await != Some(SharedValue::Counter(11))
        {
            assert!(tokio::time::Instant::now() < deadline);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    let health = nodes[0].shared.ask(ShowShared, PATIENCE).await.unwrap();
    assert_eq!((health.peers, health.malformed, health.refused, health.waiting), (2, 0, 0, 0));
    for node in nodes {
        node.system.stop(PATIENCE).await.unwrap();
    }
}
