//! Three nodes on one machine: real processes, real links, kill -9.

mod decisions;
mod failures;
mod growth;
mod joining;
mod messages;
mod network;
mod placed;
mod planned;
mod shared;
mod stream;
mod together;
mod trees;

use std::net::TcpListener;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::client::Client;
use crate::node_process::{NodeProcess, data_folder};

/// Where the cluster is in the API.
const CLUSTER: &str = "/api/v1/cluster";

/// How long a change of the cluster may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// A node of a cluster, and what it needs to be started again.
struct Seat {
    /// Ends first: it shows its log, which is in the folder, when a test has failed.
    node: Option<NodeProcess>,
    folder: TempDir,
    config: String,
}

impl Seat {
    fn start(&mut self) {
        self.node = Some(NodeProcess::start(self.folder.path(), &self.config));
    }

    fn client(&self) -> Client {
        Client::new(&self.node.as_ref().expect("a node that runs").url)
    }
}

impl Seat {
    /// The same node at another address: a copy of its identity in a folder of its own.
    fn twin(&self) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (data_folder(self.folder.path()), data_folder(folder.path()));
        std::fs::create_dir_all(to.join("cluster")).expect("a folder");
        let identity = "cluster/node.toml";
        std::fs::copy(from.join(identity), to.join(identity)).expect("a copy");
        let port = free_ports(1)[0];
        let listens = self.config.lines().find(|line| line.starts_with("listen")).expect("a line");
        let config = self.config.replacen(listens, &format!("listen = \"127.0.0.1:{port}\""), 1);
        Self { folder, config, node: None }
    }
}

/// Some nodes, each with the addresses of all as seeds.
struct Nodes {
    seats: Vec<Seat>,
}

impl Nodes {
    /// Starts so many nodes and waits until they are one cluster; `extra` is the end of the
    /// configuration of each, by its number.
    async fn start(count: usize, extra: impl Fn(usize) -> String) -> Self {
        let mut nodes = Self::planned(count, extra);
        nodes.seats.iter_mut().for_each(Seat::start);
        nodes.until_whole().await;
        nodes
    }

    /// So many nodes that are not started yet.
    fn planned(count: usize, extra: impl Fn(usize) -> String) -> Self {
        let ports = free_ports(count);
        let seeds: Vec<String> = ports.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
        let seats = ports.iter().enumerate().map(|(index, port)| Seat {
            folder: tempfile::tempdir().expect("a folder"),
            config: format!(
                "[cluster]\nenabled = true\nlisten = \"127.0.0.1:{port}\"\nseeds = [{}]\n\
                 [log]\nlevel = \"info\"\n{}",
                seeds.join(", "),
                extra(index)
            ),
            node: None,
        });
        Self { seats: seats.collect() }
    }

    fn client(&self, index: usize) -> Client {
        self.seats[index].client()
    }

    fn running(&self) -> impl Iterator<Item = (usize, &Seat)> {
        self.seats.iter().enumerate().filter(|(_, seat)| seat.node.is_some())
    }

    /// Waits until each node that runs sees a cluster that takes work, in which all that run vote.
    async fn until_whole(&self) {
        let count = self.running().count();
        for (_, seat) in self.running() {
            until(&seat.client(), |view| {
                let groups = view["groups"].as_array().cloned().unwrap_or_default();
                let voters = |group: &Value| group["voters"].as_array().map_or(0, Vec::len);
                view["accepts"] == true
                    && groups.len() == 2
                    && groups.iter().all(|group| voters(group) >= count)
                    && groups.iter().all(|group| group["leader"].is_object())
            })
            .await;
        }
    }

    /// The number of the node that leads a group, as all that run agree.
    async fn leader(&self, group: u64) -> usize {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut seen = Vec::new();
            for (index, seat) in self.running() {
                let (_, view) = seat.client().get(CLUSTER).await;
                let leads = led_by(&view, group);
                seen.push((index, view["node"]["id"].clone(), leads));
            }
            let leader = seen.iter().find(|(_, id, leader)| id == leader);
            if let Some((index, id, _)) = leader
                // One that does not vote need not know.
                && seen.iter().all(|(_, _, leader)| leader == id || leader.is_null())
            {
                return *index;
            }
            assert!(Instant::now() < deadline, "no agreement on a leader: {seen:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A node that runs and does not lead the work.
    async fn follower(&self) -> usize {
        let leader = self.leader(1).await;
        self.running().map(|(index, _)| index).find(|index| *index != leader).expect("a follower")
    }

    /// SIGKILL.
    fn kill(&mut self, index: usize) {
        let mut node = self.seats[index].node.take().expect("a node that runs");
        node.kill();
    }
}

fn led_by(view: &Value, group: u64) -> Value {
    let groups = view["groups"].as_array().cloned().unwrap_or_default();
    let of = groups.into_iter().find(|one| one["group"] == group);
    of.map_or(Value::Null, |group| group["leader"]["id"].clone())
}

/// Asks a node for its view until it is as it should be.
async fn until(client: &Client, holds: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (status, view) = client.get(CLUSTER).await;
        if status == StatusCode::OK && holds(&view) {
            return view;
        }
        assert!(Instant::now() < deadline, "the cluster stays as it is: {view:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Ports that were free a moment ago.
fn free_ports(count: usize) -> Vec<u16> {
    let held: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    held.iter().map(|socket| socket.local_addr().expect("an address").port()).collect()
}
