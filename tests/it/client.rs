//! A small HTTP client for the tests: JSON in, status and JSON out.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

/// Where tasks are.
pub(crate) const TASKS: &str = "/api/v1/orchestration/tasks";
/// Where the numbers of the engine are.
pub(crate) const STATS: &str = "/api/v1/orchestration/stats";
/// Where agents are.
pub(crate) const AGENTS: &str = "/api/v1/agents";

/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(30);

/// Talks to one node.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    /// Where the node listens.
    pub(crate) url: String,
}

impl Client {
    /// A client for the node at `url`; every call has a deadline.
    pub(crate) fn new(url: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("an HTTP client");
        Self { http, url: url.into() }
    }

    /// One call with a JSON body; the answer is `Null` where it is no JSON.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<(StatusCode, Value), reqwest::Error> {
        let mut request = self.raw(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    /// `GET path`, which must be answered.
    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.call(Method::GET, path, None).await.expect("an answer")
    }

    /// `POST path`, which must be answered.
    pub(crate) async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.call(Method::POST, path, Some(body)).await.expect("an answer")
    }

    /// `PATCH path`, which must be answered.
    pub(crate) async fn patch(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.call(Method::PATCH, path, Some(body)).await.expect("an answer")
    }

    /// `DELETE path`, which must be answered.
    pub(crate) async fn delete(&self, path: &str) -> (StatusCode, Value) {
        self.call(Method::DELETE, path, None).await.expect("an answer")
    }

    /// Submits a task; the caller looks at the status.
    pub(crate) async fn submit(&self, task: Value) -> Result<(StatusCode, Value), reqwest::Error> {
        self.call(Method::POST, TASKS, Some(task)).await
    }

    /// Submits a task that must be accepted, and gives its id.
    pub(crate) async fn accepted(&self, task: Value) -> String {
        let (status, answer) = self.submit(task).await.expect("an answer");
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        answer["task_id"].as_str().expect("an answer with a task_id").to_owned()
    }

    /// Submits a task that must be accepted, and waits for its end.
    pub(crate) async fn done(&self, task: Value) -> Value {
        let id = self.accepted(task).await;
        self.until_ended(&id).await
    }

    /// How a task stands, which must be known.
    pub(crate) async fn task(&self, id: &str) -> Value {
        let (status, task) = self.get(&format!("{TASKS}/{id}")).await;
        assert_eq!(status, StatusCode::OK, "{task}");
        task
    }

    /// Waits until the task has ended, and returns its status document.
    pub(crate) async fn until_ended(&self, id: &str) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let (status, task) = self.get(&format!("{TASKS}/{id}?wait=10")).await;
            assert_eq!(status, StatusCode::OK, "{task}");
            if matches!(task["state"].as_str(), Some("completed" | "failed" | "cancelled")) {
                return task;
            }
            assert!(Instant::now() < until, "the task does not end: {task}");
        }
    }

    /// Waits until the task is in this state.
    pub(crate) async fn until_state(&self, id: &str, state: &str) -> Value {
        self.until(&format!("{TASKS}/{id}"), |task| task["state"] == state).await
    }

    /// Asks for `path` until the answer is as it should be.
    pub(crate) async fn until(&self, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let (_, answer) = self.get(path).await;
            if holds(&answer) {
                return answer;
            }
            assert!(Instant::now() < until, "{path} stays as it is: {answer:#}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The ledger, which must be balanced.
    pub(crate) async fn ledger(&self) -> Value {
        let (_, mut stats) = self.get(STATS).await;
        assert_eq!(stats["ledger"]["balanced"], true, "{stats}");
        stats["ledger"].take()
    }

    /// The raw request builder, for what the other calls can't say.
    pub(crate) fn raw(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }
}

/// An echo task with an idempotency key.
pub(crate) fn echo(key: &str) -> Value {
    json!({
        "kind": "echo",
        "capabilities": ["echo"],
        "payload": {"key": key},
        "idempotency_key": key,
    })
}

/// An echo task that takes this long.
pub(crate) fn slow_echo(delay_ms: u64) -> Value {
    json!({"kind": "echo", "labels": {"echo.delay_ms": delay_ms.to_string()}})
}

/// Checks that an answer is a problem (RFC 9457) of this status and kind that says where it
/// occurred and what happened.
pub(crate) fn assert_problem((status, body): &(StatusCode, Value), code: u16, slug: &str) {
    assert_eq!(status.as_u16(), code, "{body}");
    assert_eq!(body["type"], format!("urn:synod:problem:{slug}"), "{body}");
    assert_eq!(body["status"], code, "{body}");
    for member in ["title", "detail", "instance", "trace_id"] {
        assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {body}");
    }
}

/// Checks that an answer is a 422 that names this field, and says what was expected there.
pub(crate) fn assert_field(answer: &(StatusCode, Value), field: &str, expected: &str) {
    assert_problem(answer, 422, "invalid-field");
    let body = &answer.1;
    assert_eq!(body["field"], field, "{body}");
    let said = body["expected"].as_str().unwrap_or_default();
    assert!(said.contains(expected), "expected {expected:?}: {body}");
}
