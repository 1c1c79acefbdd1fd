//! Nodes as processes in networks of their own, over links with certificates: plugs are pulled,
//! packets dropped, nodes frozen and killed. What was acknowledged is done, once.
//!
//! Needs root, `ip`, and `nft` for dropped packets; says what it leaves out.

mod shared;
mod yard;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

use super::{CLUSTER, led_by};
use crate::client::{Client, STATS, TASKS};
use crate::node_process::{NodeProcess, synod};
use yard::{Place, Yard};

/// How long a change of the cluster may take.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_lose_nothing_when_plugs_are_pulled_and_packets_dropped() {
    let Some(yard) = Yard::new(3) else { return };
    let mut nodes = Nodes::start(yard).await;
    let load = Load::start(&nodes);
    load.until_more(30).await;
    let leader = nodes.leader().await;
    nodes.yard.link(leader, false);
    let next = nodes.leader_other_than(leader).await;
    load.until_more(30).await;
    nodes.yard.link(leader, true);
    nodes.until_whole().await;
    if nodes.yard.can_drop() {
        let deaf = (next + 1) % 3;
        nodes.yard.drop_packets(next, deaf);
        load.until_more(30).await;
        nodes.yard.let_packets_in(deaf);
        // Nobody hears the leader any more, and it hears all.
        let mute = nodes.leader().await;
        let others: Vec<_> = (0..3).filter(|other| *other != mute).collect();
        others.iter().for_each(|other| nodes.yard.drop_packets(mute, *other));
        nodes.leader_other_than(mute).await;
        load.until_more(30).await;
        others.iter().for_each(|other| nodes.yard.let_packets_in(*other));
    }
    let killed = nodes.leader().await;
    nodes.kill(killed);
    nodes.leader_other_than(killed).await;
    load.until_more(30).await;
    nodes.go(killed);
    nodes.until_whole().await;
    nodes.assert_balanced(load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_nodes_lose_nothing_when_two_are_frozen_cut_off_or_killed() {
    let Some(yard) = Yard::new(5) else { return };
    let mut nodes = Nodes::start(yard).await;
    let load = Load::start(&nodes);
    load.until_more(30).await;
    let leader = nodes.leader().await;
    let follower = (leader + 1) % 5;
    nodes.signal(follower, Signal::STOP);
    load.until_more(30).await;
    nodes.signal(leader, Signal::STOP);
    let next = nodes.leader_other_than(leader).await;
    load.until_more(30).await;
    nodes.signal(leader, Signal::CONT);
    nodes.signal(follower, Signal::CONT);
    nodes.until_whole().await;
    let away: Vec<_> = (0..5).filter(|other| *other != next).take(2).collect();
    nodes.kill(away[0]);
    nodes.yard.link(away[1], false);
    load.until_more(30).await;
    nodes.go(away[0]);
    nodes.yard.link(away[1], true);
    nodes.until_whole().await;
    nodes.assert_balanced(load).await;
}

/// A node, and what it needs to be started again.
struct Seat {
    folder: TempDir,
    config: String,
    node: Option<NodeProcess>,
}

/// A node in each place of a yard.
struct Nodes {
    // Dropped first: nodes must not outlive their networks and folders.
    seats: Vec<Seat>,
    yard: Yard,
    _authority: TempDir,
}

impl Nodes {
    async fn start(yard: Yard) -> Self {
        let authority = tempfile::tempdir().expect("a folder");
        certificates(&["init"], authority.path());
        let seeds: Vec<_> =
            yard.places.iter().map(|place| format!("\"{}:7967\"", place.address)).collect();
        let seat = |(index, place): (usize, &Place)| {
            let (folder, name) = (tempfile::tempdir().expect("a folder"), format!("node-{index}"));
            let out = folder.path().join("certificates");
            let out = out.to_str().expect("a path");
            certificates(&["issue", &name, "--out", out], authority.path());
            let config = format!(
                "[node]\nname = \"{name}\"\n[log]\nlevel = \"info\"\n[cluster]\nenabled = true\n\
                 listen = \"{}:7967\"\nseeds = [{}]\ncertificates = {out:?}\n",
                place.address,
                seeds.join(", "),
            );
            Seat { folder, config, node: None }
        };
        let seats = yard.places.iter().enumerate().map(seat).collect();
        let mut nodes = Self { seats, yard, _authority: authority };
        (0..nodes.seats.len()).for_each(|index| nodes.go(index));
        nodes.until_whole().await;
        nodes
    }

    fn go(&mut self, index: usize) {
        let (seat, program) = (&mut self.seats[index], self.yard.places[index].program());
        seat.node = Some(NodeProcess::start_as(program, seat.folder.path(), &seat.config));
    }

    fn kill(&mut self, index: usize) {
        self.seats[index].node.take().expect("a node that runs").kill();
    }

    fn signal(&self, index: usize, signal: Signal) {
        self.seats[index].node.as_ref().expect("a node that runs").signal(signal);
    }

    /// What a node says of the cluster; `Null` when it does not run or does not answer.
    async fn view(&self, index: usize) -> Value {
        let Some(node) = &self.seats[index].node else { return Value::Null };
        let client = Client::new(&node.url);
        let asked = self.yard.places[index].get(&client, CLUSTER);
        timeout(Duration::from_secs(1), asked).await.unwrap_or(Value::Null)
    }

    /// Waits until every node sees a cluster that takes work, in which all vote that may.
    async fn until_whole(&self) {
        let (until, count) = (Instant::now() + PATIENCE, self.seats.len());
        for index in 0..count {
            loop {
                let view = self.view(index).await;
                let groups = view["groups"].as_array().cloned().unwrap_or_default();
                let whole = |group: &Value| {
                    group["voters"].as_array().map_or(0, Vec::len) == count
                        && group["leader"].is_object()
                };
                if view["accepts"] == true && groups.len() == 2 && groups.iter().all(whole) {
                    break;
                }
                assert!(Instant::now() < until, "node {index} sees: {view:#}");
                sleep(LOOK).await;
            }
        }
    }

    /// The node that leads the work by its own account and takes it.
    async fn leader(&self) -> usize {
        self.leader_among(|_| true).await
    }

    async fn leader_other_than(&self, before: usize) -> usize {
        self.leader_among(|index| index != before).await
    }

    async fn leader_among(&self, may: impl Fn(usize) -> bool) -> usize {
        let until = Instant::now() + PATIENCE;
        loop {
            for index in (0..self.seats.len()).filter(|index| may(*index)) {
                let view = self.view(index).await;
                if view["accepts"] == true && led_by(&view, 1) == view["node"]["id"] {
                    return index;
                }
            }
            assert!(Instant::now() < until, "nobody leads");
            sleep(LOOK).await;
        }
    }

    /// Ends the load; each task that was acknowledged has completed, and each was taken once.
    async fn assert_balanced(&self, load: Load) {
        let (keys, known) = load.stop().await;
        let (place, node) = (&self.yard.places[0], self.seats[0].node.as_ref().expect("a node"));
        let client = Client::new(&node.url);
        let until = Instant::now() + PATIENCE;
        for id in &known {
            loop {
                let task = place.get(&client, &format!("{TASKS}/{id}?wait=5")).await;
                if task["state"] == "completed" {
                    break;
                }
                assert!(Instant::now() < until, "it was acknowledged: {task:#}");
            }
        }
        let ledger = place.get(&client, STATS).await["ledger"].take();
        println!("{keys} keys, ledger {ledger}");
        assert_eq!((&ledger["balanced"], &ledger["open"]), (&json!(true), &json!(0)), "{ledger}");
        assert_eq!(ledger["accepted"], keys, "each key is one task: {ledger}");
        assert_eq!(ledger["completed"], keys, "{ledger}");
    }
}

/// `synod cluster certificates …` on the authority in that folder.
fn certificates(what: &[&str], authority: &Path) {
    let output = synod()
        .args(["cluster", "certificates"])
        .args(what)
        .arg("--folder")
        .arg(authority.join("authority"))
        .output()
        .expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A client in each place, which submits tasks under keys of its own, each again and again until
/// it is acknowledged.
struct Load {
    over: Arc<AtomicBool>,
    keys: Arc<AtomicU64>,
    known: Arc<Mutex<Vec<String>>>,
    callers: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(nodes: &Nodes) -> Self {
        let (over, keys, known) = (Arc::default(), Arc::default(), Arc::default());
        let callers = nodes.yard.places.iter().zip(&nodes.seats).map(|(place, seat)| {
            let file = crate::node_process::data_folder(seat.folder.path()).join("node.json");
            let (over, keys, known) = (Arc::clone(&over), Arc::clone(&keys), Arc::clone(&known));
            place.begin(submitting(file, over, keys, known))
        });
        let callers = callers.collect();
        Self { over, keys, known, callers }
    }

    /// Waits until so many more were acknowledged.
    async fn until_more(&self, more: usize) {
        let (wanted, until) = (self.known.lock().len() + more, Instant::now() + PATIENCE);
        while self.known.lock().len() < wanted {
            assert!(Instant::now() < until, "nothing is accepted any more");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// How many keys there were, and the tasks that were acknowledged.
    async fn stop(self) -> (u64, Vec<String>) {
        self.over.store(true, Ordering::SeqCst);
        for caller in self.callers {
            timeout(PATIENCE, caller).await.expect("it ends in time").expect("a caller ends");
        }
        let known = self.known.lock().clone();
        (self.keys.load(Ordering::SeqCst), known)
    }
}

/// Finds the node's address anew for each try: it may have been started again.
async fn submitting(
    file: std::path::PathBuf,
    over: Arc<AtomicBool>,
    keys: Arc<AtomicU64>,
    known: Arc<Mutex<Vec<String>>>,
) {
    while !over.load(Ordering::SeqCst) {
        let key = format!("key-{}", keys.fetch_add(1, Ordering::SeqCst));
        let task = json!({"kind": "echo", "payload": {}, "idempotency_key": key});
        loop {
            let endpoint = std::fs::read_to_string(&file).unwrap_or_default();
            let endpoint: Value = serde_json::from_str(&endpoint).unwrap_or_default();
            let client = Client::new(endpoint["url"].as_str().unwrap_or("http://127.0.0.1:1"));
            let asked = timeout(Duration::from_secs(3), client.submit(task.clone())).await;
            if let Ok(Ok((status, answer))) = asked
                && status.is_success()
                && let Some(id) = answer["task_id"].as_str()
            {
                known.lock().push(id.to_owned());
                break;
            }
            // Real time on purpose: the network and its nodes are real, and the test ends the load.
            sleep(LOOK).await;
        }
        // Real time on purpose: a load that comes evenly while faults come and go.
        sleep(Duration::from_millis(20)).await;
    }
}
