//! Clients that stall, vanish, send noise or come in masses: the node bounds what they cost it.

use std::net::SocketAddr;
use std::time::Duration;

use rand::RngExt;
use reqwest::Method;
use serde_json::json;
use synod_testkit::Seed;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::client::{Client, STATS, TASKS, assert_problem, echo, slow_echo};
use crate::world::World;

/// The stream as server-sent events.
const STREAM: &str = "/api/v1/stream/sse";

/// Short times, so that a client that stalls is found out at once.
const IMPATIENT: &str = "header_timeout_ms = 200\nbody_timeout_ms = 200\n";

/// How long the node may take to close a connection.
const PATIENCE: Duration = Duration::from_secs(20);

async fn connect(client: &Client) -> TcpStream {
    let address: SocketAddr = client.url.trim_start_matches("http://").parse().expect("host:port");
    TcpStream::connect(address).await.expect("a connection")
}

/// Sends these bytes and reads until the node closes the connection.
async fn send(client: &Client, bytes: &[u8]) -> String {
    let mut stream = connect(client).await;
    // The node may have closed the connection before all of it was sent.
    let _ = stream.write_all(bytes).await;
    rest(&mut stream).await
}

/// What the node says until it closes the connection, which it must.
async fn rest(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    // A reset is an end as well.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut said)).await.expect("the node closes it");
    String::from_utf8_lossy(&said).into_owned()
}

/// The head of a submission whose body has `length` bytes.
fn head(length: usize) -> String {
    format!(
        "POST {TASKS} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         connection: close\r\ncontent-length: {length}\r\n\r\n"
    )
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_request_is_cut_off() {
    let World { client, node: _node, .. } = &World::start(IMPATIENT);
    let said = send(client, b"GET /healthz HTTP/1.1\r\nhost: local").await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{said}");

    let half = format!("{}{{\"kind\":", head(100));
    let said = send(client, half.as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 408"), "{said}");
    assert!(said.contains("urn:synod:problem:body-too-slow"), "{said}");
    assert_eq!(client.ledger().await["accepted"], 0);
}

#[tokio::test]
async fn a_client_that_breaks_off_leaves_no_half_task() {
    let World { client, node: _node, .. } = &World::start("");
    for _ in 0..20 {
        let mut stream = connect(client).await;
        let half = format!("{}{{\"kind\": \"echo\"", head(1_000));
        stream.write_all(half.as_bytes()).await.expect("the node listens");
    }
    client.done(echo("a")).await;
    assert_eq!(client.ledger().await["accepted"], 1);
}

#[tokio::test]
async fn what_a_client_submitted_before_it_vanished_is_done() {
    let World { client, node: _node, .. } = &World::start("");
    for number in 0..20 {
        let body = json!({"kind": "echo", "payload": number}).to_string();
        let mut stream = connect(client).await;
        let request = format!("{}{body}", head(body.len()));
        stream.write_all(request.as_bytes()).await.expect("the node listens");
        // One byte shows that it was accepted; the rest is never read.
        stream.read_exact(&mut [0]).await.expect("an answer");
    }
    client.until(STATS, |stats| stats["ledger"]["completed"] == 20).await;
    assert_eq!(client.ledger().await["accepted"], 20);
}

#[tokio::test]
async fn a_client_that_waits_for_a_result_and_vanishes_changes_nothing() {
    let World { client, node: _node, .. } = &World::start("");
    let body = slow_echo(300).to_string();
    let mut stream = connect(client).await;
    let request = format!("{}{body}", head(body.len())).replace(TASKS, &format!("{TASKS}?wait=9"));
    stream.write_all(request.as_bytes()).await.expect("the node listens");
    let page = client.until(TASKS, |page| page["tasks"][0]["state"] == "running").await;
    drop(stream);
    let id = page["tasks"][0]["task_id"].as_str().expect("an id");
    assert_eq!(client.until_ended(id).await["state"], "completed");
}

#[tokio::test]
async fn noise_on_the_socket_is_answered_or_cut_off() {
    let World { client, node: _node, .. } = &World::start(IMPATIENT);
    let seed = Seed::from_env();
    let mut rng = seed.rng();
    for round in 0..40 {
        let mut bytes = vec![0_u8; rng.random_range(1..2_000)];
        rng.fill(&mut bytes[..]);
        if round % 2 == 0 {
            // A good beginning gets the noise further in.
            let start = format!("{}{{\"kind\": \"echo\", \"payload\": \"", head(9_999));
            bytes.splice(0..0, start.into_bytes());
        }
        let said = send(client, &bytes).await;
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
    }
    let ledger = client.ledger().await;
    assert_eq!(ledger["accepted"], 0, "{ledger}");
    client.done(echo("a")).await;
}

#[tokio::test]
async fn a_head_without_end_is_cut_off() {
    let World { client, node: _node, .. } = &World::start(IMPATIENT);
    let mut request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n".to_vec();
    let fields = (0..5_000).map(|number| format!("x-field-{number}: {}\r\n", "y".repeat(100)));
    fields.for_each(|field| request.extend_from_slice(field.as_bytes()));
    let said = send(client, &request).await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 431"), "{said}");
    client.done(echo("a")).await;
}

#[tokio::test]
async fn json_nested_without_end_does_no_harm() {
    let World { client, node: _node, .. } = &World::start("");
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    for fields in ["", ", \"idempotency_key\": \"a\""] {
        let body = format!("{{\"kind\": \"echo\"{fields}, \"payload\": {deep}}}");
        let said = send(client, format!("{}{body}", head(body.len())).as_bytes()).await;
        assert!(said.starts_with("HTTP/1.1 201") || said.starts_with("HTTP/1.1 4"), "{said}");
    }
    client.until(STATS, |stats| stats["ledger"]["open"] == 0).await;
    client.done(echo("b")).await;
}

#[tokio::test]
async fn connections_beyond_the_limit_are_turned_away() {
    let World { client, node: _node, .. } = &World::start("max_connections = 4\n");
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut stream = connect(client).await;
        let request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
        stream.write_all(request).await.expect("the node listens");
        stream.read_exact(&mut [0]).await.expect("an answer");
        held.push(stream);
    }
    let said = send(client, b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert!(said.starts_with("HTTP/1.1 503"), "{said}");
    assert!(said.contains("retry-after"), "{said}");
    assert!(said.contains("http.max_connections"), "it says what to do: {said}");
    drop(held);
    until_ok(client, "/metrics").await;
}

#[tokio::test]
async fn bodies_that_hardly_come_make_room_and_the_health_is_told_all_the_while() {
    let World { client, node: _node, .. } = &World::start("max_connections = 16\n");
    let mut slow = Vec::new();
    for _ in 0..24 {
        let mut stream = connect(client).await;
        let begin = format!("{}{{\"a\": 1", head(4_000_000));
        stream.write_all(begin.as_bytes()).await.expect("the node listens");
        slow.push(stream);
    }
    for path in ["/healthz", "/readyz", "/api/v1/status"] {
        let ask = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let said = send(client, ask.as_bytes()).await;
        assert!(said.starts_with("HTTP/1.1 200"), "{path}: {said}");
    }
    // Long before the 30 s that a body may take when there is room.
    let served = timeout(Duration::from_secs(10), until_ok(client, STATS));
    served.await.expect("a slow body makes room");
    client.done(echo("a")).await;
}

#[tokio::test]
async fn streams_beyond_the_limit_are_turned_away() {
    let World { client, node: _node, .. } = &World::start("max_streams = 2\n");
    let open = || client.raw(Method::GET, STREAM).send();
    let (first, _second) = (open().await.expect("a stream"), open().await.expect("a stream"));
    assert_eq!(first.status(), 200);
    let third = open().await.expect("an answer");
    assert_eq!(third.status(), 503);
    assert!(third.headers().contains_key("retry-after"));
    let third = (third.status(), third.json().await.expect("a problem"));
    assert_problem(&third, 503, "too-many-streams");
    drop(first);
    until_ok(client, STREAM).await;
}

/// A place that is free again is given again.
async fn until_ok(client: &Client, path: &str) {
    let until = Instant::now() + PATIENCE;
    while client.raw(Method::GET, path).send().await.expect("an answer").status() != 200 {
        assert!(Instant::now() < until, "{path} stays refused");
        sleep(Duration::from_millis(5)).await;
    }
}
