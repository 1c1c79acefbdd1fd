//! Messages and topics of a cluster: asked at any node, read by agents at any other, and kept when
//! the node dies that had them.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Nodes, PATIENCE};
use crate::client::{AGENTS, Client};
use crate::messaging::reader;

const COORDINATION: &str = "/api/v1/coordination";

/// Says it again until it is taken: the cluster may be between two leaders.
async fn taken(client: &Client, path: &str, body: Value) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let (status, answer) = client.post(&format!("{COORDINATION}/{path}"), body.clone()).await;
        if status.is_success() {
            return answer;
        }
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{path}: {answer:#}");
        assert!(Instant::now() < until, "{path} is not taken: {answer:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_reaches_an_agent_of_another_node_whichever_node_is_asked() {
    let nodes = Nodes::start(3, |_| String::new()).await;
    let elsewhere = nodes.follower().await;
    let _reader = reader(&nodes.client(elsewhere).url, "ada").await;
    for index in 0..3 {
        let client = nodes.client(index);
        client.until(&format!("{AGENTS}/ada"), |known| known["agents"].is_array()).await;
        let message = json!({
            "sender": "eve", "recipient": {"agent": "ada"}, "performative": "query-ref",
            "content": {"json": index},
        });
        let sent = taken(&client, "messages", message).await;
        assert_eq!(sent["answers"][0]["content"]["json"]["of"], index, "{sent:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_durable_subscription_has_to_read_outlives_the_leader() {
    let mut nodes = Nodes::start(3, |_| String::new()).await;
    let leader = nodes.leader(1).await;
    let asked = nodes.client((leader + 1) % 3);
    taken(&asked, "subscriptions", json!({"name": "books", "filter": "orders/#"})).await;
    for number in 1..=2 {
        let order = json!({"topic": format!("orders/{number}"), "payload": number, "retain": true});
        assert_eq!(taken(&asked, "topics", order).await["durable"], 1);
    }
    nodes.kill(leader);
    let given = taken(&asked, "subscriptions/books/fetch?wait=20", json!({})).await;
    let messages = given["messages"].as_array().expect("messages");
    let orders: Vec<_> = messages.iter().map(|one| &one["content"]["json"]).collect();
    assert_eq!(orders, [1, 2], "{given:#}");
    let up_to = json!({"up_to": messages[1]["number"]});
    taken(&asked, "subscriptions/books/acknowledge", up_to).await;
    let (_, last) = asked.get(&format!("{COORDINATION}/topics/retained?filter=orders/2")).await;
    assert_eq!(last["values"][0]["content"]["json"], 2, "{last:#}");
}
