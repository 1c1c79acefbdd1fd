//! A log of three replicas in three processes, and clients in a fourth: one record a commit.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use synod_cluster::{
    ClusterId, ClusterIdentity, Links, LinksConfig, NodeId, Peers, Service, TcpTransport,
};
use synod_runtime::{Strategy, Supervisor, System};

use crate::Plan;
use crate::etcd::{RECORDED, VALUE};
use crate::far_end::FarEnd;
use crate::figures::Rounds;
use crate::links::record;
use crate::load::asking;
use crate::tasks::CLIENTS;

const WITHIN: Duration = Duration::from_secs(10);

pub(crate) async fn measure(plan: Plan, folder: &Path) {
    let mut figures: [(Rounds, Rounds, Rounds); CLIENTS.len()] = Default::default();
    for round in 0..plan.rounds {
        let (replicas, leader) = replicas(&folder.join(format!("replicas-{round}")));
        let (system, peers) = client().await;
        let met = peers.meet(&leader, WITHIN).await.expect("the leader").id;
        for (clients, (per_s, p50, p99)) in CLIENTS.iter().zip(&mut figures) {
            let peers = peers.clone();
            let sample = asking(*clients, plan.counted, move || commit(peers.clone(), met)).await;
            per_s.add(sample.per_s());
            p50.add(sample.percentile_us(0.5) / 1e3);
            p99.add(sample.percentile_us(0.99) / 1e3);
        }
        drop(replicas);
        // It has nothing left to do, and may take its time.
        let _ = system.stop(Duration::from_secs(1)).await;
    }
    println!("## Commits of {VALUE} bytes: three replicas, clients in a fourth process\n");
    println!("| clients | per s | p50 ms | p99 ms | etcd 3.4.23, {}: per s | p50 ms |", RECORDED.0);
    println!("|--:|--:|--:|--:|--:|--:|");
    for ((clients, (per_s, p50, p99)), etcd) in CLIENTS.iter().zip(&figures).zip(RECORDED.1) {
        println!(
            "| {clients} | {} | {} | {:.2} | {:.0} | {:.2} |",
            per_s.spread(0),
            p50.spread(2),
            p99.median(),
            etcd.0,
            etcd.1,
        );
    }
    println!("\nThe etcd of this machine, if any, stands in the next part.\n");
}

/// Three processes that hold one log; where the first, which leads, is to be reached.
fn replicas(folder: &Path) -> (Vec<FarEnd>, String) {
    let mut replicas: Vec<_> = (1..=3)
        .map(|id| FarEnd::start(&format!("replica {id} {}", folder.join(id.to_string()).display())))
        .collect();
    let said: Vec<_> = replicas.iter_mut().map(FarEnd::hear).collect();
    for replica in &mut replicas {
        for (id, said) in (1..).zip(&said) {
            replica.tell(&format!("know {id} {}", said[0]));
        }
    }
    replicas[0].tell("form");
    for (id, said) in (1..).zip(&said).skip(1) {
        replicas[0].tell(&format!("add {id} {}", said[1]));
    }
    replicas[0].tell("vote");
    (replicas, said[0][0].clone())
}

async fn client() -> (System, Peers) {
    let transport = TcpTransport::plain("127.0.0.1:0").await.expect("a port");
    let own = record("client", NodeId(9), transport.address().to_string());
    let identity = Arc::new(ClusterIdentity::new(Some(ClusterId(1))));
    let (links, peers) = Links::spec(LinksConfig::default(), own, identity, Arc::new(transport));
    let system = System::builder().build();
    let root = Supervisor::new(Strategy::OneForOne).child(links).into_spec("root");
    system.start(root).await.expect("links");
    (system, peers)
}

async fn commit(peers: Peers, leader: NodeId) {
    let body = Bytes::from_static(&[7; VALUE]);
    peers.call(leader, Service::Remote, body, WITHIN).await.expect("a commit");
}
