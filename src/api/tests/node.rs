//! Status, controls, health, metrics, drain and reload.

use axum::body::Body;
use serde_json::{Value, json};

use super::{World, request, world};

const STATUS: &str = "/api/v1/status";

async fn post_nothing(world: &World, path: &str) -> super::Answer {
    world.send(request("POST", path).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn the_status_shows_the_node_and_its_actors() {
    let world = world().await;
    let answer = world.get(STATUS).await;
    let node = &answer.is(200)["node"];
    assert_eq!(node["ready"], true, "{node}");
    assert_eq!(node["ledger"]["balanced"], true);
    assert_eq!(node["journal"]["accepting"], true);
    assert_eq!(answer.body["tree"]["path"], "/");
    let tasks = world.get(&format!("{STATUS}?path=/node/tasks&depth=0")).await;
    assert_eq!(tasks.is(200)["tree"]["path"], "/node/tasks");
    assert_eq!(tasks.body["tree"]["children"], json!([]));
    world.get(&format!("{STATUS}?path=/nowhere")).await.is_problem(404, "not-found");
    world.get(&format!("{STATUS}?depth=-1")).await.is_problem(422, "invalid-field");
}

async fn state(world: &World, path: &str) -> Value {
    world.get(&format!("{STATUS}?path={path}&depth=0")).await.is(200)["tree"]["state"].clone()
}

#[tokio::test]
async fn an_operator_pauses_resumes_and_restarts_an_actor() {
    let world = world().await;
    let echo = "/node/agents/echo@0.1.0";
    let path = json!({"path": echo});
    world.post(&format!("{STATUS}/pause"), &path).await.is(202);
    assert_eq!(state(&world, echo).await, "paused");
    world.post(&format!("{STATUS}/resume"), &path).await.is(202);
    assert_eq!(state(&world, echo).await, "running");
    assert_eq!(world.post(&format!("{STATUS}/restart"), &path).await.is(202)["control"], "restart");
    let nowhere = json!({"path": "/nowhere"});
    world.post(&format!("{STATUS}/stop"), &nowhere).await.is_problem(404, "not-found");
    world.post(&format!("{STATUS}/explode"), &path).await.is_problem(404, "not-found");
    let wrong = world.post(&format!("{STATUS}/pause"), &json!({"actor": "/"})).await;
    assert_eq!(wrong.is_problem(422, "invalid-field")["field"], "actor");
}

#[tokio::test]
async fn operators_can_not_silence_who_answers_them() {
    let world = world().await;
    for path in ["/node/status", "/node", "/"] {
        let answer = world.post(&format!("{STATUS}/stop"), &json!({"path": path})).await;
        answer.is_problem(409, "conflict");
    }
}

#[tokio::test]
async fn a_part_of_the_node_is_restarted_but_not_paused_or_stopped() {
    let world = world().await;
    for path in ["/node/journal", "/node/tasks", "/node/registry", "/node/agents"] {
        for word in ["pause", "stop"] {
            let answer = world.post(&format!("{STATUS}/{word}"), &json!({"path": path})).await;
            let next = answer.is_problem(409, "conflict")["next_step"].as_str().unwrap();
            assert!(next.contains("restart") && next.contains("SIGTERM"), "{next}");
        }
    }
    let nobody = world.post(&format!("{STATUS}/stop"), &json!({"path": "/node/nobody"})).await;
    nobody.is_problem(404, "not-found");
    let registry = json!({"path": "/node/registry"});
    world.post(&format!("{STATUS}/restart"), &registry).await.is(202);
}

#[tokio::test]
async fn a_node_is_alive_and_ready() {
    let world = world().await;
    assert_eq!(world.get("/healthz").await.is(200)["status"], "alive");
    assert_eq!(world.get("/readyz").await.is(200)["ready"], true);
    world.get("/metrics").await.is(200);
}

#[tokio::test]
async fn a_part_that_hangs_makes_the_node_unready_with_the_reason() {
    let world = world().await;
    world.pause("/node/tasks");
    let answer = world.get("/readyz").await;
    let detail = answer.is_problem(503, "unavailable")["detail"].as_str().unwrap();
    assert!(detail.contains("the task engine does not answer"), "{detail}");
    assert_eq!(world.get("/healthz").await.is(200)["status"], "alive");
    assert_eq!(world.get(STATUS).await.is(200)["node"]["ready"], false);
}

#[tokio::test]
async fn a_part_that_hangs_is_named_however_short_the_patience() {
    let config = super::ApiConfig { ask_timeout_ms: 200, ..Default::default() };
    let world = super::world_with(config).await;
    world.pause("/node/tasks");
    let answer = world.get("/readyz").await;
    let detail = answer.is_problem(503, "unavailable")["detail"].as_str().unwrap();
    assert!(detail.contains("the task engine does not answer"), "{detail}");
}

#[tokio::test]
async fn a_drained_node_accepts_nothing_and_says_so() {
    let world = world().await;
    let far = world.post("/api/v1/node/drain", &json!({"within_s": 100_000})).await;
    assert_eq!(far.is_problem(422, "invalid-field")["field"], "within_s");
    let drain = world.post("/api/v1/node/drain", &json!({"within_s": 1})).await;
    assert_eq!(drain.is(202)["draining"], true);
    // The answer comes when the drain has begun: a submission behind it is refused.
    let refused = world.submit(json!({"kind": "echo"})).await;
    refused.is_problem(503, "unavailable");
    world.get("/readyz").await.is_problem(503, "unavailable");
}

#[tokio::test]
async fn a_node_without_a_file_has_nothing_to_read_again() {
    let world = world().await;
    let answer = post_nothing(&world, "/api/v1/config/reload").await;
    answer.is_problem(409, "conflict");
}
