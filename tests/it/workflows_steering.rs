//! Steering runs: cancel, pause, retry, fork, checkpoint, rollback, amend; decisions, messages.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::client::{Client, assert_field, assert_problem};
use crate::workflows::{RUNS, step};
use crate::world::World;

async fn steer(client: &Client, id: &str, what: &str, body: Value) -> (StatusCode, Value) {
    client.post(&format!("{RUNS}/{id}/{what}"), body).await
}

fn steps(steps: Value) -> Value {
    json!({"definition": {"name": "steered", "steps": steps}})
}

/// A step of the echo agent that takes this long.
fn slow(id: &str, delay_ms: u64) -> Value {
    let labels = json!({"echo.delay_ms": delay_ms.to_string()});
    json!({"id": id, "agent": "echo", "input": id, "labels": labels})
}

#[tokio::test]
async fn a_cancelled_run_ends_and_never_reopens() {
    let World { client, node: _node, .. } = &World::start("");
    let id = client.started(steps(json!([slow("a", 30_000)]))).await;
    client.until(&format!("{RUNS}/{id}"), |run| step(run, "a")["state"] == "running").await;
    let (status, run) = steer(client, &id, "cancel", json!({"reason": "enough"})).await;
    assert_eq!(status, StatusCode::OK, "{run}");
    let run = client.run_ended(&id).await;
    assert_eq!(run["state"], "cancelled", "{run:#}");
    assert_eq!(step(&run, "a")["state"], "cancelled", "{run:#}");
    for what in ["cancel", "pause", "resume"] {
        let answer = steer(client, &id, what, json!({})).await;
        assert_problem(&answer, 409, "conflict");
    }
    let ledger = client.run_ledger().await;
    assert_eq!((&ledger["cancelled"], &ledger["open"]), (&json!(1), &json!(0)), "{ledger}");
}

#[tokio::test]
async fn a_paused_run_begins_nothing_until_it_is_resumed() {
    let World { client, node: _node, .. } = &World::start("");
    let mut second = slow("b", 0);
    second["depends_on"] = json!(["a"]);
    let id = client.started(steps(json!([slow("a", 300), second]))).await;
    let (status, run) = steer(client, &id, "pause", json!({})).await;
    assert_eq!(status, StatusCode::OK, "{run}");
    let path = format!("{RUNS}/{id}");
    let run = client.until(&path, |run| step(run, "a")["state"] == "completed").await;
    assert_eq!((&run["state"], &step(&run, "b")["state"]), (&json!("paused"), &json!("pending")));
    let (status, _) = steer(client, &id, "resume", json!({})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(client.run_ended(&id).await["state"], "completed");
}

#[tokio::test]
async fn a_failed_run_is_retried_as_a_new_one_that_keeps_what_was_done() {
    let World { client, node: _node, .. } = &World::start("");
    let fragile = json!({"id": "b", "transform": "${inputs.missing.more}", "depends_on": ["a"]});
    let id = client.started(steps(json!([slow("a", 0), fragile]))).await;
    let run = client.run_ended(&id).await;
    assert_eq!(run["state"], "failed", "{run:#}");
    assert_eq!(run["error"]["kind"], "expression_error", "{run:#}");
    let (status, retry) = steer(client, &id, "retry", json!({})).await;
    assert_eq!(status, StatusCode::CREATED, "{retry}");
    let again = client.run_ended(retry["run_id"].as_str().expect("an id")).await;
    assert_eq!(again["links"][0], json!({"relation": "retry_of", "run_id": id}), "{again:#}");
    assert_eq!(step(&again, "a")["output"], "a", "{again:#}");
    let fork = json!({"input": {"missing": {"more": 7}}});
    let (status, forked) = steer(client, &id, "fork", fork).await;
    assert_eq!(status, StatusCode::CREATED, "{forked}");
    let forked = client.run_ended(forked["run_id"].as_str().expect("an id")).await;
    assert_eq!(forked["links"][0]["relation"], "fork_of", "{forked:#}");
    let done = client.started(steps(json!([slow("a", 0)]))).await;
    client.run_ended(&done).await;
    assert_problem(&steer(client, &done, "retry", json!({})).await, 409, "conflict");
    assert_eq!(client.run(&id).await["state"], "failed", "what has ended stays as it is");
}

#[tokio::test]
async fn a_run_is_taken_back_to_a_checkpoint() {
    let World { client, node: _node, .. } = &World::start("");
    let ask = json!({"id": "gate", "approval": {"ask": "Go on?"}, "depends_on": ["a"]});
    let last = json!({"id": "b", "transform": "${outputs.gate.approved}", "depends_on": ["gate"]});
    let again = json!({"id": "gate2", "approval": {"ask": "Again?"}, "depends_on": ["b"]});
    let id = client.started(steps(json!([slow("a", 0), ask, last, again]))).await;
    client.run_in(&id, "waiting").await;
    let (status, run) = steer(client, &id, "checkpoint", json!({"name": "before"})).await;
    assert_eq!(status, StatusCode::OK, "{run}");
    let twice = steer(client, &id, "checkpoint", json!({"name": "before"})).await;
    assert!(twice.0.is_client_error(), "{}", twice.1);
    approve(client, &id, "gate").await;
    client.until(&format!("{RUNS}/{id}"), |run| step(run, "gate2")["state"] == "waiting").await;
    let nowhere = steer(client, &id, "rollback", json!({"to": "nowhere"})).await;
    assert!(nowhere.0.is_client_error(), "{}", nowhere.1);
    let (status, run) = steer(client, &id, "rollback", json!({"to": "before"})).await;
    assert_eq!(status, StatusCode::OK, "{run}");
    let back = |run: &Value| step(run, "gate")["state"] == "waiting";
    let run = client.until(&format!("{RUNS}/{id}"), back).await;
    assert_eq!(step(&run, "a")["state"], "completed", "{run:#}");
    assert_eq!(step(&run, "b")["state"], "pending", "{run:#}");
    approve(client, &id, "gate").await;
    client.until(&format!("{RUNS}/{id}"), |run| step(run, "gate2")["state"] == "waiting").await;
    approve(client, &id, "gate2").await;
    assert_eq!(client.run_ended(&id).await["state"], "completed");
}

/// The open approval of a step of a run.
async fn open(client: &Client, run: &str, step: &str) -> Value {
    let of_step = |page: &Value| -> Option<Value> {
        let mut all = page["approvals"].as_array()?.iter();
        all.find(|one| one["step"] == step && one["run_id"] == run).cloned()
    };
    let path = format!("/api/v1/approvals?run={run}");
    let page = client.until(&path, |page| of_step(page).is_some()).await;
    of_step(&page).expect("an approval")
}

async fn approve(client: &Client, run: &str, step: &str) {
    let id = open(client, run, step).await["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/v1/approvals/{id}/decide");
    let (status, answer) = client.post(&path, json!({"verdict": "approve"})).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}

#[tokio::test]
async fn a_person_decides_and_may_change_what_was_suggested() {
    let World { client, node: _node, .. } = &World::start("");
    let gate = json!({"id": "gate", "approval": {
        "ask": "Pay ${inputs.sum}?", "payload": {"sum": "${inputs.sum}"}, "editable": true,
    }});
    let mut request = steps(json!([gate]));
    request["input"] = json!({"sum": 100});
    let id = client.started(request).await;
    let approval = open(client, &id, "gate").await;
    assert_eq!(approval["question"], "Pay 100?", "{approval:#}");
    assert_eq!(approval["payload"], json!({"sum": 100}));
    let path = format!("/api/v1/approvals/{}", approval["id"].as_str().expect("an id"));
    let wrong = client.post(&format!("{path}/decide"), json!({"verdict": "maybe"})).await;
    assert_field(&wrong, "verdict", "approve");
    let decision = json!({"verdict": "approve", "payload": {"sum": 80}, "reason": "a discount"});
    let (status, decided) = client.post(&format!("{path}/decide"), decision).await;
    assert_eq!(status, StatusCode::OK, "{decided}");
    assert_eq!(decided["state"], "approved", "{decided:#}");
    assert_eq!(decided["decisions"][0]["reason"], "a discount", "{decided:#}");
    let twice = client.post(&format!("{path}/decide"), json!({"verdict": "reject"})).await;
    assert_problem(&twice, 409, "conflict");
    let run = client.run_ended(&id).await;
    let output = &step(&run, "gate")["output"];
    assert_eq!(
        (&output["payload"]["sum"], &output["suggestion"]["sum"]),
        (&json!(80), &json!(100))
    );
    let (_, page) = client.get("/api/v1/approvals").await;
    assert_eq!(page["approvals"], json!([]), "only open ones are listed");
    let nobody =
        client.post("/api/v1/approvals/nobody/decide", json!({"verdict": "approve"})).await;
    assert_problem(&nobody, 404, "not-found");
}

#[tokio::test]
async fn a_rejection_fails_the_step_with_its_kind() {
    let World { client, node: _node, .. } = &World::start("");
    let id = client.started(steps(json!([{"id": "gate", "approval": {"ask": "Go?"}}]))).await;
    let approval = open(client, &id, "gate").await;
    let path = format!("/api/v1/approvals/{}/decide", approval["id"].as_str().expect("an id"));
    let (status, decided) = client.post(&path, json!({"verdict": "reject"})).await;
    assert_eq!((status, &decided["state"]), (StatusCode::OK, &json!("rejected")), "{decided:#}");
    let run = client.run_ended(&id).await;
    assert_eq!(run["error"]["kind"], "approval_rejected", "{run:#}");
}

#[tokio::test]
async fn a_message_wakes_the_step_that_awaits_it() {
    let World { client, node: _node, .. } = &World::start("");
    let awaits = json!({"id": "paid", "await": {"topic": "paid", "match": "message.order == 7"}});
    let id = client.started(steps(json!([awaits]))).await;
    let run = client.run_in(&id, "waiting").await;
    assert_eq!(run["waiting_for"][0]["what"], "message", "{run:#}");
    let send = async |order: u64| {
        let message = json!({"topic": "paid", "payload": {"order": order}});
        client.post("/api/v1/messages", message).await
    };
    let (status, sent) = send(6).await;
    assert_eq!((status, &sent["taken"]), (StatusCode::OK, &json!(0)), "{sent}");
    let (_, sent) = send(7).await;
    assert_eq!(sent["taken"], 1, "{sent}");
    assert_eq!(step(&client.run_ended(&id).await, "paid")["output"], json!({"order": 7}));
    let wrong = client.post("/api/v1/messages", json!({"payload": 1})).await;
    assert_field(&wrong, "topic", "");
}

#[tokio::test]
async fn a_run_goes_on_by_an_amended_definition() {
    let World { client, node: _node, .. } = &World::start("");
    let gate = json!({"id": "gate", "approval": {"ask": "Go?"}});
    let old = json!([gate, {"id": "b", "transform": "old", "depends_on": ["gate"]}]);
    let id = client.started(steps(old)).await;
    client.run_in(&id, "waiting").await;
    assert_field(&steer(client, &id, "amend", json!({})).await, "definition", "variables");
    let begun = json!({"name": "steered", "steps": [{"id": "other", "transform": 1}]});
    let refused = steer(client, &id, "amend", json!({"definition": begun})).await;
    assert!(refused.0.is_client_error(), "a step that waits can't go: {}", refused.1);
    let new = json!({"name": "steered", "steps": [
        gate, {"id": "b", "transform": "new", "depends_on": ["gate"]},
    ]});
    let body = json!({"definition": new, "reason": "a typo"});
    let (status, run) = steer(client, &id, "amend", body).await;
    assert_eq!(status, StatusCode::OK, "{run:#}");
    approve(client, &id, "gate").await;
    assert_eq!(step(&client.run_ended(&id).await, "b")["output"], "new");
}
