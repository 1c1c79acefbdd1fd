//! The stream of changes, read at any node.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Nodes, PATIENCE};
use crate::client::Client;
use crate::events::{Event, Sse, Ws};
use crate::workflows::RUNS;

/// What a task that goes well goes through.
const STATES: [&str; 4] = ["pending", "queued", "running", "completed"];

/// The word that tells a reader to list again.
const RESET: &str = "synod.stream.reset";

fn echo() -> Value {
    json!({"kind": "echo", "payload": {"n": 1}})
}

/// What these tasks go through.
fn expected(ids: &[String]) -> Vec<(String, String)> {
    let all = ids.iter().flat_map(|id| STATES.map(|state| (id, state)));
    all.map(|(id, state)| (format!("tasks/{id}"), format!("synod.task.{state}"))).collect()
}

fn told(event: &Event) -> (String, String) {
    let subject = event.0["subject"].as_str().expect("a subject");
    (subject.to_owned(), event.kind().to_owned())
}

/// Waits until the changes of work at `other` are told at `here`: nodes find each other's streams
/// a moment after they are one cluster.
async fn until_told(here: &Client, other: &Client) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut reader = Sse::open(here, "type=synod.task.*", None).await;
        assert_eq!(reader.next().await.expect("an event").kind(), "synod.stream.opened");
        let told = tokio::time::timeout(PATIENCE / 20, async {
            other.done(echo()).await;
            reader.next().await
        });
        if told.await.is_ok_and(|event| event.is_some_and(|event| event.kind() != RESET)) {
            return;
        }
        assert!(Instant::now() < deadline, "nothing is told");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_work_are_told_on_every_node_once_and_in_order() {
    let nodes = Nodes::start(3, |_| String::new()).await;
    let leader = nodes.leader(1).await;
    let others: Vec<usize> = (0..3).filter(|index| *index != leader).collect();
    for index in &others {
        until_told(&nodes.client(*index), &nodes.client(leader)).await;
    }
    let mut at_leader = Sse::open(&nodes.client(leader), "type=synod.task.*", None).await;
    let mut by_sse = Sse::open(&nodes.client(others[0]), "type=synod.task.*", None).await;
    let mut by_ws = Ws::open(&nodes.client(others[1]), "type=synod.task.*").await;
    for opened in [
        at_leader.next().await.expect("an event"),
        by_sse.next().await.expect("an event"),
        by_ws.next().await.expect("an event"),
    ] {
        assert_eq!(opened.kind(), "synod.stream.opened");
    }
    let mut ids = Vec::new();
    for index in [leader, others[0], others[1], others[0]] {
        let task = nodes.client(index).done(echo()).await;
        ids.push(task["task_id"].as_str().expect("an id").to_owned());
    }
    for expected in expected(&ids) {
        assert_eq!(told(&at_leader.next().await.expect("an event")), expected);
        assert_eq!(told(&by_sse.next().await.expect("an event")), expected);
        assert_eq!(told(&by_ws.next().await.expect("an event")), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_followed_step_by_step_at_a_node_that_does_not_do_the_work() {
    let nodes = Nodes::start(3, |_| String::new()).await;
    let (leader, here) = (nodes.leader(1).await, nodes.follower().await);
    until_told(&nodes.client(here), &nodes.client(leader)).await;
    let query = "type=synod.run.*,synod.step.*";
    let mut reader = Sse::open(&nodes.client(here), query, None).await;
    assert_eq!(reader.next().await.expect("an event").kind(), "synod.stream.opened");
    let definition = "name: one\nsteps:\n  - {id: a, agent: echo, input: 7}\n";
    let start = json!({"definition": definition, "input": {}});
    let (status, run) = nodes.client(here).post(RUNS, start).await;
    assert_eq!(status, 201, "{run:#}");
    let id = run["run_id"].as_str().expect("a run_id");
    let mut kinds = Vec::new();
    while kinds.last().is_none_or(|kind| kind != "synod.run.completed") {
        let event = reader.next().await.expect("an event");
        assert_eq!(event.0["subject"], format!("workflows/{id}"), "{}", event.0);
        kinds.push(event.kind().to_owned());
    }
    assert!(kinds.iter().any(|kind| kind == "synod.step.completed"), "{kinds:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_are_told_that_changes_may_be_missing_when_who_did_the_work_dies() {
    let mut nodes = Nodes::start(3, |_| String::new()).await;
    // A cluster that has just formed may still move the work once.
    let (leader, here) = loop {
        let leader = nodes.leader(1).await;
        let here = (leader + 1) % 3;
        until_told(&nodes.client(here), &nodes.client(leader)).await;
        if nodes.leader(1).await == leader {
            break (leader, here);
        }
    };
    let mut reader = Sse::open(&nodes.client(here), "type=synod.task.*", None).await;
    nodes.kill(leader);
    let next = loop {
        let event = reader.next().await.expect("an event");
        if event.kind() != "synod.stream.opened" {
            break event;
        }
    };
    assert_eq!(next.kind(), RESET, "{}", next.0);
    let leader = nodes.leader(1).await;
    let here = nodes.follower().await;
    until_told(&nodes.client(here), &nodes.client(leader)).await;
}
