//! A node that waits joins the cluster that an operator names, and no other does.

use serde_json::{Value, json};

use super::{CLUSTER, Nodes, Seat, free_ports, until};
use crate::client::Client;
use crate::node_process::{NodeProcess, synod};

/// A node that belongs to no cluster and forms none.
fn waiting() -> Seat {
    let port = free_ports(1)[0];
    Seat {
        folder: tempfile::tempdir().expect("a folder"),
        config: format!(
            "[cluster]\nenabled = true\nforms = false\nlisten = \"127.0.0.1:{port}\"\n\
             join_timeout_s = 600\n[log]\nlevel = \"info\"\n"
        ),
        node: None,
    }
}

/// Where the links of the only member listen.
async fn address(nodes: &Nodes) -> String {
    let (_, view) = nodes.client(0).get(CLUSTER).await;
    view["members"][0]["address"].as_str().expect("an address").to_owned()
}

/// What the command line makes of it: the exit code, and what it says.
fn join(client: &Client, address: &str) -> (Option<i32>, String) {
    let mut command = synod();
    let told = command.args(["cluster", "join", address, "--url", &client.url]).output();
    let told = told.expect("it ran");
    let said = [told.stdout, told.stderr].concat();
    (told.status.code(), String::from_utf8_lossy(&said).into_owned())
}

async fn refused(client: &Client, address: &str) -> (u16, Value) {
    let asked = client.post(&format!("{CLUSTER}/join"), json!({"address": address})).await;
    (asked.0.as_u16(), asked.1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_waits_joins_where_it_is_told_to_and_then_nowhere_else() {
    let nodes = Nodes::start(1, |_| String::new()).await;
    let mut seat = waiting();
    seat.start();
    let (client, member) = (seat.client(), address(&nodes).await);
    let (_, view) = client.get(CLUSTER).await;
    assert_eq!((&view["cluster"], &view["accepts"]), (&Value::Null, &json!(false)), "{view:#}");
    let (code, said) = join(&client, &member);
    assert_eq!(code, Some(0), "{said}");
    let (_, first) = nodes.client(0).get(CLUSTER).await;
    until(&client, |view| {
        let admitted = |member: &&Value| member["admitted"] == true;
        let members = view["members"].as_array().cloned().unwrap_or_default();
        view["cluster"] == first["cluster"] && members.iter().filter(admitted).count() == 2
    })
    .await;
    let done = client.done(json!({"kind": "echo", "payload": {}})).await;
    assert_eq!(done["state"], "completed");
    let (status, problem) = refused(&client, &member).await;
    assert_eq!(status, 409, "{problem:#}");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("belongs to cluster")));
    let (status, problem) = refused(&nodes.client(0), "127.0.0.1:9").await;
    assert_eq!(status, 409, "{problem:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_finds_nobody_where_it_is_told_to_says_so_and_goes_on_waiting() {
    let mut seat = waiting();
    seat.start();
    let client = seat.client();
    let (status, problem) = refused(&client, "here").await;
    assert_eq!((status, &problem["field"]), (422, &json!("address")), "{problem:#}");
    let nobody = format!("127.0.0.1:{}", free_ports(1)[0]);
    let (status, problem) = refused(&client, &nobody).await;
    assert_eq!(status, 503, "{problem:#}");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains(&nobody)), "{problem:#}");
    let nodes = Nodes::start(1, |_| String::new()).await;
    let (code, said) = join(&client, &address(&nodes).await);
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_work_of_its_own_joins_nobody() {
    let nodes = Nodes::start(1, |_| String::new()).await;
    let mut seat = waiting();
    let mut alone = NodeProcess::start(seat.folder.path(), "");
    let client = Client::new(&alone.url);
    client.done(json!({"kind": "echo", "payload": {}})).await;
    let member = address(&nodes).await;
    let (status, problem) = refused(&client, &member).await;
    assert_eq!(status, 409, "it is alone: {problem:#}");
    alone.stop();
    seat.start();
    let (status, problem) = refused(&seat.client(), &member).await;
    assert_eq!(status, 409, "{problem:#}");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("work")), "{problem:#}");
    assert!(problem["next_step"].is_string(), "{problem:#}");
}
