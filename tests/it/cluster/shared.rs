//! Documents that agents share, on several nodes: written at one and seen at all, also by those
//! that were frozen or cut off.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Nodes, PATIENCE, until};
use crate::client::Client;
use crate::shared_state::{SHARED, count, put, set};

/// Time in which a write is seen by nodes that are there: a message, or at most some rounds.
const SEEN: Duration = Duration::from_secs(10);

/// What is under the keys of the board, as a node knows it.
async fn board(client: &Client) -> Value {
    let (_, mut shown) = client.get(&format!("{SHARED}/board")).await;
    json!([shown["values"].take(), shown["fingerprint"].take()])
}

/// Waits until these nodes have the same board, and this in it.
async fn agree(clients: &[Client], values: &Value, within: Duration) {
    let deadline = Instant::now() + within;
    loop {
        let mut seen = Vec::new();
        for client in clients {
            seen.push(board(client).await);
        }
        if seen.iter().all(|one| one == &seen[0] && &one[0] == values) {
            return;
        }
        assert!(Instant::now() < deadline, "expected {values:#}, but they have {seen:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn clients(nodes: &Nodes) -> Vec<Client> {
    nodes.running().map(|(_, seat)| seat.client()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_at_one_node_is_seen_at_the_others() {
    let nodes = Nodes::start(3, |_| String::new()).await;
    let clients = clients(&nodes);
    clients[0].edited("board", json!([set("goal", "ship"), count("n", 1)])).await;
    let one = json!({"goal": {"latest": {"text": "ship"}}, "n": {"counter": 1}});
    agree(&clients, &one, SEEN).await;
    let writes = clients.iter().map(|client| client.edited("board", json!([count("n", 10)])));
    futures::future::join_all(writes).await;
    let all = json!({"goal": {"latest": {"text": "ship"}}, "n": {"counter": 31}});
    agree(&clients, &all, SEEN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_frozen_takes_part_again_and_agrees() {
    let nodes = Nodes::start(3, |_| String::new()).await;
    let clients = clients(&nodes);
    clients[0].edited("board", json!([count("n", 1)])).await;
    agree(&clients, &json!({"n": {"counter": 1}}), SEEN).await;
    let frozen = nodes.seats[2].node.as_ref().expect("a node");
    frozen.signal(Signal::STOP);
    until(&clients[0], |view| {
        let members = view["members"].as_array().cloned().unwrap_or_default();
        members.iter().any(|member| member["state"] == "down")
    })
    .await;
    clients[0].edited("board", json!([count("n", 10), put("goal", "left")])).await;
    clients[1].edited("board", json!([count("n", 100)])).await;
    frozen.signal(Signal::CONT);
    // It answers at once, whether the others know it again or not.
    clients[2].edited("board", json!([count("n", 1000), put("goal", "right")])).await;
    let goal = json!({"versions": [{"text": "left"}, {"text": "right"}]});
    agree(&clients, &json!({"goal": goal, "n": {"counter": 1111}}), PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_a_majority_reads_and_writes_and_agrees_when_the_others_are_back() {
    let mut nodes = Nodes::start(3, |_| String::new()).await;
    let alone = nodes.client(0);
    nodes.client(1).edited("board", json!([count("n", 1)])).await;
    agree(&clients(&nodes), &json!({"n": {"counter": 1}}), SEEN).await;
    nodes.kill(1);
    nodes.kill(2);
    until(&alone, |view| view["accepts"] == false).await;
    alone.edited("board", json!([count("n", 10)])).await;
    assert_eq!(board(&alone).await[0], json!({"n": {"counter": 11}}));
    nodes.seats[1].start();
    nodes.client(1).edited("board", json!([count("n", 100)])).await;
    nodes.seats[2].start();
    agree(&clients(&nodes), &json!({"n": {"counter": 111}}), PATIENCE).await;
    until(&alone, |view| view["accepts"] == true).await;
}
