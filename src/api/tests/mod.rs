//! The API over a real node: its journal in a folder of its own, its actors, its agents.

mod agent_socket;
mod agents;
mod node;
mod stream;
mod tasks;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use synod_runtime::Control;
use tempfile::TempDir;
use tower::ServiceExt;

use super::connections::Connections;
use super::lifeline::Lifeline;
use super::stream::{EngineSource, NodeSource, StreamLimits};
use super::{ApiConfig, ApiParts, ApiState, EventHub, Metrics, router};
use crate::config::NodeConfig;
use crate::node::{Node, NodeBuilder};

const TASKS: &str = "/api/v1/orchestration/tasks";

/// A node without a socket, and its API as a value.
struct World {
    node: Node,
    state: ApiState,
    app: Router,
    _folder: TempDir,
}

/// An answer, its body read.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

async fn world() -> World {
    world_with(ApiConfig::default()).await
}

async fn world_with(config: ApiConfig) -> World {
    world_of(NodeConfig { http: config, ..NodeConfig::default() }).await
}

async fn world_of(mut of_node: NodeConfig) -> World {
    let folder = tempfile::tempdir().unwrap();
    let config = of_node.http.clone();
    of_node.node.data_folder = folder.path().to_owned();
    let node = NodeBuilder::new().config(of_node).without_http().start().await.unwrap();
    let hub = EventHub::new("test", 1, config.stream_buffer);
    let (tasks, registry) = (node.tasks().clone(), node.registry().clone());
    let workflows = node.workflows().clone();
    let actors = node.system().subscribe_lifecycle(64);
    let changes = EngineSource::spec(vec![hub.clone()], tasks.clone(), workflows.clone());
    node.system().spawn(changes).unwrap();
    node.system().spawn(NodeSource::spec(hub.clone(), registry.clone(), actors)).unwrap();
    let state = ApiState::new(ApiParts {
        engines: node.engines().clone(),
        protocols: vec!["ballot"],
        streams: StreamLimits::new(&config),
        system: node.system().clone(),
        tasks,
        workflows,
        registry,
        host: node.host().clone(),
        shared: node.shared().clone(),
        status: node.status().clone(),
        hub,
        metrics: Metrics::default(),
        access: None,
        owner: None,
        cluster: None,
        config,
    });
    World { app: router(state.clone()), node, state, _folder: folder }
}

impl World {
    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 8 << 20).await.unwrap();
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| text());
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(request("GET", path).body(Body::empty()).unwrap()).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.send(request("DELETE", path).body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(with_json(request("POST", path), body)).await
    }

    async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(with_json(request("PATCH", path), body)).await
    }

    async fn submit(&self, body: Value) -> Answer {
        self.post(TASKS, &body).await
    }

    /// Lets one part of the node answer nothing more.
    fn pause(&self, path: &str) {
        self.node.system().control(&path.into(), Control::Pause).unwrap();
    }

    /// Serves the API on a socket; for what needs an upgraded connection.
    async fn serve(&self) -> (std::net::SocketAddr, Lifeline) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let lifeline = Lifeline::default();
        let connections = Connections::new(&self.state.config, self.app.clone(), lifeline.clone());
        tokio::spawn(connections.serve(listener));
        (address, lifeline)
    }
}

fn request(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path).header("host", "127.0.0.1:7966")
}

fn with_json(request: axum::http::request::Builder, body: &Value) -> Request<Body> {
    request.header("content-type", "application/json").body(Body::from(body.to_string())).unwrap()
}

impl Answer {
    #[track_caller]
    fn is_problem(&self, status: u16, slug: &str) -> &Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.headers["content-type"], super::PROBLEM_JSON, "{self:?}");
        assert_eq!(self.body["type"], format!("urn:synod:problem:{slug}"), "{self:?}");
        assert!(self.body["trace_id"].is_string() && self.body["instance"].is_string());
        &self.body
    }

    #[track_caller]
    fn is(&self, status: u16) -> &Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        &self.body
    }
}

#[tokio::test]
async fn an_unknown_route_and_a_wrong_method_are_problems_with_a_next_step() {
    let world = world().await;
    let problem = world.get("/api/v1/nothing").await;
    let next = problem.is_problem(404, "not-found")["next_step"].as_str().unwrap();
    assert!(next.contains("/openapi.json"));
    let wrong = world.delete("/healthz").await;
    wrong.is_problem(405, "method-not-allowed");
    assert!(wrong.headers.contains_key("allow"), "{wrong:?}");
}

#[tokio::test]
async fn a_page_of_another_site_reaches_no_route() {
    let world = world().await;
    let foreign = request("POST", TASKS).header("origin", "https://evil.example");
    let answer = world.send(with_json(foreign, &json!({"kind": "echo"}))).await;
    answer.is_problem(403, "forbidden");
    let form = request("POST", TASKS).header("content-type", "text/plain");
    let answer = world.send(form.body(Body::from("{}")).unwrap()).await;
    answer.is_problem(415, "unsupported-media-type");
    assert_eq!(world.get("/api/v1/orchestration/stats").await.is(200)["ledger"]["accepted"], 0);
}

#[tokio::test]
async fn every_answer_carries_its_trace_and_the_security_headers() {
    let answer = world().await.get("/healthz").await;
    for header in ["traceresponse", "x-correlation-id", "x-content-type-options", "cache-control"] {
        assert!(answer.headers.contains_key(header), "{header} is missing: {answer:?}");
    }
}
