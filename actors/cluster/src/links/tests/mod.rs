//! Nodes with links over a simulated network, in virtual time.

mod breaks;
mod calls;
mod flow;
mod greetings;
mod hostile;
mod tcp;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use synod_runtime::{Strategy, Supervisor, System};
use synod_testkit::{Seed, eventually};

use super::*;
use crate::node::{ClusterId, Incarnation, NodeId, NodeName, NodeRecord, Roles};
use crate::simulated::SimulatedNetwork;
use crate::wire::Service;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// A node that has nothing but links.
struct TestNode {
    system: System,
    peers: Peers,
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

/// Starts the node of `record`, of cluster 1, over a transport.
async fn start_over(
    transport: Arc<dyn Transport>,
    record: NodeRecord,
    config: LinksConfig,
    cluster: Option<ClusterId>,
) -> TestNode {
    let entropy = Seed::fixed(record.id.0).entropy();
    let system = System::builder().entropy(entropy).build();
    let identity = Arc::new(ClusterIdentity::new(cluster));
    let (spec, peers) = Links::spec(config, record.clone(), identity, transport);
    let root = Supervisor::new(Strategy::OneForOne).child(spec).into_spec("root");
    system.start(root).await.unwrap();
    TestNode { system, peers, record }
}

async fn start_with(
    network: &SimulatedNetwork,
    name: &str,
    id: u64,
    config: LinksConfig,
) -> TestNode {
    let transport = network.transport(name);
    start_over(transport, record(name, id, 1), config, Some(ClusterId(1))).await
}

async fn start(network: &SimulatedNetwork, name: &str, id: u64) -> TestNode {
    start_with(network, name, id, LinksConfig::default()).await
}

/// Two nodes that know one another.
async fn pair(network: &SimulatedNetwork, config: LinksConfig) -> (TestNode, TestNode) {
    let a = start_with(network, "a", 1, config.clone()).await;
    let b = start_with(network, "b", 2, config).await;
    a.peers.learn(b.record.clone());
    b.peers.learn(a.record.clone());
    (a, b)
}

impl TestNode {
    fn id(&self) -> NodeId {
        self.record.id
    }

    fn view(&self, of: &TestNode) -> LinkView {
        let views = self.peers.views();
        views.into_iter().find(|view| view.node == of.id()).unwrap()
    }

    async fn is_linked_to(&self, other: &TestNode) {
        eventually(|| self.view(other).control == LinkState::Up, 10 * SECOND).await;
    }

    async fn call(&self, to: &TestNode, service: Service, body: &str) -> Result<Bytes, LinkError> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        self.peers.call(to.id(), service, body, SECOND).await
    }
}

/// Answers each call with its body, and keeps what it hears.
#[derive(Default)]
struct Echo {
    heard: Mutex<Vec<(NodeId, Bytes)>>,
}

impl Port for Echo {
    fn cast(&self, from: NodeId, body: Bytes) {
        self.heard.lock().push((from, body));
    }

    fn call(&self, _from: NodeId, body: Bytes, answer: Answer) {
        answer.send(body);
    }
}

/// Keeps all that it is given, and answers nothing, until it is told to let go.
#[derive(Default)]
struct Hoard {
    credits: Mutex<Vec<Credit>>,
    answers: Mutex<Vec<Answer>>,
}

impl Hoard {
    fn let_go(&self) {
        self.credits.lock().clear();
        self.answers.lock().clear();
    }

    fn casts(&self) -> usize {
        self.credits.lock().len()
    }

    fn calls(&self) -> usize {
        self.answers.lock().len()
    }
}

impl Port for Hoard {
    fn cast(&self, _from: NodeId, _body: Bytes) {}

    fn cast_held(&self, _from: NodeId, _body: Bytes, credit: Credit) {
        self.credits.lock().push(credit);
    }

    fn call(&self, _from: NodeId, _body: Bytes, answer: Answer) {
        self.answers.lock().push(answer);
    }
}

fn body(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}
