//! Conversations of people and agents: opened, followed, moved and ended through the API and the
//! command line; none of what was taken is lost by a kill.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::client::{Client, assert_problem};
use crate::workflows_cli::asking;
use crate::world::World;

const COORDINATION: &str = "/api/v1/coordination";

/// A ballot of people, who vote by themselves.
fn ballot(voters: &[&str]) -> Value {
    let voters: Vec<_> = voters.iter().map(|name| json!({"name": name, "kind": "user"})).collect();
    json!({"question": "Ship it?", "options": ["yes", "no"], "voters": voters})
}

fn vote(voter: &str, option: &str) -> Value {
    json!({"vote": {"voter": voter, "ballot": {"choice": option}, "reason": "seen it"}})
}

async fn opened(client: &Client, protocol: &str, setup: Value) -> String {
    let (status, shown) = client.post(&format!("{COORDINATION}/{protocol}"), setup).await;
    assert_eq!(status, StatusCode::CREATED, "{shown:#}");
    assert_eq!(shown["protocol"], protocol);
    let id = shown["id"].as_str().expect("an id");
    format!("{COORDINATION}/{protocol}/{id}")
}

async fn told(client: &Client, path: &str, input: Value) -> Value {
    let (status, answer) = client.post(path, input).await;
    assert_eq!(status, StatusCode::OK, "{answer:#}");
    answer["answer"].clone()
}

#[tokio::test]
async fn a_ballot_is_decided_as_soon_as_no_further_vote_could_change_it() {
    let World { client, node: _node, .. } = &World::start("");
    let path = opened(client, "ballot", ballot(&["ada", "bob", "eve"])).await;
    let answer = told(client, &path, vote("ada", "yes")).await;
    assert_eq!(answer["outcome"], Value::Null);
    let answer = told(client, &path, vote("bob", "yes")).await;
    assert_eq!(answer["outcome"]["chosen"]["option"], "yes", "{answer:#}");
    let (_, shown) = client.get(&path).await;
    assert!(shown["ended_at"].is_string(), "{shown:#}");
    assert_problem(&client.post(&path, vote("eve", "no")).await, 409, "conflict");
    let (_, history) = client.get(&format!("{path}/history")).await;
    let notes = history["notes"].as_array().expect("notes");
    assert_eq!(history["ended"], true);
    assert!(notes.iter().any(|note| note["kind"] == "ballot.decided"), "{history:#}");
    assert!(notes.iter().all(|note| note["at"].is_string()), "{history:#}");
}

#[tokio::test]
async fn what_a_ballot_was_told_survives_a_kill_and_counts_once() {
    let mut world = World::start("");
    let path = opened(&world.client, "ballot", ballot(&["ada", "bob", "eve"])).await;
    told(&world.client, &path, vote("ada", "yes")).await;
    world.node.kill();
    world.start_again("");
    let client = &world.client;
    assert_problem(&client.post(&path, vote("ada", "no")).await, 409, "conflict");
    told(client, &path, vote("bob", "no")).await;
    let answer = told(client, &path, vote("eve", "no")).await;
    assert_eq!(answer["outcome"]["chosen"]["option"], "no", "{answer:#}");
    let (_, before) = client.get(&path).await;
    world.node.kill();
    world.start_again("");
    let (_, after) = world.client.get(&path).await;
    assert_eq!(before, after);
}

#[tokio::test]
async fn the_same_key_opens_one_conversation() {
    let World { client, node: _node, .. } = &World::start("");
    let open = async |setup: Value| {
        let request = client.raw(reqwest::Method::POST, &format!("{COORDINATION}/ballot"));
        let request = request.header("idempotency-key", "release-7").json(&setup);
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        (status, answer.json::<Value>().await.expect("JSON"))
    };
    let (first, one) = open(ballot(&["ada"])).await;
    let (again, same) = open(ballot(&["ada"])).await;
    assert_eq!((first, again), (StatusCode::CREATED, StatusCode::OK));
    assert_eq!(one["id"], same["id"]);
    assert_problem(&open(ballot(&["eve"])).await, 409, "conflict");
}

#[tokio::test]
async fn two_owners_that_want_the_same_locks_in_opposite_order_both_get_them() {
    let World { client, node: _node, .. } = &World::start("");
    let path = opened(client, "lock-space", json!({"policy": "detect"})).await;
    let acquire = |owner: &str, name: &str| {
        json!({"acquire": {
            "owner": owner, "resources": [{"name": name}], "lease_ms": 60_000, "wait_ms": 60_000,
        }})
    };
    let ada = told(client, &path, acquire("ada", "left")).await;
    let bob = told(client, &path, acquire("bob", "right")).await;
    let fence = |answer: &Value| answer["granted"]["fence"].as_u64().expect("a fence");
    assert!(fence(&bob) > fence(&ada), "{bob:#}");
    told(client, &path, acquire("ada", "right")).await;
    // The circle is closed here, and broken at once.
    client.post(&path, acquire("bob", "left")).await;
    let (_, history) = client.get(&format!("{path}/history")).await;
    let kinds: Vec<_> = history["notes"].as_array().expect("notes").iter().collect();
    assert!(kinds.iter().any(|note| note["kind"] == "lock.victim"), "{history:#}");
}

#[tokio::test]
async fn what_is_wrong_is_named_and_nothing_is_opened() {
    let World { client, node: _node, .. } = &World::start("");
    let post = async |protocol: &str, body: Value| {
        client.post(&format!("{COORDINATION}/{protocol}"), body).await
    };
    assert_problem(&post("seance", json!({})).await, 404, "not-found");
    assert_problem(&post("ballot", json!({"question": 1})).await, 422, "invalid-field");
    assert_problem(&post("ballot", ballot(&[])).await, 422, "invalid-field");
    let twice = json!({"question": "?", "options": ["a", "a"], "voters": [{"name": "ada"}]});
    assert_problem(&post("ballot", twice).await, 422, "invalid-field");
    let strange = format!("{COORDINATION}/ballot/0198c0de-0000-7000-8000-000000000000");
    assert_problem(&client.post(&strange, vote("ada", "yes")).await, 404, "not-found");
    assert_problem(&client.get(&format!("{COORDINATION}/ballot/x")).await, 404, "not-found");
    let path = opened(client, "ballot", ballot(&["ada"])).await;
    assert_problem(&client.post(&path, vote("mallory", "yes")).await, 403, "not-allowed");
    assert_problem(&client.post(&path, vote("ada", "perhaps")).await, 422, "invalid-field");
    let (_, page) = client.get(&format!("{COORDINATION}/ballot?state=open")).await;
    assert_eq!(page["conversations"].as_array().map(Vec::len), Some(1), "{page:#}");
}

#[tokio::test]
async fn a_step_of_a_workflow_waits_for_what_a_ballot_comes_to() {
    let World { client, node: _node, .. } = &World::start("");
    let step = json!({
        "id": "vote", "capability": "coordinate.ballot", "input": ballot(&["ada"]),
    });
    let definition = json!({"name": "release", "steps": [step], "outputs": {
        "chosen": "${outputs.vote.view.outcome.chosen.option}",
    }});
    let run = client.started(json!({"definition": definition})).await;
    let listed = format!("{COORDINATION}/ballot?state=open");
    let page = client.until(&listed, |page| page["conversations"][0]["id"].is_string()).await;
    let id = page["conversations"][0]["id"].as_str().expect("an id");
    told(client, &format!("{COORDINATION}/ballot/{id}"), vote("ada", "no")).await;
    let run = client.run_ended(&run).await;
    assert_eq!(run["outputs"]["chosen"], "no", "{run:#}");
}

#[tokio::test]
async fn a_conversation_is_opened_watched_and_moved_from_the_command_line() {
    let world = World::start("");
    let offered = asking(&world, &["coordinate", "protocols"]).with(0).out;
    for protocol in ["auction", "ballot", "conflict", "contract-net", "lock-space", "team"] {
        assert!(offered.contains(protocol), "{offered}");
    }
    let setup = ballot(&["ada", "bob"]).to_string();
    let shown = asking(&world, &["coordinate", "open", "ballot", &setup, "--json"]).json();
    let id = shown["id"].as_str().expect("an id").to_owned();
    for voter in ["ada", "bob"] {
        let input = vote(voter, "yes").to_string();
        asking(&world, &["coordinate", "tell", "ballot", &id, &input]).with(0);
    }
    let watched = asking(&world, &["coordinate", "watch", "ballot", &id]).with(0).out;
    assert!(watched.contains("ballot.decided") && watched.contains("ended"), "{watched}");
    let listed = asking(&world, &["coordinate", "list", "ballot"]).with(0).out;
    assert!(listed.contains(&id), "{listed}");
    asking(&world, &["coordinate", "tell", "ballot", &id, &vote("ada", "no").to_string()]).with(5);
}
