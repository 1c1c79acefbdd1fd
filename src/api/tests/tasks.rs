//! Submitting, following, cancelling; and every way to be refused.

use axum::body::Body;
use axum::http::request::Builder;
use serde_json::{Value, json};

use super::{Answer, TASKS, World, request, with_json, world};

fn keyed(key: &str) -> Builder {
    request("POST", TASKS).header("idempotency-key", key)
}

/// A task that waits for an agent that is not there, because it names a paused one.
async fn waiting(world: &World) -> String {
    world.patch("/api/v1/agents/echo", &json!({"status": "paused"})).await.is(200);
    let answer = world.submit(json!({"kind": "echo"})).await;
    answer.is(201)["task_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_task_is_accepted_where_it_says_and_ends() {
    let world = world().await;
    let answer = world.submit(json!({"kind": "echo", "payload": {"n": 1}})).await;
    let id = answer.is(201)["task_id"].as_str().unwrap();
    let location = answer.headers["location"].to_str().unwrap();
    assert_eq!(location, format!("{TASKS}/{id}"));
    let task = world.get(&format!("{location}?wait=10")).await;
    assert_eq!(task.is(200)["state"], "completed");
    assert_eq!(task.body["result"], json!({"n": 1}));
}

#[tokio::test]
async fn a_submission_may_wait_for_the_end() {
    let world = world().await;
    let answer = world.post(&format!("{TASKS}?wait=10"), &json!({"kind": "echo"})).await;
    assert_eq!(answer.is(201)["state"], "completed");
    let sample = "/api/v1/orchestration/test/submit-sample-task?wait=10";
    let sample = world.send(request("POST", sample).body(Body::empty()).unwrap()).await;
    assert_eq!(sample.is(201)["state"], "completed");
}

#[tokio::test]
async fn a_wait_that_is_too_short_answers_how_the_task_stands() {
    let world = world().await;
    let id = waiting(&world).await;
    let answer = world.get(&format!("{TASKS}/{id}?wait=1")).await;
    assert_ne!(answer.is(200)["state"], "completed");
    let problem = world.get(&format!("{TASKS}/{id}?wait=99999")).await;
    assert_eq!(problem.is_problem(422, "invalid-field")["field"], "wait");
}

#[tokio::test]
async fn malformed_bodies_are_answered_with_place_or_field() {
    let world = world().await;
    let raw = |text: &'static str| {
        request("POST", TASKS)
            .header("content-type", "application/json")
            .body(Body::from(text))
            .unwrap()
    };
    let problem = world.send(raw("{\"kind\": ")).await;
    assert!(
        problem.is_problem(400, "malformed-json")["field"].as_str().unwrap().contains("line 1")
    );
    for (text, field) in [
        (r#"{"kind":"echo","colour":1}"#, "colour"),
        (r#"{"kind":"echo","priority":"urgent"}"#, "priority"),
        (r#"{"kind":"echo","priority":11}"#, "priority"),
        (r#"{"kind":"echo","mode":"solo"}"#, "mode"),
        (r#"{"payload":1}"#, "kind"),
        (r#"{"kind":""}"#, "kind"),
        (r#"{"kind":"echo","retry":{"max_attempts":"x"}}"#, "retry.max_attempts"),
        (r#"{"kind":"echo","deadline":"1999-01-01T00:00:00Z"}"#, "deadline"),
    ] {
        let answer = world.send(raw(text)).await;
        let problem = answer.is_problem(422, "invalid-field");
        assert_eq!(problem["field"], field, "{text}");
        assert!(problem["expected"].is_string() && problem["got"].is_string(), "{answer:?}");
    }
}

#[tokio::test]
async fn an_oversized_body_is_refused() {
    let world = world().await;
    let huge = json!({"kind": "echo", "payload": "x".repeat(5 << 20)});
    world.submit(huge).await.is_problem(413, "body-too-large");
}

#[tokio::test]
async fn a_task_nobody_can_do_names_what_is_missing() {
    let world = world().await;
    let answer = world.submit(json!({"kind": "translate"})).await;
    let problem = answer.is_problem(422, "no-capable-agent");
    assert!(problem["detail"].as_str().unwrap().contains("translate"), "{problem}");
    assert!(problem.get("field").is_none(), "nothing is wrong with the request itself");
}

#[tokio::test]
async fn the_same_key_names_the_same_task_and_never_another() {
    let world = world().await;
    let send =
        async |key: &str, body: Value| -> Answer { world.send(with_json(keyed(key), &body)).await };
    let first = send("k1", json!({"kind": "echo", "payload": 1})).await;
    let id = first.is(201)["task_id"].clone();
    world.get(&format!("{TASKS}/{}?wait=10", id.as_str().unwrap())).await.is(200);
    let again = send("\"k1\"", json!({"kind": "echo", "payload": 1})).await;
    assert_eq!(again.is(200)["task_id"], id);
    assert_eq!(again.body["duplicate"], true);
    send("k1", json!({"kind": "echo", "payload": 2})).await.is_problem(422, "idempotency-conflict");
    let contradicts = json!({"kind": "echo", "idempotency_key": "k2"});
    send("k1", contradicts).await.is_problem(422, "invalid-field");
}

#[tokio::test]
async fn a_key_in_flight_is_a_conflict() {
    let world = world().await;
    world.patch("/api/v1/agents/echo", &json!({"status": "paused"})).await.is(200);
    let body = json!({"kind": "echo"});
    world.send(with_json(keyed("k"), &body)).await.is(201);
    let again = world.send(with_json(keyed("k"), &body)).await;
    again.is_problem(409, "idempotency-in-flight");
}

#[tokio::test]
async fn what_is_unknown_is_404_and_what_has_ended_is_409() {
    let world = world().await;
    for id in ["01890000-0000-7000-8000-000000000000", "not-an-id", "..%2F.."] {
        world.get(&format!("{TASKS}/{id}")).await.is_problem(404, "not-found");
        world.delete(&format!("{TASKS}/{id}")).await.is_problem(404, "not-found");
    }
    let id = waiting(&world).await;
    let path = format!("{TASKS}/{id}");
    assert_eq!(world.delete(&path).await.is(200)["state"], "cancelled");
    world.delete(&path).await.is_problem(409, "conflict");
}

#[tokio::test]
async fn tasks_are_listed_by_filters_page_by_page() {
    let world = world().await;
    for n in 0..5 {
        let labels = json!({"parity": if n % 2 == 0 { "even" } else { "odd" }});
        let body = json!({"kind": "echo", "payload": n, "labels": labels});
        world.post(&format!("{TASKS}?wait=10"), &body).await.is(201);
    }
    let even = world.get(&format!("{TASKS}?label=parity%3Deven&state=completed")).await;
    assert_eq!(even.is(200)["tasks"].as_array().unwrap().len(), 3);
    assert!(even.headers.contains_key("synod-stream-cursor"));
    for (agent, count) in [("echo", 5), ("echo%400.1.0", 5), ("echo%400.2.0", 0), ("other", 0)] {
        let listed = world.get(&format!("{TASKS}?agent={agent}")).await;
        assert_eq!(listed.is(200)["tasks"].as_array().unwrap().len(), count, "{agent}");
    }
    let first = world.get(&format!("{TASKS}?limit=2")).await;
    let next = first.is(200)["next"].as_str().unwrap().to_owned();
    let second = world.get(&format!("{TASKS}?limit=2&cursor={next}")).await;
    assert_ne!(second.is(200)["tasks"][0]["task_id"], first.body["tasks"][0]["task_id"]);
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=x", "limit"),
        ("state=lost", "state"),
        ("label=x", "label"),
        ("agent=No%20Name", "agent"),
        ("agent=echo%40one", "agent"),
        ("cursor=x", "cursor"),
    ] {
        let answer = world.get(&format!("{TASKS}?{query}")).await;
        assert_eq!(answer.is_problem(422, "invalid-field")["field"], field);
    }
}

#[tokio::test]
async fn an_engine_that_does_not_answer_is_a_503_with_a_next_step() {
    let config = super::ApiConfig { ask_timeout_ms: 50, ..Default::default() };
    let world = super::world_with(config).await;
    world.pause("/node/tasks");
    let answer = world.submit(json!({"kind": "echo"})).await;
    let problem = answer.is_problem(503, "overloaded");
    assert!(problem["next_step"].as_str().unwrap().contains("same Idempotency-Key"));
    assert_eq!(answer.headers["retry-after"], "1");
    let stats = world.get("/api/v1/orchestration/stats").await;
    let problem = stats.is_problem(503, "overloaded");
    assert!(problem["next_step"].as_str().unwrap().contains("/api/v1/status"));
}

#[tokio::test]
async fn a_full_queue_is_a_429_that_says_when_to_come_back() {
    let mut config = crate::config::NodeConfig::default();
    config.tasks.max_queued = 2;
    let world = super::world_of(config).await;
    world.patch("/api/v1/agents/echo", &json!({"status": "paused"})).await.is(200);
    let mut accepted = 0;
    let refused = loop {
        let answer = world.submit(json!({"kind": "echo"})).await;
        if answer.status != 201 {
            break answer;
        }
        accepted += 1;
        assert!(accepted <= 2, "the bound is not kept");
    };
    refused.is_problem(429, "queue-full");
    let seconds: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(seconds >= 1);
    let stats = world.get("/api/v1/orchestration/stats").await;
    assert_eq!(stats.is(200)["ledger"]["accepted"], accepted);
}

#[tokio::test]
async fn a_fault_of_a_submission_says_what_was_expected_and_what_came() {
    let world = world().await;
    let submit = async |body: &str| {
        let asked = request("POST", TASKS).header("content-type", "application/json");
        world.send(asked.body(Body::from(body.to_owned())).unwrap()).await
    };
    let cases = [
        (r#""priority":1e999"#, "priority", "number from 1 to 10", "1e999"),
        (r#""deadline":"tomorrow""#, "deadline", "2030-01-31T12:00:00Z (RFC 3339)", "tomorrow"),
        (r#""retry":{"max_attempts":0}"#, "retry.max_attempts", "1 to 1000", "0"),
        (
            r#""timeout_s":99999999999999999999"#,
            "timeout_s",
            "a whole number",
            "99999999999999999999",
        ),
        (r#""timeout_s":0"#, "timeout_s", "1 to ", "0"),
        (r#""labels":{"a b":"x"}"#, "labels.a b", "a key of 1 to 63", "a b"),
    ];
    for (member, field, expected, got) in cases {
        let answer = submit(&format!(r#"{{"kind":"echo",{member}}}"#)).await;
        let problem = answer.is_problem(422, "invalid-field");
        assert_eq!(problem["field"], field, "{problem}");
        let has = |name: &str, text: &str| problem[name].as_str().is_some_and(|t| t.contains(text));
        assert!(has("expected", expected) && has("got", got), "{problem}");
    }
    for body in [r#"{"kind":"echo","payload":"\ud800"}"#, r#"{"kind":"\ud800"}"#] {
        submit(body).await.is_problem(400, "malformed-json");
    }
}
