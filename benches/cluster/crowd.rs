//! A crowd of nodes, each with links and membership as a real node has them, over a simulated
//! network in virtual time.

use std::sync::Arc;
use std::time::Duration;

use synod_cluster::simulated::{Conditions, SimulatedNetwork};
use synod_cluster::{
    ClusterId, ClusterIdentity, DetectorConfig, JoinCluster, Links, LinksConfig, Membership,
    MembershipConfig, MembershipMessage, NodeId, NodeRecord, Peers, ShowMembers, Vitals,
};
use synod_runtime::{Address, SeededEntropy, Strategy, Supervisor, System};
use tokio::time::{Instant, sleep};

use crate::links::record;

const SIZES: [u64; 2] = [100, 500];
/// So many are watched for the first to know.
const SOME: usize = 20;
const WITHIN: Duration = Duration::from_secs(20);
/// Virtual time in which messages are counted.
const COUNTED: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(120);

/// A node of the crowd.
struct One {
    system: System,
    peers: Peers,
    membership: Address<MembershipMessage>,
}

/// What a crowd did; virtual time.
struct Seen {
    membership: Duration,
    first_miss: Duration,
    all_miss: Duration,
    messages: f64,
    bytes: f64,
    real: Duration,
}

pub(crate) fn measure() {
    println!("## A crowd of nodes, simulated: virtual seconds\n");
    println!(
        "| nodes | to full membership | crash: first of 20 to know | all know \
         | messages/s a node | bytes/s a node | real s |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|");
    for size in SIZES {
        let mut paused = tokio::runtime::Builder::new_current_thread();
        let runtime = paused.enable_all().start_paused(true).build().expect("a runtime");
        let seen = runtime.block_on(crowd(size));
        println!(
            "| {size} | {:.2} | {:.2} | {:.2} | {:.1} | {:.0} | {:.1} |",
            seen.membership.as_secs_f64(),
            seen.first_miss.as_secs_f64(),
            seen.all_miss.as_secs_f64(),
            seen.messages,
            seen.bytes,
            seen.real.as_secs_f64(),
        );
    }
    println!();
}

async fn crowd(size: u64) -> Seen {
    let (real, network) = (std::time::Instant::now(), SimulatedNetwork::new(size));
    network.set_all(Conditions::delayed(Duration::from_millis(1)));
    let begun = Instant::now();
    let mut nodes = Vec::new();
    for number in 1..=size {
        nodes.push(start(&network, number).await);
    }
    let joins = nodes[1..].iter().map(|node| {
        let membership = node.membership.clone();
        tokio::spawn(async move {
            let seeds = (1..=3).map(address).collect();
            let joined = membership.ask(JoinCluster { seeds }, PATIENCE).await;
            joined.expect("an answer").expect("a member");
        })
    });
    for join in joins.collect::<Vec<_>>() {
        join.await.expect("it joins");
    }
    let others = nodes.len() - 1;
    until_each(&nodes, |alive| alive.len() == others).await;
    let membership = begun.elapsed();
    let (messages, bytes) = traffic(&network, &nodes).await;
    let last = nodes.pop().expect("a node");
    network.kill(&last.peers.own().address);
    let died = Instant::now();
    // Whatever it still does reaches nobody.
    let _ = last.system.stop(Duration::from_millis(1)).await;
    let gone = last.peers.own().id;
    let knows = |alive: &[NodeId]| !alive.contains(&gone);
    // To look at all of them all the time would take longer than all that they do.
    until_one(&nodes[..SOME], knows).await;
    let first_miss = died.elapsed();
    until_each(&nodes, knows).await;
    let all_miss = died.elapsed();
    Seen { membership, first_miss, all_miss, messages, bytes, real: real.elapsed() }
}

fn address(number: u64) -> String {
    format!("n{number}:1")
}

async fn start(network: &SimulatedNetwork, number: u64) -> One {
    let own: NodeRecord = record(&format!("n{number}"), NodeId(number), address(number));
    let system = System::builder().entropy(Arc::new(SeededEntropy::new(number))).build();
    let identity = Arc::new(ClusterIdentity::new(Some(ClusterId(1))));
    let transport = network.transport(&own.address);
    let (links, peers) = Links::spec(LinksConfig::default(), own, identity, transport);
    let vitals = Vitals::new(DetectorConfig::default(), Instant::now());
    let members = Membership::spec(MembershipConfig::default(), peers.clone(), vitals);
    let membership = members.address();
    let root = Supervisor::new(Strategy::OneForOne).child(links).child(members);
    system.start(root.into_spec("root")).await.expect("a node");
    One { system, peers, membership }
}

/// Waits until what each of these nodes takes to be alive is as it should be.
async fn until_each(nodes: &[One], holds: impl Fn(&[NodeId]) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    for node in nodes {
        while !holds(&alive(node).await) {
            assert!(Instant::now() < deadline, "it does not come to that");
            sleep(LOOK).await;
        }
    }
}

/// Waits until that is so of one of these nodes.
async fn until_one(nodes: &[One], holds: impl Fn(&[NodeId]) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        for node in nodes {
            if holds(&alive(node).await) {
                return;
            }
        }
        assert!(Instant::now() < deadline, "it does not come to that");
        sleep(LOOK).await;
    }
}

/// Whom a node takes to be alive.
async fn alive(node: &One) -> Vec<NodeId> {
    let view = node.membership.ask(ShowMembers, WITHIN).await.expect("a view");
    view.members.iter().filter(|member| member.is_up()).map(|member| member.id()).collect()
}

/// Messages and bytes that a node sends in a second when nothing happens.
async fn traffic(network: &SimulatedNetwork, nodes: &[One]) -> (f64, f64) {
    let count = || {
        let of = |node: &One| node.peers.views().iter().map(|view| view.sent).sum::<u64>();
        let messages: u64 = nodes.iter().map(of).sum();
        let bytes = |node: &One| network.sent_bytes(&node.peers.own().address);
        (messages, nodes.iter().map(bytes).sum::<u64>())
    };
    let before = count();
    sleep(COUNTED).await;
    let after = count();
    let each = nodes.len() as f64 * COUNTED.as_secs_f64();
    ((after.0 - before.0) as f64 / each, (after.1 - before.1) as f64 / each)
}
