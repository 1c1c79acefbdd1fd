//! Nodes on simulated disks, and wires between them that can be cut.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use synod_journal::{
    Append, AppendError, Committed, Epoch, Expected, JournalActor, JournalConfig, JournalMessage,
    Partition, Position, ReadStream, Record, RecordKind, SimulatedDisk, StoredRecord, Stream,
};
use synod_runtime::{Address, AskError, SeededEntropy, Strategy, Supervisor, System};
use synod_testkit::VirtualTime;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::consensus::{Consensus, ConsensusConfig, GroupId, GroupView, Groups, Network};
use crate::control::{Control, Overseer, OverseerConfig};
use crate::links::{Answer, LinkError, Port};
use crate::log::GroupLog;
use crate::node::{ClusterId, Incarnation, NodeId, NodeName, NodeRecord, Roles};
use crate::wire::Service;

pub(super) const TASKS: Stream = Stream::new("tasks");
pub(super) const KIND: RecordKind = RecordKind::new("test.happened");
pub(super) const SOON: Duration = Duration::from_secs(30);
pub(super) const G1: GroupId = GroupId(1);

#[derive(Default)]
struct Wired {
    ports: HashMap<(NodeId, Service), Arc<dyn Port>>,
    /// From whom to whom nothing gets through.
    cut: BTreeSet<(NodeId, NodeId)>,
    calls: u64,
}

/// Wires between nodes.
#[derive(Clone, Default)]
pub(super) struct Wires {
    wired: Arc<Mutex<Wired>>,
    delay: Arc<Mutex<Duration>>,
}

struct Plug {
    own: NodeId,
    wires: Wires,
}

impl Wires {
    /// Nothing gets through between these nodes and all others.
    pub(super) fn isolate(&self, nodes: &[NodeId], others: &[NodeId]) {
        let mut wired = self.wired.lock();
        for one in nodes {
            for other in others.iter().filter(|other| !nodes.contains(other)) {
                wired.cut.insert((*one, *other));
                wired.cut.insert((*other, *one));
            }
        }
    }

    pub(super) fn cut_one_way(&self, from: NodeId, to: NodeId) {
        self.wired.lock().cut.insert((from, to));
    }

    pub(super) fn heal(&self) {
        self.wired.lock().cut.clear();
    }

    pub(super) fn set_delay(&self, delay: Duration) {
        *self.delay.lock() = delay;
    }

    fn unplug(&self, node: NodeId) {
        self.wired.lock().ports.retain(|(owner, _), _| *owner != node);
    }

    fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.wired.lock().cut.contains(&(from, to))
    }
}

impl Network for Plug {
    fn call(
        &self,
        to: NodeId,
        service: Service,
        body: Bytes,
        within: Duration,
    ) -> BoxFuture<'static, Result<Bytes, LinkError>> {
        let (own, wires) = (self.own, self.wires.clone());
        Box::pin(async move {
            let deadline = Instant::now() + within;
            let lost = || async move {
                sleep_until(deadline).await;
                Err(LinkError::Deadline)
            };
            let delay = *wires.delay.lock();
            if !delay.is_zero() {
                sleep_until(Instant::now() + delay).await;
            }
            if wires.is_cut(own, to) {
                return lost().await;
            }
            let port = {
                let mut wired = wires.wired.lock();
                wired.calls += 1;
                wired.ports.get(&(to, service)).cloned()
            };
            let Some(port) = port else {
                return Err(LinkError::Unreachable("it is down".to_owned()));
            };
            let (answer, answered) = Answer::local(within);
            port.call(own, body, answer);
            let answer = timeout(within, answered).await;
            if !delay.is_zero() {
                sleep_until(Instant::now() + delay).await;
            }
            if wires.is_cut(to, own) {
                return lost().await;
            }
            match answer {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(LinkError::Unanswered),
                Err(_) => Err(LinkError::Deadline),
            }
        })
    }

    fn serve(&self, service: Service, port: Arc<dyn Port>) {
        self.wires.wired.lock().ports.insert((self.own, service), port);
    }
}

/// A node that runs.
pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) groups: Groups,
    pub(super) control: Control,
    pub(super) journal: Address<JournalMessage>,
    pub(super) overseer: Address<crate::control::OverseerMessage>,
    logs: BTreeMap<GroupId, Address<JournalMessage>>,
    system: System,
}

/// Nodes, their disks, and the wires between them.
pub(super) struct World {
    pub(super) wires: Wires,
    pub(super) config: ConsensusConfig,
    pub(super) overseer: Option<OverseerConfig>,
    pub(super) journal: JournalConfig,
    pub(super) disks: BTreeMap<NodeId, SimulatedDisk>,
    pub(super) nodes: BTreeMap<NodeId, Node>,
    /// Work groups for which each node has a log.
    pub(super) logs: u32,
    clock: VirtualTime,
    starts: u64,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            wires: Wires::default(),
            config: ConsensusConfig::default(),
            overseer: None,
            journal: JournalConfig { segment_bytes: 16 << 20, ..JournalConfig::default() },
            disks: BTreeMap::new(),
            nodes: BTreeMap::new(),
            logs: 1,
            clock: VirtualTime::new(),
            starts: 0,
        }
    }

    /// Starts a node on its disk, which is empty the first time.
    pub(super) async fn start(&mut self, number: u64) -> NodeId {
        self.starts += 1;
        let id = NodeId(number);
        let disk = self.disks.entry(id).or_insert_with(|| SimulatedDisk::new(number));
        // Blobs are as new as the clock says, so that none is swept before its time.
        disk.set_now_us(i64::MAX / 2);
        let journal = JournalActor::simulated(self.journal.clone(), disk.clone());
        let address = journal.address();
        let plug = Arc::new(Plug { own: id, wires: self.wires.clone() });
        let (consensus, groups) = Consensus::spec(self.config.clone(), id, address.clone(), plug);
        let control = Control::new(groups.clone());
        let overseer_config = self.overseer.clone().unwrap_or_default();
        let overseer = Overseer::spec(overseer_config, control.clone());
        let overseer_address = overseer.address();
        let mut root = Supervisor::new(Strategy::OneForOne).child(journal).child(consensus);
        let mut logs = BTreeMap::new();
        for group in (1..=self.logs).map(GroupId) {
            let log = GroupLog::spec(group, &groups);
            logs.insert(group, log.address());
            root = root.child(log);
        }
        if self.overseer.is_some() {
            root = root.child(overseer);
        }
        let entropy = SeededEntropy::new(number * 1_000 + self.starts);
        let system = System::builder().clock(self.clock.clone()).entropy(entropy).build();
        system.start(root.into_spec("root")).await.unwrap();
        let node = Node {
            id,
            groups,
            control,
            journal: address,
            overseer: overseer_address,
            logs,
            system,
        };
        self.nodes.insert(id, node);
        id
    }

    /// Cuts a node's power, or lets it go without a word.
    pub(super) async fn kill(&mut self, id: NodeId) {
        self.disks[&id].crash();
        self.stop(id).await;
    }

    pub(super) async fn stop(&mut self, id: NodeId) {
        self.wires.unplug(id);
        if let Some(node) = self.nodes.remove(&id) {
            let _ = node.system.stop(Duration::from_secs(60)).await;
        }
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[&id]
    }

    pub(super) fn ids(&self) -> Vec<NodeId> {
        self.nodes.keys().copied().collect()
    }

    /// Three nodes, of which all vote in a group.
    pub(super) async fn three(&mut self, group: GroupId) -> [NodeId; 3] {
        let nodes = [self.start(1).await, self.start(2).await, self.start(3).await];
        self.unite(group, &nodes).await;
        nodes
    }

    /// Lets nodes that run vote in a group.
    pub(super) async fn unite(&mut self, group: GroupId, nodes: &[NodeId]) {
        let first = &self.node(nodes[0]).groups;
        first.form(group, SOON).await.unwrap();
        self.wait("the founder leads", |world| world.node(nodes[0]).groups.view(group).accepts())
            .await;
        for other in &nodes[1..] {
            let storage = self.node(*other).groups.storage(SOON).await.unwrap();
            first.add_learner(group, *other, storage, SOON).await.unwrap();
        }
        let voters: BTreeSet<_> = nodes.iter().copied().collect();
        first.change_voters(group, voters, SOON).await.unwrap();
    }

    /// Waits for a condition, for a minute at most.
    pub(super) async fn wait(&self, what: &str, met: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !met(self) {
            let views: Vec<_> = self.nodes.values().map(|node| node.groups.list()).collect();
            assert!(Instant::now() < deadline, "not within a minute: {what}; {views:#?}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// The node that leads a group and takes appends; waits until there is one.
    pub(super) async fn leader(&self, group: GroupId) -> NodeId {
        self.wait("a leader takes appends", |world| world.leaders(group).len() == 1).await;
        self.leaders(group)[0]
    }

    pub(super) fn leaders(&self, group: GroupId) -> Vec<NodeId> {
        let leads = self.nodes.values().filter(|node| node.groups.view(group).accepts());
        leads.map(|node| node.id).collect()
    }

    pub(super) fn views(&self, group: GroupId) -> Vec<GroupView> {
        self.nodes.values().map(|node| node.groups.view(group)).collect()
    }

    /// Waits until all nodes have applied as much as the one that is furthest.
    pub(super) async fn even(&self, group: GroupId) {
        self.wait("all have applied the same", |world| {
            let views = world.views(group);
            views.iter().all(|view| view.applied == views[0].applied && view.applied == view.last)
        })
        .await;
    }

    /// The states of a group are the same on all nodes.
    pub(super) fn assert_same(&self, group: GroupId) {
        let states: Vec<_> = self.nodes.values().map(|node| node.state(group)).collect();
        assert!(states.windows(2).all(|pair| pair[0] == pair[1]), "{states:#?}");
    }
}

pub(super) fn append(text: &str, expected: Expected) -> Append {
    Append {
        partition: Partition::from_low_bits(1),
        stream: TASKS,
        expected,
        epoch: Epoch(1),
        records: vec![Record::new(KIND, 1, text.as_bytes().to_vec())],
    }
}

impl Node {
    pub(super) fn log(&self, group: GroupId) -> &Address<JournalMessage> {
        &self.logs[&group]
    }

    pub(super) async fn append(&self, text: &str) -> Result<Committed, AppendError> {
        self.ask(append(text, Expected::Any)).await
    }

    /// Appends; who waits longer than the log says has found a fault.
    pub(super) async fn ask(&self, append: Append) -> Result<Committed, AppendError> {
        match self.log(G1).ask(append, Duration::from_secs(20)).await {
            Ok(outcome) => outcome,
            Err(error @ AskError::Deadline) => panic!("no answer: {error}"),
            Err(error) => panic!("{error}"),
        }
    }

    pub(super) async fn read(&self) -> Vec<StoredRecord> {
        let mut records = Vec::new();
        let mut after = Position::START;
        loop {
            let (max_records, max_bytes) = (100, 1 << 20);
            let read = ReadStream { stream: TASKS, after, max_records, max_bytes };
            let page = self.log(G1).ask(read, SOON).await.unwrap().unwrap();
            records.extend(page.records);
            match page.next {
                Some(next) => after = next,
                None => return records,
            }
        }
    }

    pub(super) async fn texts(&self) -> Vec<String> {
        let records = self.read().await.into_iter();
        records.map(|record| String::from_utf8(record.bytes.to_vec()).unwrap()).collect()
    }

    /// What is applied here of a group, as text.
    pub(super) fn state(&self, group: GroupId) -> String {
        let replica = self.groups.running(group).unwrap();
        let applied = replica.applied().unwrap();
        let applied = applied.read();
        format!("{:?} {:?}", applied.last, applied.machine)
    }
}

pub(super) fn record(id: NodeId) -> NodeRecord {
    NodeRecord {
        id,
        name: NodeName::parse(&format!("node-{}", id.0)).unwrap(),
        address: format!("127.0.0.1:{}", 7_000 + id.0),
        api: None,
        incarnation: Incarnation(1),
        roles: Roles::default(),
        capacity: 100,
        labels: BTreeMap::new(),
    }
}

pub(super) const CLUSTER: ClusterId = ClusterId(7);
