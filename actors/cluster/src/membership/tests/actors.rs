//! Whole nodes: links, membership and registry as actors over a simulated network.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use synod_runtime::{Address, RestartChild, Strategy, Supervisor, SupervisorMessage, System};
use synod_testkit::{Probe, Seed, eventually};
use tokio::time::Instant;

use super::world::record;
use crate::detector::{DetectorConfig, NodeLease, Vitals};
use crate::feed::Listener;
use crate::links::{ClusterIdentity, Links, LinksConfig, Peers};
use crate::membership::*;
use crate::node::{ClusterId, NodeId, NodeRecord};
use crate::registry::*;
use crate::simulated::{Conditions, SimulatedNetwork};

const SECOND: Duration = Duration::from_secs(1);

struct Whole {
    system: System,
    root: Address<SupervisorMessage>,
    peers: Peers,
    vitals: Vitals,
    membership: Address<MembershipMessage>,
    registry: Address<RegistryMessage>,
    record: NodeRecord,
}

async fn start(network: &SimulatedNetwork, record: NodeRecord) -> Whole {
    let entropy = Seed::fixed(record.id.0 * 1000 + record.incarnation.0).entropy();
    let system = System::builder().entropy(entropy).build();
    let identity = Arc::new(ClusterIdentity::new(Some(ClusterId(1))));
    let transport = network.transport(&record.address);
    let (links, peers) = Links::spec(LinksConfig::default(), record.clone(), identity, transport);
    let vitals = Vitals::new(DetectorConfig::default(), Instant::now());
    let members = Membership::spec(MembershipConfig::default(), peers.clone(), vitals.clone());
    let membership = members.address();
    let sync = RegistrySync::spec(RegistryConfig::default(), peers.clone(), membership.clone());
    let registry = sync.address();
    let supervisor = Supervisor::new(Strategy::OneForOne).child(links).child(members).child(sync);
    let spec = supervisor.into_spec("root");
    let root = spec.address();
    system.start(spec).await.unwrap();
    Whole { system, root, peers, vitals, membership, registry, record }
}

/// Nodes that have joined by the first.
async fn cluster(network: &SimulatedNetwork, count: usize) -> Vec<Whole> {
    network.set_all(Conditions::delayed(Duration::from_millis(1)));
    let mut nodes = Vec::new();
    for place in 0..count {
        nodes.push(start(network, record(place, 1)).await);
    }
    for node in &nodes[1..] {
        node.join().await;
    }
    for node in &nodes {
        node.sees_up(count - 1).await;
    }
    nodes
}

impl Whole {
    async fn join(&self) -> Joined {
        let join = JoinCluster { seeds: vec![record(0, 1).address, record(1, 1).address] };
        self.membership.ask(join, 5 * SECOND).await.unwrap().unwrap()
    }

    async fn view(&self) -> MembershipView {
        self.membership.ask(ShowMembers, SECOND).await.unwrap()
    }

    async fn state(&self, of: NodeId) -> Option<MemberState> {
        let view = self.view().await;
        view.members.iter().find(|member| member.id() == of).map(|member| member.state)
    }

    async fn sees(&self, of: NodeId, state: MemberState, within: Duration) {
        let deadline = Instant::now() + within;
        while self.state(of).await != Some(state) {
            assert!(Instant::now() < deadline, "{of} is {:?}", self.state(of).await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn sees_up(&self, count: usize) {
        let deadline = Instant::now() + 5 * SECOND;
        loop {
            let view = self.view().await;
            if view.members.iter().filter(|member| member.is_up()).count() == count {
                return;
            }
            assert!(Instant::now() < deadline, "{view:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn put(&self, key: &str, value: &'static str) {
        let key = RegistryKey::parse(key).unwrap();
        let put = PutEntry { key, value: Bytes::from_static(value.as_bytes()) };
        self.registry.ask(put, SECOND).await.unwrap().unwrap();
    }

    async fn knows(&self, key: &str, claims: usize) {
        let deadline = Instant::now() + 5 * SECOND;
        let key = RegistryKey::parse(key).unwrap();
        loop {
            let get = GetEntries { key: key.clone() };
            if self.registry.ask(get, SECOND).await.unwrap().len() == claims {
                return;
            }
            assert!(Instant::now() < deadline, "{key} is not known to {}", self.record.id);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn kill(self, network: &SimulatedNetwork) {
        network.kill(&self.record.address);
        self.system.stop(SECOND).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn three_nodes_become_a_cluster_and_know_what_each_says() {
    let network = SimulatedNetwork::new(1);
    let begun = Instant::now();
    let nodes = cluster(&network, 3).await;
    assert!(begun.elapsed() < 2 * SECOND, "{:?}", begun.elapsed());
    nodes[0].put("agent/a", "1").await;
    nodes[1].put("agent/a", "2").await;
    for node in &nodes {
        node.knows("agent/a", 2).await;
    }
    let get = GetEntries { key: RegistryKey::parse("agent/a").unwrap() };
    let found = nodes[2].registry.ask(get, SECOND).await.unwrap();
    assert_eq!(&found[0].value[..], b"2", "the later claim holds");
    let shown = nodes[2].registry.ask(ShowRegistry, SECOND).await.unwrap();
    assert_eq!((shown.entries, shown.peers, shown.malformed), (2, 2, 0));
    let member = nodes[0].view().await.members[0].clone();
    eventually(|| nodes[0].vitals.of(member.id(), Instant::now()).phi.is_some(), SECOND).await;
    assert_eq!(nodes[0].vitals.lease(member.id(), Instant::now()), NodeLease::Held);
}

#[tokio::test(start_paused = true)]
async fn who_listens_hears_of_members_and_entries() {
    let network = SimulatedNetwork::new(2);
    let nodes = cluster(&network, 2).await;
    let (members, entries) = (Probe::new(), Probe::new());
    let listener = Listener::to(&members.address(), |change: MemberChange| change);
    nodes[0].membership.try_send(MembershipMessage::Subscribe(listener)).unwrap();
    let listener = Listener::to(&entries.address(), |change: RegistryChange| change);
    nodes[0].registry.try_send(RegistryMessage::Subscribe(listener)).unwrap();
    assert!(matches!(members.expect().await, MemberChange::Snapshot(all) if all.len() == 1));
    assert!(matches!(entries.expect().await, RegistryChange::Snapshot(all) if all.is_empty()));
    nodes[1].put("x", "1").await;
    assert!(matches!(entries.expect().await, RegistryChange::Put(entry) if entry.node.0 == 2));
    let late = start(&network, record(2, 1)).await;
    late.join().await;
    assert!(matches!(members.expect().await, MemberChange::Up(up) if up.id == NodeId(3)));
    nodes[1].membership.ask(LeaveCluster, SECOND).await.unwrap();
    assert_eq!(members.expect().await, MemberChange::Left(NodeId(2)));
    assert_eq!(entries.expect().await, RegistryChange::Forgotten { node: NodeId(2) });
}

#[tokio::test(start_paused = true)]
async fn a_killed_node_is_missed_and_its_next_start_is_welcome() {
    let network = SimulatedNetwork::new(3);
    let mut nodes = cluster(&network, 3).await;
    nodes[2].put("mine", "1").await;
    nodes[0].knows("mine", 1).await;
    let (killed, id) = (nodes.pop().unwrap(), NodeId(3));
    killed.kill(&network).await;
    let since = Instant::now();
    for node in &nodes {
        node.sees(id, MemberState::Down, 8 * SECOND).await;
        assert_eq!(node.vitals.lease(id, Instant::now()), NodeLease::Ended);
    }
    println!("all know after {:?}", since.elapsed());
    let again = start(&network, record(2, 2)).await;
    again.join().await;
    for node in &nodes {
        node.sees(id, MemberState::Alive, 3 * SECOND).await;
        node.knows("mine", 0).await;
    }
    again.put("mine", "2").await;
    nodes[0].knows("mine", 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_partition_of_whole_nodes_heals() {
    let network = SimulatedNetwork::new(4);
    let nodes = cluster(&network, 4).await;
    network.partition(&["n0:1", "n1:1"], &["n2:1", "n3:1"]);
    nodes[0].sees(NodeId(3), MemberState::Down, 12 * SECOND).await;
    nodes[3].sees(NodeId(1), MemberState::Down, 12 * SECOND).await;
    nodes[0].put("left", "1").await;
    nodes[3].put("right", "2").await;
    tokio::time::sleep(20 * SECOND).await;
    network.heal();
    let since = Instant::now();
    for node in &nodes {
        for other in nodes.iter().filter(|other| other.record.id != node.record.id) {
            node.sees(other.record.id, MemberState::Alive, 20 * SECOND).await;
        }
        node.knows("left", 1).await;
        node.knows("right", 1).await;
    }
    println!("healed after {:?}", since.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_begins_anew_stays_a_member_and_keeps_its_word() {
    let network = SimulatedNetwork::new(5);
    let nodes = cluster(&network, 3).await;
    nodes[0].put("kept", "1").await;
    nodes[2].knows("kept", 1).await;
    for name in ["membership", "registry-sync"] {
        let restart = RestartChild { name: name.into() };
        nodes[0].root.ask(restart, SECOND).await.unwrap().unwrap();
    }
    tokio::time::sleep(15 * SECOND).await;
    for node in &nodes {
        node.sees_up(2).await;
    }
    nodes[0].put("kept", "2").await;
    nodes[0].put("more", "3").await;
    nodes[2].knows("more", 1).await;
    let get = GetEntries { key: RegistryKey::parse("kept").unwrap() };
    let found = nodes[2].registry.ask(get, SECOND).await.unwrap();
    assert_eq!(&found[0].value[..], b"2");
    assert_eq!(nodes[0].peers.own().incarnation, nodes[0].record.incarnation);
}

#[tokio::test(start_paused = true)]
async fn a_node_without_a_seed_of_another_is_told_so() {
    let network = SimulatedNetwork::new(6);
    let node = start(&network, record(0, 1)).await;
    let join = JoinCluster { seeds: vec![record(0, 1).address] };
    let refused = node.membership.ask(join, SECOND).await.unwrap();
    assert_eq!(refused, Err(JoinRefusal::NoSeed));
    assert_eq!(node.view().await.standing, Standing::Alone);
}
