//! What several nodes do as one.

use serde_json::json;

use super::{CLUSTER, Nodes};
use crate::client::{AGENTS, TASKS};
use crate::workflows::RUNS;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_with_the_same_seeds_become_one_cluster() {
    let nodes = Nodes::start(3, |_| String::new()).await;
    let (_, first) = nodes.client(0).get(CLUSTER).await;
    for index in 1..3 {
        let (_, other) = nodes.client(index).get(CLUSTER).await;
        assert_eq!(other["cluster"], first["cluster"]);
        assert_eq!(other["members"].as_array().map(Vec::len), Some(3), "{other:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_node_answers_for_the_whole_cluster() {
    let nodes = Nodes::start(3, |_| String::new()).await;
    let task = json!({"kind": "echo", "payload": {"n": 1}});
    let mut ids = Vec::new();
    for index in 0..3 {
        ids.push(nodes.client(index).accepted(task.clone()).await);
    }
    for index in 0..3 {
        for id in &ids {
            let task = nodes.client(index).until_ended(id).await;
            assert_eq!(task["state"], "completed", "{task:#}");
        }
        let (_, page) = nodes.client(index).get(TASKS).await;
        assert_eq!(page["tasks"].as_array().map(Vec::len), Some(3), "{page:#}");
        let ledger = nodes.client(index).ledger().await;
        assert_eq!(ledger["accepted"], 3, "{ledger}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_started_at_one_node_is_followed_at_another() {
    let nodes = Nodes::start(3, |_| String::new()).await;
    let definition = "name: two\nsteps:\n  - {id: a, agent: echo, input: 7}\n  \
                      - {id: b, agent: echo, input: '${outputs.a}', depends_on: [a]}\n\
                      outputs: {b: '${outputs.b}'}\n";
    let (status, run) =
        nodes.client(0).post(RUNS, json!({"definition": definition, "input": {}})).await;
    assert_eq!(status, 201, "{run:#}");
    let id = run["run_id"].as_str().expect("a run_id");
    for index in 0..3 {
        let run = nodes.client(index).run_ended(id).await;
        assert_eq!((&run["state"], &run["outputs"]["b"]), (&json!("completed"), &json!(7)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_of_all_nodes_are_known_on_each_and_given_work() {
    let agent = |index: usize| {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/agent.py");
        format!(
            "[[agents.process]]\nid = \"only-{index}\"\nversion = \"1.0.0\"\n\
             command = \"python3\"\nargs = [{program:?}, \"good\"]\n\
             capabilities = [\"of.{index}\"]\n"
        )
    };
    let nodes = Nodes::start(3, agent).await;
    for index in 0..3 {
        let client = nodes.client(index);
        let whole = |page: &serde_json::Value| {
            let agents = page["agents"].as_array().cloned().unwrap_or_default();
            let of = |name: &str| agents.iter().filter(|agent| agent["id"] == name).count();
            of("echo") == 3 && (0..3).all(|index| of(&format!("only-{index}")) == 1)
        };
        client.until(&format!("{AGENTS}?limit=100"), whole).await;
    }
    let leader = nodes.leader(1).await;
    let elsewhere = nodes.follower().await;
    let task = json!({
        "kind": "echo", "payload": {"n": 5}, "capabilities": [format!("of.{elsewhere}")],
    });
    let done = nodes.client(leader).done(task).await;
    assert_eq!(done["state"], "completed", "{done:#}");
}
