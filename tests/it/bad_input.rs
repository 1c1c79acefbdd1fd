//! Wrong requests: each has a clear answer, and none of them costs what is right anything.

use reqwest::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Body, Method, StatusCode};
use serde_json::{Value, json};

use crate::client::{AGENTS, Client, STATS, TASKS, assert_field, assert_problem, echo, slow_echo};
use crate::world::World;

/// An id of the right form that no task has.
const NOBODY: &str = "0198c0de-0000-7000-8000-000000000000";

/// Sends these bytes as JSON.
async fn post_bytes(client: &Client, body: impl Into<Body>) -> (StatusCode, Value) {
    let request = client.raw(Method::POST, TASKS).header(CONTENT_TYPE, "application/json");
    let answer = request.body(body).send().await.expect("an answer");
    let status = answer.status();
    (status, answer.json().await.expect("a problem in JSON"))
}

/// The node is whole: it has accepted this many tasks, and does one more.
async fn assert_whole(client: &Client, accepted: u64) {
    let ledger = client.ledger().await;
    assert_eq!(ledger["accepted"], accepted, "{ledger}");
    let task = client.done(json!({"kind": "echo", "payload": "still here"})).await;
    assert_eq!(task["result"], "still here", "{task}");
}

#[tokio::test]
async fn a_body_that_is_no_json_is_told_where_it_breaks() {
    let world = World::start("");
    for (body, place) in [
        ("", "line 1, column 0"),
        ("{\"kind\":", "line 1, column 8"),
        ("{\"kind\": \"echo\",\n nothing}", "line 2, column 2"),
        ("{\"kind\": \"echo\"} {\"kind\": \"echo\"}", "line 1, column 18"),
        ("{\"kind\": \"\u{0}\"}", "line 1, column 11"),
    ] {
        let answer = post_bytes(&world.client, body).await;
        assert_problem(&answer, 400, "malformed-json");
        assert_eq!(answer.1["field"], place, "{body:?}: {}", answer.1);
    }
    let answer = post_bytes(&world.client, b"{\"kind\": \"\xff\xfe\"}".to_vec()).await;
    assert_problem(&answer, 400, "malformed-json");
    assert_whole(&world.client, 0).await;
}

#[tokio::test]
async fn a_body_that_is_no_object_is_no_task() {
    let world = World::start("");
    for body in ["[]", "[\"echo\"]", "\"echo\"", "1", "null", "true"] {
        let answer = post_bytes(&world.client, body).await;
        assert_field(&answer, "(body)", "object");
    }
    assert_whole(&world.client, 0).await;
}

#[tokio::test]
async fn what_is_too_large_is_refused_however_it_is_sent() {
    let world = World::start("max_body_bytes = 4096\n[tasks]\nmax_payload_bytes = 1024\n");
    let of_size = |bytes: usize| json!({"kind": "echo", "payload": "x".repeat(bytes)}).to_string();

    let announced = post_bytes(&world.client, of_size(5_000)).await;
    assert_problem(&announced, 413, "body-too-large");
    let pieces = of_size(5_000).into_bytes();
    let pieces: Vec<_> = pieces.chunks(100).map(|piece| Ok::<_, String>(piece.to_vec())).collect();
    let unannounced = Body::wrap_stream(futures::stream::iter(pieces));
    assert_problem(&post_bytes(&world.client, unannounced).await, 413, "body-too-large");

    let payload = post_bytes(&world.client, of_size(2_000)).await;
    assert_problem(&payload, 413, "body-too-large");
    assert_eq!(payload.1["field"], "payload", "{}", payload.1);
    assert_eq!(payload.1["expected"], "at most 1024 bytes", "{}", payload.1);
    assert_whole(&world.client, 0).await;
}

#[tokio::test]
async fn a_wrong_field_is_named_with_what_was_expected() {
    let world = World::start("");
    let cases = [
        (json!({"kind": "echo", "colour": "red"}), "colour", "`priority`"),
        (json!({"priority": 1}), "kind", "a value"),
        (json!({"kind": 7}), "kind", "a string"),
        (json!({"kind": "echo", "priority": "urgent"}), "priority", "critical, high, normal"),
        (json!({"kind": "echo", "priority": 11}), "priority", "a number from 1 to 10"),
        (json!({"kind": "echo", "priority": 0}), "priority", "a number from 1 to 10"),
        (json!({"kind": "echo", "mode": "solo"}), "mode", "single, sequential, parallel"),
        (json!({"kind": "echo", "retry": {"max_attempt": 1}}), "retry.max_attempt", "`max_att"),
        (json!({"kind": "echo", "retry": {"max_attempts": 0}}), "retry.max_attempts", "1 to"),
        (json!({"kind": "echo", "timeout_s": 0}), "timeout_s", "1 to 604800"),
        (json!({"kind": "echo", "deadline": "tomorrow"}), "deadline", ""),
        (json!({"kind": "echo", "deadline": "2020-01-01T00:00:00Z"}), "deadline", "future"),
        (json!({"kind": "echo", "tenant": "a b"}), "tenant", "1 to 64"),
        (json!({"kind": "echo", "budget": -1}), "budget", "a number from 0"),
        (json!({"kind": "echo", "labels": {"a": 1}}), "labels.a", "a string"),
        (json!({"kind": "echo", "agents": ["Nobody!"]}), "agents[0]", "an agent id"),
        (json!({"kind": "echo", "idempotency_key": ""}), "idempotency_key", "1 to 255"),
        (json!({"kind": "echo", "capabilities": ["A!"]}), "capabilities[0]", ""),
        (json!({"kind": "echo", "consensus": {}}), "consensus", "mode is consensus"),
        (json!({"kind": "echo", "content_type": "image/png"}), "content_type", "application/json"),
    ];
    for (body, field, expected) in cases {
        let answer = world.client.post(TASKS, body.clone()).await;
        assert_eq!(answer.0, StatusCode::UNPROCESSABLE_ENTITY, "{body}: {}", answer.1);
        if expected.is_empty() {
            assert_eq!(answer.1["field"], field, "{body}: {}", answer.1);
        } else {
            assert_field(&answer, field, expected);
        }
    }
    assert_whole(&world.client, 0).await;
}

#[tokio::test]
async fn a_wrong_parameter_is_named_with_what_was_expected() {
    let World { client, node: _node, .. } = &World::start("");
    for (path, field, expected) in [
        (format!("{TASKS}?colour=red"), "colour", "`state`"),
        (format!("{TASKS}?limit=0"), "limit", "1 to 1000"),
        (format!("{TASKS}?limit=many"), "limit", ""),
        (format!("{TASKS}?state=lost"), "state", "pending, queued"),
        (format!("{TASKS}?label=a"), "label", "key=value"),
        (format!("{TASKS}?cursor=here"), "cursor", "`next`"),
        (format!("{AGENTS}?min_version=1.0.0"), "capability", "a capability"),
        (format!("{AGENTS}?kind=robot"), "kind", "native, process"),
        (format!("{AGENTS}?cursor=%00"), "cursor", "`next`"),
    ] {
        let answer = client.get(&path).await;
        assert_eq!(answer.0, StatusCode::UNPROCESSABLE_ENTITY, "{path}: {}", answer.1);
        assert_eq!(answer.1["field"], field, "{path}: {}", answer.1);
        let said = answer.1["expected"].as_str().unwrap_or_default();
        assert!(said.contains(expected), "{path}: {}", answer.1);
    }
    let long = client.post(&format!("{TASKS}?wait=3601"), echo("a")).await;
    assert_field(&long, "wait", "0 to 60 seconds");
    assert_whole(client, 0).await;
}

#[tokio::test]
async fn only_json_is_taken_and_only_by_the_methods_there_are() {
    let World { client, node: _node, .. } = &World::start("");
    for kind in ["text/plain", "application/xml", "application/json-seq", "nonsense"] {
        let request = client.raw(Method::POST, TASKS).header(CONTENT_TYPE, kind);
        let answer = request.body(echo("a").to_string()).send().await.expect("an answer");
        assert_eq!(answer.status(), 415, "{kind}");
    }
    let untyped = client.raw(Method::POST, TASKS).body(echo("a").to_string()).send().await;
    assert_eq!(untyped.expect("an answer").status(), 415);

    for (method, path, allowed) in [
        (Method::PUT, TASKS, "POST"),
        (Method::DELETE, TASKS, "GET"),
        (Method::POST, STATS, "GET"),
        (Method::GET, "/api/v1/node/drain", "POST"),
    ] {
        let answer = client.raw(method.clone(), path).send().await.expect("an answer");
        let allow = answer.headers().get(ALLOW).map(|value| value.to_str().expect("ASCII"));
        assert!(allow.is_some_and(|allow| allow.contains(allowed)), "{method} {path}: {allow:?}");
        let answer = (answer.status(), answer.json().await.expect("a problem"));
        assert_problem(&answer, 405, "method-not-allowed");
    }
    assert_problem(&client.get("/api/v2/orchestration/tasks").await, 404, "not-found");
    assert_whole(client, 0).await;
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let World { client, node: _node, .. } = &World::start("");
    for path in [format!("{TASKS}/{NOBODY}"), format!("{TASKS}/first"), format!("{TASKS}/%FF")] {
        let shown = client.get(&path).await;
        assert!(matches!(shown.0.as_u16(), 404 | 422), "{path}: {}", shown.1);
        let cancelled = client.delete(&path).await;
        assert_eq!(cancelled.0, shown.0, "{path}: {}", cancelled.1);
    }
    for path in ["nobody", "nobody@1.0.0", "echo@9.9.9", "No%20Name", "echo@one"] {
        let path = format!("{AGENTS}/{path}");
        assert_problem(&client.get(&path).await, 404, "not-found");
        assert_problem(&client.get(&format!("{path}/health")).await, 404, "not-found");
        assert_problem(&client.delete(&path).await, 404, "not-found");
        let paused = client.patch(&path, json!({"status": "paused"})).await;
        assert_problem(&paused, 404, "not-found");
    }
    assert_whole(client, 0).await;
}

#[tokio::test]
async fn a_task_that_no_agent_can_do_is_refused_or_waits_as_configured() {
    let mut world = World::start("");
    let fly = json!({"kind": "fly", "timeout_s": 600});
    let refused = world.client.post(TASKS, fly.clone()).await;
    assert_problem(&refused, 422, "no-capable-agent");
    assert!(refused.1["detail"].as_str().is_some_and(|text| text.contains("fly")), "{refused:?}");
    assert!(refused.1["next_step"].as_str().is_some_and(|text| text.contains(AGENTS)));
    assert_whole(&world.client, 0).await;

    world.restart("[tasks]\nunknown_capability = \"wait\"\n");
    let id = world.client.accepted(fly).await;
    assert_eq!(world.client.task(&id).await["state"], "pending");
    let ledger = world.client.ledger().await;
    assert_eq!((&ledger["accepted"], &ledger["open"]), (&json!(2), &json!(1)), "{ledger}");
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_back() {
    let extra = "[tasks]\nmax_queued = 3\nunknown_capability = \"wait\"\n";
    let World { client, node: _node, .. } = &World::start(extra);
    let fly = json!({"kind": "fly"});
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(client.accepted(fly.clone()).await);
    }
    let request = client.raw(Method::POST, TASKS).json(&fly);
    let answer = request.send().await.expect("an answer");
    let after: Option<u64> =
        answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    assert!(after.is_some_and(|seconds| seconds >= 1), "{after:?}");
    let answer = (answer.status(), answer.json::<Value>().await.expect("a problem"));
    assert_problem(&answer, 429, "queue-full");
    assert_eq!(answer.1["retry_after_s"].as_u64(), after);

    // Room again, and the one that was refused left no trace.
    let (status, _) = client.delete(&format!("{TASKS}/{}", waiting[0])).await;
    assert_eq!(status, StatusCode::OK);
    client.accepted(fly).await;
    let ledger = client.ledger().await;
    assert_eq!((&ledger["accepted"], &ledger["open"]), (&json!(4), &json!(3)), "{ledger}");
}

#[tokio::test]
async fn a_queue_is_full_by_bytes_and_by_keys_as_well() {
    let extra = "[tasks]\nunknown_capability = \"wait\"\nmax_payload_bytes = 1_024\n\
                 max_queued_bytes = 2_048\nmax_keys = 2\n";
    let World { client, node: _node, .. } = &World::start(extra);
    let fly = json!({"kind": "fly", "payload": "x".repeat(900)});
    let first = client.accepted(fly.clone()).await;
    client.accepted(fly.clone()).await;
    assert_problem(&client.post(TASKS, fly.clone()).await, 429, "queue-full");
    client.delete(&format!("{TASKS}/{first}")).await;
    client.accepted(fly).await;

    client.done(echo("a")).await;
    client.done(echo("b")).await;
    assert_problem(&client.post(TASKS, echo("c")).await, 429, "queue-full");
    let (status, _) = client.post(TASKS, echo("a")).await;
    assert_eq!(status, StatusCode::OK, "a key that is known takes no room");
    client.done(json!({"kind": "echo"})).await;
}

#[tokio::test]
async fn what_has_ended_can_not_be_cancelled() {
    let World { client, node: _node, .. } = &World::start("");
    let done = client.done(echo("a")).await;
    let done = format!("{TASKS}/{}", done["task_id"].as_str().expect("an id"));
    let answer = client.delete(&done).await;
    assert_problem(&answer, 409, "conflict");
    assert!(answer.1["detail"].as_str().is_some_and(|text| text.contains("completed")));

    let running = format!("{TASKS}/{}", client.accepted(slow_echo(60_000)).await);
    let (status, cancelled) = client.delete(&running).await;
    assert_eq!((status, &cancelled["state"]), (StatusCode::OK, &json!("cancelled")));
    assert_problem(&client.delete(&running).await, 409, "conflict");
    let ledger = client.ledger().await;
    assert_eq!(ledger["completed"], 1, "{ledger}");
    assert_eq!(ledger["cancelled"], 1, "{ledger}");
}
