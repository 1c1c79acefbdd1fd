//! One node, then more: what was accepted alone is there in the cluster, and nodes come and go.

use serde_json::json;

use super::{CLUSTER, Nodes, free_ports, until};
use crate::client::{Client, TASKS};
use crate::node_process::{NodeProcess, synod};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_alone_brings_its_work_into_a_cluster_that_outlives_it() {
    let mut nodes = Nodes::planned(3, |_| String::new());
    let echo = json!({"kind": "echo", "payload": {"n": 7}});
    let (done, open) = {
        let mut alone = NodeProcess::start(nodes.seats[0].folder.path(), "");
        let client = Client::new(&alone.url);
        let done = client.done(echo.clone()).await["task_id"].as_str().expect("an id").to_owned();
        let later = json!({
            "kind": "echo", "payload": {"n": 8}, "capabilities": ["none.has.it"],
            "timeout_s": 3_000,
        });
        let open = client.submit(later).await.expect("an answer").1;
        alone.stop();
        (done, open)
    };
    assert_eq!(open["status"], 422, "nobody can do it, which is told at once: {open:#}");
    nodes.seats[0].start();
    until(&nodes.client(0), |view| view["accepts"] == true).await;
    let kept = nodes.client(0).task(&done).await;
    assert_eq!((&kept["state"], &kept["result"]["n"]), (&json!("completed"), &json!(7)));
    nodes.seats[1].start();
    nodes.seats[2].start();
    nodes.until_whole().await;
    let more = nodes.client(2).done(echo).await["task_id"].as_str().expect("an id").to_owned();
    nodes.kill(0);
    for id in [&done, &more] {
        let task = nodes.client(1).until_ended(id).await;
        assert_eq!(task["state"], "completed", "{task:#}");
    }
    let ledger = nodes.client(2).ledger().await;
    assert_eq!(ledger["accepted"], 2, "{ledger}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_joins_later_has_it_all_and_one_that_leaves_takes_nothing_along() {
    let mut nodes = Nodes::planned(4, |_| String::new());
    for index in 0..3 {
        nodes.seats[index].start();
    }
    nodes.until_whole().await;
    let mut ids = Vec::new();
    for n in 0..20 {
        let task = json!({"kind": "echo", "payload": {"n": n}});
        ids.push(nodes.client(n % 3).accepted(task).await);
    }
    nodes.seats[3].start();
    let whole = |view: &serde_json::Value| {
        let members = view["members"].as_array().cloned().unwrap_or_default();
        members.len() == 4 && members.iter().all(|one| one["admitted"] == true)
    };
    until(&nodes.client(3), whole).await;
    let leaver = nodes.leader(1).await;
    let (status, answer) = nodes
        .client(leaver)
        .call(reqwest::Method::POST, &format!("{CLUSTER}/leave"), None)
        .await
        .expect("an answer");
    assert_eq!(status, 204, "{answer:#}");
    nodes.kill(leaver);
    let rest: Vec<usize> = (0..4).filter(|index| *index != leaver).collect();
    for index in &rest {
        until(&nodes.client(*index), |view| {
            let members = view["members"].as_array().cloned().unwrap_or_default();
            view["accepts"] == true
                && members.iter().filter(|one| one["admitted"] == true).count() == 3
        })
        .await;
        for id in &ids {
            let task = nodes.client(*index).until_ended(id).await;
            assert_eq!(task["state"], "completed", "{task:#}");
        }
    }
    let (_, page) = nodes.client(rest[0]).get(&format!("{TASKS}?limit=100")).await;
    assert_eq!(page["tasks"].as_array().map(Vec::len), Some(20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_node_that_runs_is_kept_out() {
    let nodes = Nodes::start(3, |_| String::new()).await;
    let twin = nodes.seats[2].twin();
    let mut second = NodeProcess::start(twin.folder.path(), &twin.config);
    second.until_logged("\"cause\":\"twin\"");
    second.kill();
    let done = nodes.client(0).done(json!({"kind": "echo", "payload": {}})).await;
    assert_eq!(done["state"], "completed");
}

#[test]
fn the_command_line_tells_that_a_node_is_alone_and_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = NodeProcess::start(folder.path(), "");
    let told = synod().args(["cluster", "status", "--url", &node.url]).output().expect("it ran");
    assert_eq!(told.status.code(), Some(5), "{told:?}");
    let text = String::from_utf8_lossy(&told.stderr);
    assert!(text.contains("alone") && text.contains("--join"), "{text}");
}

#[test]
fn links_beyond_loopback_without_certificates_are_refused_with_the_next_step() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_ports(1)[0];
    let open = format!("[cluster]\nenabled = true\nlisten = \"0.0.0.0:{port}\"\n");
    let refused = NodeProcess::refused(folder.path(), &open);
    assert_eq!(refused.code, Some(2), "{}", refused.said);
    assert!(refused.said.contains("synod cluster certificates"), "{}", refused.said);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_can_never_come_in_ends_and_says_why() {
    let nodes = Nodes::start(1, |_| String::new()).await;
    let (_, view) = nodes.client(0).get(CLUSTER).await;
    let seed = view["members"][0]["address"].as_str().expect("an address");
    let folder = tempfile::tempdir().expect("a folder");
    let mut alone = NodeProcess::start(folder.path(), "");
    alone.stop();
    let port = free_ports(1)[0];
    let joins =
        format!("[cluster]\nenabled = true\nlisten = \"127.0.0.1:{port}\"\nseeds = [\"{seed}\"]\n");
    let ended = tokio::task::spawn_blocking(move || NodeProcess::refused(folder.path(), &joins));
    let refused = ended.await.expect("it ended");
    assert_eq!(refused.code, Some(1), "{}", refused.said);
    assert!(refused.said.contains("work from the time it was alone"), "{}", refused.said);
}
