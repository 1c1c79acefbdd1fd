//! The calls of a case: the request, and what its answer has to say.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, Bytes};
use hyper::{Method, Request};
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::case::Worker;
use crate::client::Connection;
use crate::node::Node;

const TASKS: &str = "/api/v1/orchestration/tasks";
/// Ended tasks that are asked for in turn.
const KNOWN: usize = 1_000;

/// One kind of call, made over and over on many connections.
pub(crate) enum Calls {
    /// Submits, and is answered that the task is accepted.
    Submit { host: String, body: Bytes },
    /// Submits and waits for the result.
    Run { host: String, body: Bytes },
    /// Asks for one of these in turn.
    Status { host: String, tasks: Vec<String>, next: AtomicUsize },
}

/// What the client reads of an acknowledgement.
#[derive(Deserialize)]
struct Accepted {
    task_id: Uuid,
}

/// What the client reads of a status.
#[derive(Deserialize)]
struct Status<'a> {
    task_id: Uuid,
    state: &'a str,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
}

impl Calls {
    pub(crate) fn submit(node: &Node, worker: Worker) -> Self {
        Self::Submit { host: node.host(), body: submission(worker) }
    }

    pub(crate) fn run(node: &Node, worker: Worker) -> Self {
        Self::Run { host: node.host(), body: submission(worker) }
    }

    /// Has some tasks done, to ask for them.
    pub(crate) async fn status(node: &Node, worker: Worker) -> Self {
        let run = Self::run(node, worker);
        let mut connection = node.connect().await;
        let mut tasks = Vec::with_capacity(KNOWN);
        for _ in 0..KNOWN {
            tasks.push(format!("{TASKS}/{}", run.make(&mut connection).await));
        }
        node.added(KNOWN as u64);
        Self::Status { host: node.host(), tasks, next: AtomicUsize::new(0) }
    }

    /// Makes one call and reads its answer; the task that it was about. An answer that is not
    /// what it should be ends the run.
    pub(crate) async fn make(&self, connection: &mut Connection) -> Uuid {
        match self {
            Self::Submit { host, body } => {
                let answer = connection.call(post(host, TASKS, body)).await;
                let accepted: Accepted = read(&answer);
                accepted.task_id
            }
            Self::Run { host, body } => {
                let path = "/api/v1/orchestration/tasks?wait=60";
                ended(&connection.call(post(host, path, body)).await)
            }
            Self::Status { host, tasks, next } => {
                let at = next.fetch_add(1, Ordering::Relaxed) % tasks.len();
                ended(&connection.call(get(host, &tasks[at])).await)
            }
        }
    }

    /// Whether each call adds a task to the node.
    pub(crate) fn add_tasks(&self) -> bool {
        !matches!(self, Self::Status { .. })
    }
}

/// A JSON value of 256 bytes, the peers' payload.
fn payload() -> String {
    let payload = format!(r#"{{"data": "{}"}}"#, "x".repeat(256 - r#"{"data": ""}"#.len()));
    assert_eq!(payload.len(), 256);
    payload
}

fn submission(worker: Worker) -> Bytes {
    let (capability, payload) = (worker.capability(), payload());
    format!(r#"{{"kind":"echo","capabilities":["{capability}"],"payload":{payload}}}"#).into()
}

/// The task has completed, and its result is what was sent.
fn ended(answer: &[u8]) -> Uuid {
    let status: Status<'_> = read(answer);
    let length = status.result.map(|result| result.get().len());
    // Python writes the value anew, and may leave out the space.
    assert!(matches!(length, Some(255 | 256)), "{}", String::from_utf8_lossy(answer));
    assert_eq!(status.state, "completed");
    status.task_id
}

fn read<'a, T: Deserialize<'a>>(answer: &'a [u8]) -> T {
    serde_json::from_slice(answer)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(answer)))
}

pub(crate) fn get(host: &str, path: &str) -> Request<Body> {
    let request = Request::builder().uri(path).header("host", host);
    request.body(Body::empty()).expect("a request")
}

fn post(host: &str, path: &str, body: &Bytes) -> Request<Body> {
    let request = Request::builder().method(Method::POST).uri(path).header("host", host);
    let request = request.header("content-type", "application/json");
    request.body(Body::from(body.clone())).expect("a request")
}
