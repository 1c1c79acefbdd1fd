//! What operators do on purpose: restart node by node, drain, move a leader, leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use reqwest::Method;
use serde_json::json;

use tokio::time::Instant;

use super::{CLUSTER, Nodes, PATIENCE, led_by, until};
use crate::client::Client;

/// Submits one task after the other through the nodes that are said to be there, and counts what
/// was accepted; any refusal is a failure of the test.
fn steady(clients: Arc<parking_lot::Mutex<Vec<Client>>>, over: Arc<AtomicBool>) -> Steady {
    let accepted = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&accepted);
    let task = tokio::spawn(async move {
        let mut turn = 0;
        let mut ids = Vec::new();
        while !over.load(Ordering::SeqCst) {
            let client = {
                let clients = clients.lock();
                clients[turn % clients.len()].clone()
            };
            turn += 1;
            ids.push(client.accepted(json!({"kind": "echo", "payload": {}})).await);
            counted.fetch_add(1, Ordering::SeqCst);
        }
        ids
    });
    Steady { accepted, task }
}

struct Steady {
    accepted: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<Vec<String>>,
}

impl Steady {
    async fn until_more(&self, more: u64) {
        let wanted = self.accepted.load(Ordering::SeqCst) + more;
        let until = Instant::now() + PATIENCE;
        while self.accepted.load(Ordering::SeqCst) < wanted {
            assert!(!self.task.is_finished(), "a request failed");
            assert!(Instant::now() < until, "nothing is accepted any more");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_one_node_after_the_other_fails_no_request_and_loses_no_task() {
    let mut nodes = Nodes::start(3, |_| String::new()).await;
    let clients = Arc::new(parking_lot::Mutex::new((0..3).map(|i| nodes.client(i)).collect()));
    let over = Arc::new(AtomicBool::new(false));
    let load = steady(Arc::clone(&clients), Arc::clone(&over));
    for index in 0..3 {
        load.until_more(20).await;
        // As a load balancer would: no new requests to a node that is about to stop.
        *clients.lock() = (0..3).filter(|i| *i != index).map(|i| nodes.client(i)).collect();
        load.until_more(3).await;
        let mut node = nodes.seats[index].node.take().expect("a node");
        tokio::task::spawn_blocking(move || node.stop()).await.expect("the node stopped");
        load.until_more(10).await;
        nodes.seats[index].start();
        nodes.until_whole().await;
        *clients.lock() = (0..3).map(|i| nodes.client(i)).collect();
    }
    load.until_more(20).await;
    over.store(true, Ordering::SeqCst);
    let ids = load.task.await.expect("no request failed");
    let client = nodes.client(0);
    for id in &ids {
        let task = client.until_ended(id).await;
        assert_eq!(task["state"], "completed", "{task:#}");
    }
    let ledger = client.ledger().await;
    assert_eq!(ledger["accepted"], ids.len(), "{ledger}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_node_leads_nothing_until_it_may_again() {
    let nodes = Nodes::start(3, |_| String::new()).await;
    let leader = nodes.leader(1).await;
    let (_, view) = nodes.client(leader).get(CLUSTER).await;
    let (id, name) = (view["node"]["id"].clone(), view["node"]["name"].as_str().unwrap());
    let path = format!("{CLUSTER}/members/{name}/drain");
    // Asked of another node: it has the drained one hand over.
    let other = nodes.follower().await;
    let asked =
        nodes.client(other).call(Method::POST, &path, Some(json!({"draining": true}))).await;
    let (status, answer) = asked.expect("an answer");
    assert_eq!(status, 204, "{answer:#}");
    until(&nodes.client(other), |view| {
        let leads = |group| led_by(view, group);
        leads(0).is_string() && leads(0) != id && leads(1).is_string() && leads(1) != id
    })
    .await;
    let done = nodes.client(leader).done(json!({"kind": "echo", "payload": {}})).await;
    assert_eq!(done["state"], "completed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_is_moved_where_the_operator_says() {
    let nodes = Nodes::start(3, |_| String::new()).await;
    let to = nodes.follower().await;
    let (_, view) = nodes.client(to).get(CLUSTER).await;
    let path = format!("{CLUSTER}/groups/1/leader");
    let body = json!({"node": view["node"]["name"]});
    let asked = nodes.client(to).call(Method::POST, &path, Some(body)).await;
    assert_eq!(asked.expect("an answer").0, 202);
    until(&nodes.client(to), |now| led_by(now, 1) == view["node"]["id"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_names_no_member_is_answered_with_404() {
    let nodes = Nodes::start(1, |_| String::new()).await;
    let client = nodes.client(0);
    let (status, problem) = client.delete(&format!("{CLUSTER}/members/nobody")).await;
    assert_eq!(status, 404, "{problem:#}");
    let path = format!("{CLUSTER}/members/nobody/drain");
    let (status, problem) = client.post(&path, json!({"draining": true})).await;
    assert_eq!(status, 404, "{problem:#}");
    let (status, problem) =
        client.post(&format!("{CLUSTER}/groups/x/leader"), json!({"node": "a"})).await;
    assert_eq!(status, 422, "{problem:#}");
}
