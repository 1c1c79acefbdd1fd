//! Agents that the cluster places: as many nodes host one as should, and others take over.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{CLUSTER, Nodes, PATIENCE, Seat};
use crate::client::{AGENTS, Client};
use crate::python::{here, python};

/// How long a node that reaches nobody hosts, in milliseconds.
const LEASE: u64 = 1_500;

/// A placed program of every node, with short times; `keys` say more of where it is.
fn agent(python: &str, id: &str, keys: &str) -> String {
    let script = here("tests/it/agent.py");
    format!(
        "[[agents.process]]\nid = \"{id}\"\ncommand = \"{python}\"\n\
         args = [{script:?}, \"good\"]\ncapabilities = [\"of.{id}\"]\nplace = \"cluster\"\n\
         stop_grace_ms = 300\nlimits = {{ grace_ms = 300 }}\n{keys}\n"
    )
}

fn quick(agents: &str) -> String {
    format!("[cluster.placing]\nlease_ms = {LEASE}\n{agents}")
}

fn task(id: &str) -> Value {
    json!({"kind": "think", "payload": {}, "capabilities": [format!("of.{id}")], "timeout_s": 60})
}

/// Who hosts an agent, as a node knows it, and who should; by name.
async fn seats(client: &Client, id: &str) -> (Vec<String>, Vec<String>) {
    let (_, page) = client.get(&format!("{CLUSTER}/shards")).await;
    let placed = page["placed"].as_array().cloned().unwrap_or_default();
    let Some(of) = placed.into_iter().find(|agent| agent["agent"] == id) else {
        return Default::default();
    };
    let names = |list: &Value, name: &dyn Fn(&Value) -> Value| -> Vec<String> {
        let list = list.as_array().cloned().unwrap_or_default();
        list.iter().filter_map(|one| name(one).as_str().map(str::to_owned)).collect()
    };
    let hosts = names(&of["seats"], &|seat| seat["node"]["name"].clone());
    (hosts, names(&of["should"], &|node| node["name"].clone()))
}

/// Waits until so many host it, as they should; their names.
async fn hosted(client: &Client, id: &str, count: usize) -> Vec<String> {
    let until = Instant::now() + PATIENCE;
    loop {
        let (hosts, should) = seats(client, id).await;
        let as_should: BTreeSet<_> = should.iter().collect();
        if hosts.len() == count && hosts.iter().collect::<BTreeSet<_>>() == as_should {
            return hosts;
        }
        assert!(Instant::now() < until, "{id} is hosted by {hosts:?}, should be by {should:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The status of each version of an agent that a node knows.
fn statuses(page: &Value, id: &str) -> Vec<String> {
    let agents = page["agents"].as_array().cloned().unwrap_or_default();
    let of = agents.iter().filter(|agent| agent["id"] == id);
    of.filter_map(|agent| agent["status"].as_str().map(str::to_owned)).collect()
}

async fn until_active(client: &Client, id: &str) {
    let is_active = |page: &Value| {
        let active = |status: &&String| *status == "active";
        statuses(page, id).iter().filter(active).count() == 1
    };
    client.until(&format!("{AGENTS}?limit=100"), is_active).await;
}

impl Nodes {
    /// The number of the node with this name.
    async fn named(&self, name: &str) -> usize {
        for (index, seat) in self.running() {
            let (_, view) = seat.client().get(CLUSTER).await;
            if view["node"]["name"] == name {
                return index;
            }
        }
        panic!("no node that runs is called {name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_hosts_a_placed_agent_when_its_host_is_killed() {
    let Some(python) = python() else { return };
    let mut nodes = Nodes::start(3, |_| quick(&agent(python, "lone", ""))).await;
    let hosts = hosted(&nodes.client(0), "lone", 1).await;
    let host = nodes.named(&hosts[0]).await;
    for index in 0..3 {
        until_active(&nodes.client(index), "lone").await;
    }
    assert_eq!(nodes.client(0).done(task("lone")).await["state"], "completed");
    nodes.kill(host);
    let begun = Instant::now();
    let client = nodes.client((host + 1) % 3);
    let id = client.accepted(task("lone")).await;
    let done = client.until_ended(&id).await;
    assert_eq!(done["state"], "completed", "{done:#}");
    println!("done elsewhere {} ms after the kill", begun.elapsed().as_millis());
    let now = hosted(&client, "lone", 1).await;
    assert_ne!(now, hosts);
    nodes.seats[host].start();
    nodes.until_whole().await;
    hosted(&nodes.client(host), "lone", 1).await;
    assert_eq!(nodes.client(host).done(task("lone")).await["state"], "completed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_host_gives_its_agent_away_and_no_task_is_refused() {
    let Some(python) = python() else { return };
    let nodes = Nodes::start(3, |_| quick(&agent(python, "lone", ""))).await;
    let hosts = hosted(&nodes.client(0), "lone", 1).await;
    let host = nodes.named(&hosts[0]).await;
    let client = nodes.client((host + 1) % 3);
    until_active(&client, "lone").await;
    let path = format!("{CLUSTER}/members/{}/drain", hosts[0]);
    let drained = client.call(Method::POST, &path, Some(json!({"draining": true}))).await;
    assert_eq!(drained.expect("an answer").0, 204);
    let mut ids = Vec::new();
    let until = Instant::now() + PATIENCE;
    loop {
        ids.push(client.accepted(task("lone")).await);
        let (now, _) = seats(&client, "lone").await;
        if now.len() == 1 && now != hosts {
            break;
        }
        assert!(Instant::now() < until, "{now:?} still hosts it");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for id in ids {
        let task = client.until_ended(&id).await;
        assert_eq!(task["state"], "completed", "{task:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn labels_anti_affinity_and_the_number_of_instances_are_respected() {
    let Some(python) = python() else { return };
    let config = |index: usize| {
        let label = if index == 2 { "ssd" } else { "none" };
        let agents = [
            agent(python, "fast", "require = { disk = \"ssd\" }"),
            agent(python, "alpha", "instances = 2\napart_from = [\"fast\"]"),
        ];
        format!("[cluster.labels]\ndisk = \"{label}\"\n{}", quick(&agents.concat()))
    };
    let nodes = Nodes::start(3, config).await;
    let fast = hosted(&nodes.client(0), "fast", 1).await;
    assert_eq!(nodes.named(&fast[0]).await, 2);
    let alpha = hosted(&nodes.client(1), "alpha", 2).await;
    assert!(!alpha.contains(&fast[0]), "{alpha:?} beside {fast:?}");
    assert_eq!(nodes.client(1).done(task("alpha")).await["state"], "completed");
    let told = crate::node_process::synod()
        .args(["cluster", "shards", "--url", &nodes.client(0).url])
        .output()
        .expect("it ran");
    let text = String::from_utf8_lossy(&told.stdout);
    assert!(text.contains("alpha") && text.contains(&fast[0]), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_a_majority_hosts_no_longer_than_its_lease() {
    let Some(python) = python() else { return };
    let mut nodes = Nodes::start(3, |_| quick(&agent(python, "lone", ""))).await;
    let hosts = hosted(&nodes.client(0), "lone", 1).await;
    let host = nodes.named(&hosts[0]).await;
    let client = nodes.client(host);
    until_active(&client, "lone").await;
    for index in (0..3).filter(|index| *index != host) {
        nodes.kill(index);
    }
    let is_over = |page: &Value| !statuses(page, "lone").contains(&"active".to_owned());
    client.until(&format!("{AGENTS}?limit=100"), is_over).await;
    for index in (0..3).filter(|index| *index != host) {
        nodes.seats[index].start();
    }
    nodes.until_whole().await;
    let back = hosted(&client, "lone", 1).await;
    assert_eq!(back, hosts, "all is as it was");
    assert_eq!(client.done(task("lone")).await["state"], "completed");
}

#[test]
fn an_agent_that_is_placed_twice_on_a_node_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let twice = agent("python3", "lone", "") + &agent("python3", "lone", "version = \"2.0.0\"");
    let refused = crate::node_process::NodeProcess::refused(folder.path(), &twice);
    assert_eq!(refused.code, Some(2), "{}", refused.said);
    assert!(refused.said.contains("one version"), "{}", refused.said);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_alone_hosts_what_it_would_place() {
    let Some(python) = python() else { return };
    let mut seat = Seat {
        folder: tempfile::tempdir().expect("a folder"),
        config: agent(python, "lone", "instances = 3"),
        node: None,
    };
    seat.start();
    assert_eq!(seat.client().done(task("lone")).await["state"], "completed");
}
