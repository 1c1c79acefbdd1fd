//! Registering, finding, watching, pausing and retiring agents.

use serde_json::{Value, json};

use super::{World, world};

const AGENTS: &str = "/api/v1/agents";

fn card(id: &str, version: &str) -> Value {
    json!({
        "id": id, "version": version, "kind": "http", "capabilities": ["text.translate"],
        "endpoint": "http://127.0.0.1:9/perform",
    })
}

async fn ids(world: &World, query: &str) -> Vec<String> {
    let answer = world.get(&format!("{AGENTS}{query}")).await;
    let agents = answer.is(200)["agents"].as_array().unwrap().clone();
    let name = |agent: &Value| {
        format!("{}@{}", agent["id"].as_str().unwrap(), agent["version"].as_str().unwrap())
    };
    agents.iter().map(name).collect()
}

#[tokio::test]
async fn an_http_agent_is_registered_in_several_versions_and_found_by_the_lowest() {
    let world = world().await;
    for version in ["1.0.0", "1.2.0", "2.0.0"] {
        let answer = world.post(AGENTS, &card("translate", version)).await;
        assert_eq!(answer.is(201)["status"], "active");
        assert_eq!(answer.headers["location"], format!("{AGENTS}/translate@{version}").as_str());
    }
    let found = ids(&world, "?capability=text.translate&min_version=1.1.0").await;
    assert_eq!(found, ["translate@1.2.0", "translate@2.0.0"]);
    assert_eq!(ids(&world, "?kind=http&limit=1").await, ["translate@1.0.0"]);
    assert_eq!(ids(&world, "/translate").await.len(), 3);
    assert_eq!(ids(&world, "/translate@2.0.0").await, ["translate@2.0.0"]);
    world.post(AGENTS, &card("translate", "2.0.0")).await.is_problem(409, "conflict");
}

#[tokio::test]
async fn an_agent_whose_code_runs_here_is_refused_with_the_reason() {
    let world = world().await;
    for kind in ["process", "native"] {
        let body = json!({"id": "x", "kind": kind, "capabilities": ["x"]});
        let answer = world.post(AGENTS, &body).await;
        let problem = answer.is_problem(422, "invalid-field");
        assert_eq!(problem["field"], "kind");
        assert!(problem["next_step"].as_str().unwrap().contains("configuration"), "{problem}");
    }
}

#[tokio::test]
async fn an_endpoint_at_a_link_local_address_is_refused() {
    let world = world().await;
    for endpoint in ["http://169.254.169.254/latest", "http://[fe80::1]/", "file:///etc/passwd", ""]
    {
        let mut body = card("x", "1.0.0");
        body["endpoint"] = json!(endpoint);
        let answer = world.post(AGENTS, &body).await;
        assert_eq!(answer.is_problem(422, "invalid-field")["field"], "endpoint", "{endpoint}");
    }
    assert!(ids(&world, "?kind=http").await.is_empty());
}

#[tokio::test]
async fn a_card_with_faults_names_the_field() {
    let world = world().await;
    let mut body = card("x", "1.0.0");
    body["limits"] = json!({"max_concurrent_tasks": 0});
    let answer = world.post(AGENTS, &body).await;
    assert_eq!(answer.is_problem(422, "invalid-field")["field"], "limits.max_concurrent_tasks");
    body["surprise"] = json!(1);
    let answer = world.post(AGENTS, &body).await;
    assert_eq!(answer.is_problem(422, "invalid-field")["field"], "surprise");
}

#[tokio::test]
async fn an_agent_is_paused_watched_and_retired() {
    let world = world().await;
    world.post(AGENTS, &card("translate", "1.0.0")).await.is(201);
    let path = format!("{AGENTS}/translate");
    let paused = world.patch(&path, &json!({"status": "PAUSED"})).await;
    assert_eq!(paused.is(200)["agents"][0]["status"], "paused");
    let refused = world.patch(&path, &json!({"status": "disconnected"})).await;
    assert_eq!(refused.is_problem(422, "invalid-field")["field"], "status");
    let health = world.get(&format!("{path}/health")).await;
    assert_eq!(health.is(200)["agents"][0]["health"]["status"], "paused");
    assert!(health.body["agents"][0]["last_heartbeat"].is_string());
    let beat = world.post(&format!("{path}/heartbeat"), &json!({})).await;
    beat.is(204);
    assert_eq!(world.delete(&path).await.is(200)["retired"], json!(["translate@1.0.0"]));
    world.get(&path).await.is_problem(404, "not-found");
    world.delete(&path).await.is_problem(404, "not-found");
}

#[tokio::test]
async fn an_agent_whose_code_runs_here_is_paused_and_not_retired() {
    let world = world().await;
    let refused = world.delete(&format!("{AGENTS}/echo")).await;
    let problem = refused.is_problem(409, "conflict");
    assert!(problem["next_step"].as_str().unwrap().contains("paused"), "{problem}");
}

#[tokio::test]
async fn what_can_be_no_agent_is_404() {
    let world = world().await;
    for name in ["nobody", "No%20Body", "echo@9.9.9", "echo@x", "%FF"] {
        let answer = world.get(&format!("{AGENTS}/{name}/health")).await;
        assert!(matches!(answer.status.as_u16(), 404 | 422), "{name}: {answer:?}");
    }
}

#[tokio::test]
async fn agents_are_compared_by_version_only_within_a_capability() {
    let world = world().await;
    let answer = world.get(&format!("{AGENTS}?min_version=1.0.0")).await;
    assert_eq!(answer.is_problem(422, "invalid-field")["field"], "capability");
}
