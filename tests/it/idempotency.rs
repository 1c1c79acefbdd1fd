//! The same idempotency key is the same task, whatever comes between.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::{Client, TASKS, assert_field, assert_problem, echo, slow_echo};
use crate::world::World;

/// A slow task under this key.
fn slow(key: &str) -> Value {
    let mut task = slow_echo(60_000);
    task["idempotency_key"] = key.into();
    task
}

async fn submit_with_header(client: &Client, key: &str, task: &Value) -> (StatusCode, Value) {
    let request = client.raw(Method::POST, TASKS).header("idempotency-key", key).json(task);
    let answer = request.send().await.expect("an answer");
    (answer.status(), answer.json().await.expect("JSON"))
}

#[tokio::test]
async fn the_same_request_again_is_the_same_task() {
    let mut world = World::start("");
    let first = world.client.done(echo("a")).await;
    let again = json!({"duplicate": true, "state": "completed", "task_id": first["task_id"]});
    let (status, answer) = world.client.post(TASKS, echo("a")).await;
    assert_eq!((status, &answer), (StatusCode::OK, &again));

    // Neither the order of members nor their spacing makes another request.
    let request = world.client.raw(Method::POST, TASKS).header("content-type", "application/json");
    let text = "{ \"idempotency_key\":\"a\", \"payload\" : {\"key\":  \"a\"}, \
                \"capabilities\":[\"echo\"],\"kind\":\"echo\" }";
    let answer: Value = request.body(text).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer, again);

    world.restart("");
    let (status, answer) = world.client.post(TASKS, echo("a")).await;
    assert_eq!((status, &answer), (StatusCode::OK, &again), "a restart forgets no key");
    assert_eq!(world.client.ledger().await["accepted"], 1);
}

#[tokio::test]
async fn a_request_in_flight_is_not_answered_twice() {
    let World { client, node: _node, .. } = &World::start("");
    let id = client.accepted(slow("a")).await;
    let answer = client.post(TASKS, slow("a")).await;
    assert_problem(&answer, 409, "idempotency-in-flight");
    let next = answer.1["next_step"].as_str().expect("a next step");
    assert!(next.contains(&id), "the task is named: {next}");

    client.delete(&format!("{TASKS}/{id}")).await;
    let (status, answer) = client.post(TASKS, slow("a")).await;
    assert_eq!((status, &answer["state"]), (StatusCode::OK, &json!("cancelled")), "{answer}");
    assert_eq!(client.ledger().await["accepted"], 1);
}

#[tokio::test]
async fn a_key_with_another_body_is_refused_and_names_the_first_task() {
    let World { client, node: _node, .. } = &World::start("");
    let first = client.done(echo("a")).await;
    let mut other = echo("a");
    other["payload"] = json!({"key": "b"});
    let answer = client.post(TASKS, other.clone()).await;
    assert_problem(&answer, 422, "idempotency-conflict");
    let next = answer.1["next_step"].as_str().expect("a next step");
    assert!(next.contains(first["task_id"].as_str().expect("an id")), "{next}");

    // It is refused while the first is under way as well: the body is what differs.
    client.accepted(slow("b")).await;
    other["idempotency_key"] = json!("b");
    assert_problem(&client.post(TASKS, other).await, 422, "idempotency-conflict");
    assert_eq!(client.ledger().await["accepted"], 2);
}

#[tokio::test]
async fn the_header_names_the_same_key_as_the_field() {
    let World { client, node: _node, .. } = &World::start("");
    let plain = json!({"kind": "echo", "payload": 1});
    let (status, first) = submit_with_header(client, "k-1", &plain).await;
    assert_eq!(status, StatusCode::CREATED, "{first}");
    client.until_ended(first["task_id"].as_str().expect("an id")).await;

    let mut keyed = plain.clone();
    keyed["idempotency_key"] = json!("k-1");
    for (header, task) in [("k-1", &plain), ("\"k-1\"", &plain), ("k-1", &keyed)] {
        let (status, again) = submit_with_header(client, header, task).await;
        assert_eq!((status, &again["task_id"]), (StatusCode::OK, &first["task_id"]), "{again}");
    }
    let torn = submit_with_header(client, "k-2", &keyed).await;
    assert_field(&torn, "idempotency_key", "the same key as in the header");
    assert_eq!(client.ledger().await["accepted"], 1);
}

#[tokio::test]
async fn a_key_belongs_to_its_tenant() {
    let World { client, node: _node, .. } = &World::start("");
    let mine = client.done(echo("a")).await;
    let mut theirs = echo("a");
    theirs["tenant"] = json!("other");
    let theirs = client.done(theirs).await;
    assert_ne!(mine["task_id"], theirs["task_id"]);
}

#[tokio::test]
async fn of_many_at_once_with_one_key_one_task_is_made() {
    let World { client, node: _node, .. } = &World::start("");
    let many = (0..32).map(|_| client.submit(echo("a")));
    let mut ids = std::collections::BTreeSet::new();
    for answer in futures::future::join_all(many).await {
        let (status, answer) = answer.expect("an answer");
        match status.as_u16() {
            200 | 201 => ids.insert(answer["task_id"].as_str().expect("an id").to_owned()),
            409 => continue,
            _ => panic!("{status}: {answer}"),
        };
    }
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(client.ledger().await["accepted"], 1);
}
