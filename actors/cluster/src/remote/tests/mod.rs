//! Desks of two nodes over a simulated network, in virtual time.

mod breaks;
mod messages;
mod watches;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use synod_runtime::{
    Actor, ActorError, Address, Ask, Context, ExitReason, Metadata, Request, Restart, Spec,
    Strategy, Supervisor, System, WireMessage, requests,
};
use synod_testkit::{Probe, Seed, eventually};

use super::*;
use crate::feed::Listener;
use crate::links::{ClusterIdentity, LinkState, Links, LinksConfig, Peers};
use crate::node::{ClusterId, Incarnation, NodeId, NodeName, NodeRecord, Roles};
use crate::simulated::SimulatedNetwork;

const SECOND: Duration = Duration::from_secs(1);

/// A one-way message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Add(u64);

impl WireMessage for Add {
    const KIND: &'static str = "test.add";
    const VERSION: u16 = 2;
}

/// The same as it was before.
#[derive(Debug, Serialize, Deserialize)]
struct OldAdd(u32);

impl WireMessage for OldAdd {
    const KIND: &'static str = "test.add";
    const VERSION: u16 = 1;
}

/// A request.
#[derive(Debug, Serialize, Deserialize)]
enum Sum {
    Now,
    Never,
    Panic,
}

impl Ask for Sum {
    type Reply = Vec<u64>;
}

impl WireMessage for Sum {
    const KIND: &'static str = "test.sum";
    const VERSION: u16 = 1;
}

enum AdderMessage {
    Add(Add),
    Sum(Request<Sum>),
    Stop,
}

requests!(AdderMessage { Sum(Sum) });

impl From<Add> for AdderMessage {
    fn from(add: Add) -> Self {
        Self::Add(add)
    }
}

/// Keeps what it is told, and with what.
#[derive(Default)]
struct Kept {
    added: Vec<u64>,
    last: Option<Metadata>,
    held: Vec<Request<Sum>>,
}

struct Adder(Arc<Mutex<Kept>>);

impl Actor for Adder {
    type Message = AdderMessage;
    const KIND: &'static str = "adder";

    async fn handle(
        &mut self,
        message: AdderMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        self.0.lock().last = Some(ctx.metadata().clone());
        match message {
            AdderMessage::Add(Add(number)) => self.0.lock().added.push(number),
            AdderMessage::Sum(request) => match request.body {
                Sum::Now => {
                    let added = self.0.lock().added.clone();
                    request.answer(added);
                }
                Sum::Never => self.0.lock().held.push(request),
                Sum::Panic => return Err(ActorError::new("on purpose")),
            },
            AdderMessage::Stop => ctx.stop(),
        }
        Ok(())
    }
}

/// A node with links and a desk.
struct TestNode {
    system: System,
    peers: Peers,
    desk: RemoteDesk,
    record: NodeRecord,
}

fn record(name: &str, id: u64, incarnation: u64) -> NodeRecord {
    NodeRecord {
        id: NodeId(id),
        name: NodeName::parse(name).unwrap(),
        address: name.to_owned(),
        api: None,
        incarnation: Incarnation(incarnation),
        roles: Roles::default(),
        capacity: 100,
        labels: BTreeMap::new(),
    }
}

async fn start(network: &SimulatedNetwork, name: &str, id: u64, config: RemoteConfig) -> TestNode {
    let system = System::builder().entropy(Seed::fixed(id).entropy()).build();
    let identity = Arc::new(ClusterIdentity::new(Some(ClusterId(1))));
    let record = record(name, id, 1);
    let (links, peers) =
        Links::spec(LinksConfig::default(), record.clone(), identity, network.transport(name));
    let (remote, desk) = RemoteDesk::spec(config, peers.clone(), None);
    let root = Supervisor::new(Strategy::OneForOne).child(links).child(remote).into_spec("root");
    system.start(root).await.unwrap();
    TestNode { system, peers, desk, record }
}

/// Two nodes that know one another and are linked.
async fn pair_of(network: &SimulatedNetwork, config: RemoteConfig) -> (TestNode, TestNode) {
    let a = start(network, "a", 1, config).await;
    let b = start(network, "b", 2, config).await;
    a.peers.learn(b.record.clone());
    b.peers.learn(a.record.clone());
    a.is_linked_to(&b).await;
    (a, b)
}

async fn pair() -> (SimulatedNetwork, TestNode, TestNode) {
    let network = SimulatedNetwork::new(1);
    let (a, b) = pair_of(&network, RemoteConfig::default()).await;
    (network, a, b)
}

impl TestNode {
    fn id(&self) -> NodeId {
        self.record.id
    }

    async fn is_linked_to(&self, other: &TestNode) {
        let up = || {
            let views = self.peers.views();
            views.iter().any(|view| view.node == other.id() && view.control == LinkState::Up)
        };
        eventually(up, 20 * SECOND).await;
    }

    /// Starts an adder and offers it as `sum`.
    fn adder(&self, restart: Restart) -> (Address<AdderMessage>, Arc<Mutex<Kept>>) {
        let kept = Arc::<Mutex<Kept>>::default();
        let made = Arc::clone(&kept);
        let spec = Spec::new("adder", move || Adder(Arc::clone(&made))).restart(restart);
        let address = self.system.spawn(spec).unwrap();
        self.desk.offer::<Add, _>("sum", &address).unwrap();
        self.desk.offer_requests::<Sum, _>("sum", &address).unwrap();
        (address, kept)
    }

    fn dead(&self) -> u64 {
        self.system.dead_letters().total()
    }
}
