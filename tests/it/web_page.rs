//! A web page in the operator's browser can't drive the node.

use reqwest::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE, HOST, ORIGIN};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::client::{AGENTS, Client, TASKS, assert_problem, echo};
use crate::world::World;

/// Every sort of thing a page might try.
const ATTEMPTS: [(&str, &str); 8] = [
    ("GET", TASKS),
    ("POST", TASKS),
    ("POST", "/api/v1/orchestration/test/submit-sample-task"),
    ("POST", "/api/v1/node/drain"),
    ("POST", "/api/v1/config/reload"),
    ("PATCH", "/api/v1/agents/echo"),
    ("DELETE", "/api/v1/agents/echo"),
    ("GET", "/api/v1/stream/sse"),
];

fn attempt(client: &Client, (method, path): (&str, &str)) -> RequestBuilder {
    let request = client.raw(method.parse().expect("a method"), path);
    match (method, path) {
        ("POST", TASKS) => request.json(&echo("a")),
        ("PATCH", _) => request.json(&json!({"status": "paused"})),
        _ => request,
    }
}

async fn assert_refused(request: RequestBuilder, status: u16) {
    let told = format!("{request:?}");
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), status, "{told}");
    assert!(answer.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN).is_none(), "{told}");
    let body: Value = answer.json().await.expect("a problem");
    assert!(body["field"].is_string() && body["detail"].is_string(), "{told}: {body}");
}

/// Nothing was done: the echo agent is there, works, and had no work.
async fn assert_untouched(client: &Client) {
    let (_, agents) = client.get(&format!("{AGENTS}/echo")).await;
    assert_eq!(agents["agents"][0]["status"], "active", "{agents}");
    assert_eq!(client.ledger().await["accepted"], 0);
    client.done(echo("z")).await;
}

#[tokio::test]
async fn a_foreign_host_is_refused() {
    let World { client, node: _node, .. } = &World::start("");
    let port = client.url.rsplit(':').next().expect("a port");
    let hosts = [
        format!("evil.example:{port}"),
        "evil.example".to_owned(),
        format!("127.0.0.1.evil.example:{port}"),
        format!("localhost.evil.example:{port}"),
        format!("10.0.0.1:{port}"),
        "[fe80::1]".to_owned(),
    ];
    for host in &hosts {
        for one in ATTEMPTS {
            assert_refused(attempt(client, one).header(HOST, host), 403).await;
        }
    }
    for host in ["localhost", "LOCALHOST:80", "127.0.0.1", "127.8.9.1:1", "[::1]:7966"] {
        let answer = client.raw(Method::GET, "/healthz").header(HOST, host).send().await;
        assert_eq!(answer.expect("an answer").status(), 200, "{host}");
    }
    assert_untouched(client).await;
}

#[tokio::test]
async fn a_foreign_origin_is_refused() {
    let World { client, node: _node, .. } = &World::start("");
    let port = client.url.rsplit(':').next().expect("a port");
    let origins = [
        "https://evil.example".to_owned(),
        "null".to_owned(),
        "file://".to_owned(),
        format!("http://evil.example:{port}"),
        "http://127.0.0.1:1".to_owned(),
        format!("{}.evil.example", client.url),
    ];
    for origin in &origins {
        for one in ATTEMPTS {
            assert_refused(attempt(client, one).header(ORIGIN, origin), 403).await;
        }
        let asks_first = client.raw(Method::OPTIONS, TASKS).header(ORIGIN, origin);
        assert_refused(asks_first.header("access-control-request-method", "POST"), 403).await;
    }
    for one in ATTEMPTS {
        assert_refused(attempt(client, one).header("sec-fetch-site", "cross-site"), 403).await;
    }
    let own = client.raw(Method::GET, "/healthz").header(ORIGIN, &client.url).send().await;
    assert_eq!(own.expect("an answer").status(), 200);
    assert_untouched(client).await;
}

#[tokio::test]
async fn a_form_is_refused() {
    let World { client, node: _node, .. } = &World::start("");
    let kinds = [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "text/plain; charset=application/json",
    ];
    for kind in kinds {
        for (method, path) in ATTEMPTS.into_iter().filter(|(method, _)| *method != "GET") {
            let request = client.raw(method.parse().expect("a method"), path);
            let form = request.header(CONTENT_TYPE, kind).body(echo("a").to_string());
            assert_refused(form, 415).await;
        }
    }
    assert_untouched(client).await;
}

/// Opens a WebSocket as a page of `origin` would.
async fn open(
    client: &Client,
    path: &str,
    header: (&'static str, &str),
) -> Result<(), tungstenite::Error> {
    let url = client.url.replace("http://", "ws://");
    let mut request = format!("{url}{path}").into_client_request()?;
    request.headers_mut().insert(header.0, header.1.parse().expect("a header"));
    connect_async(request).await.map(drop)
}

#[tokio::test]
async fn a_websocket_of_a_foreign_page_is_refused() {
    let World { client, node: _node, .. } = &World::start("");
    for path in ["/api/v1/stream", "/api/v1/agents/connect"] {
        for header in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "http://localhost:1"),
            ("host", "evil.example"),
            ("sec-fetch-site", "cross-site"),
        ] {
            match open(client, path, header).await {
                Err(tungstenite::Error::Http(answer)) => assert_eq!(answer.status(), 403),
                other => panic!("{path}, {header:?}: {other:?}"),
            }
        }
        open(client, path, ("origin", &client.url)).await.expect("the node's own page may");
    }
    assert_untouched(client).await;
}

#[tokio::test]
async fn what_the_operator_allows_is_allowed_and_nothing_beside_it() {
    let extra = "allowed_hosts = [\"node.example\"]\n\
                 allowed_origins = [\"https://board.example\"]\n";
    let World { client, node: _node, .. } = &World::start(extra);
    let get = || client.raw(Method::GET, "/healthz");
    for (allowed, request) in [
        (true, get().header(HOST, "node.example:8080")),
        (false, get().header(HOST, "x.node.example")),
        (true, get().header(ORIGIN, "https://board.example")),
        (false, get().header(ORIGIN, "http://board.example")),
        (false, get().header(ORIGIN, "https://board.example:8443")),
        (false, get().header(HOST, "evil.example").header(ORIGIN, "https://board.example")),
    ] {
        let told = format!("{request:?}");
        let status = request.send().await.expect("an answer").status();
        assert_eq!(status, if allowed { 200 } else { 403 }, "{told}");
    }
}

#[tokio::test]
async fn an_answer_can_not_be_framed_or_taken_for_a_page() {
    let World { client, node: _node, .. } = &World::start("");
    for path in ["/healthz", TASKS, "/metrics", "/openapi.json", "/nowhere"] {
        let answer = client.raw(Method::GET, path).send().await.expect("an answer");
        let header = |name| answer.headers().get(name).map(|v| v.to_str().expect("ASCII"));
        assert_eq!(header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(header("x-frame-options"), Some("DENY"), "{path}");
        let policy = header("content-security-policy").unwrap_or_default();
        assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
    }
}

#[tokio::test]
async fn a_request_can_not_make_this_machine_run_a_program() {
    let World { client, node: _node, .. } = &World::start("");
    for kind in ["process", "native", "PROCESS"] {
        let card = json!({"id": "shell", "capabilities": ["x"], "kind": kind});
        let answer = client.post(AGENTS, card).await;
        assert_eq!(answer.0, 422, "{}", answer.1);
        assert_eq!(answer.1["field"], "kind", "{}", answer.1);
    }
    let card = json!({"id": "shell", "capabilities": ["x"], "kind": "websocket",
        "command": "/bin/sh"});
    let answer = client.post(AGENTS, card).await;
    assert_eq!((answer.0.as_u16(), &answer.1["field"]), (422, &json!("command")), "{}", answer.1);

    // Over the socket of connected agents a card is one of those, whatever it says.
    let url = client.url.replace("http://", "ws://");
    let (mut socket, _) = connect_async(format!("{url}{AGENTS}/connect")).await.expect("a socket");
    let card = json!({"id": "shell", "capabilities": ["x"], "kind": "process"});
    let register = json!({"type": "register", "card": card}).to_string();
    futures::SinkExt::send(&mut socket, Message::text(register)).await.expect("sent");
    let path = format!("{AGENTS}/shell");
    let shown = client.until(&path, |answer| answer["agents"].is_array()).await;
    assert_eq!(shown["agents"][0]["kind"], "websocket", "{shown}");
}

#[tokio::test]
async fn an_http_agent_can_not_be_pointed_at_link_local_addresses() {
    let World { client, node: _node, .. } = &World::start("");
    for endpoint in [
        "http://169.254.169.254/latest/meta-data/",
        "http://[fe80::1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://2852039166/",
        "http://0xa9fea9fe/",
        "http://0251.0376.0251.0376/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://100.100.100.200/",
        "http://0.0.0.0:9000/",
    ] {
        let card = json!({"id": "thief", "capabilities": ["x"], "kind": "http",
            "endpoint": endpoint});
        let answer = client.post(AGENTS, card).await;
        assert_problem(&answer, 422, "invalid-field");
        assert_eq!(answer.1["field"], "endpoint", "{endpoint}: {}", answer.1);
    }
    for endpoint in ["file:///etc/passwd", "http://user:word@127.0.0.1/", "nowhere", ""] {
        let card = json!({"id": "thief", "capabilities": ["x"], "kind": "http",
            "endpoint": endpoint});
        let answer = client.post(AGENTS, card).await;
        assert_eq!((answer.0.as_u16(), &answer.1["field"]), (422, &json!("endpoint")));
    }
    assert_problem(&client.get(&format!("{AGENTS}/thief")).await, 404, "not-found");
}
