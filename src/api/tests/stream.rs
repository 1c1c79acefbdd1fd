//! The stream as its readers get it: server-sent events and WebSocket.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::StatusCode;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use synod_runtime::{Control, System, SystemConfig};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tower::ServiceExt;

use super::{ApiConfig, World, request, world, world_with};
use crate::api::stream::{EventHub, Filter, Next, NodeSource};

const STREAM: &str = "/api/v1/stream";

/// Reads server-sent events one by one.
struct Events {
    body: BodyDataStream,
    read: String,
}

impl Events {
    async fn open(world: &World, query: &str) -> Self {
        let path = format!("{STREAM}{query}");
        let asked = request("GET", &path).header("accept", "text/event-stream");
        let response = world.app.clone().oneshot(asked.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body().into_data_stream(), read: String::new() }
    }

    /// The next event's data; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data: "));
                let json = data.map(|data| serde_json::from_str(data).unwrap());
                self.read = rest.to_owned();
                if json.is_some() {
                    return json;
                }
                continue;
            }
            let piece = tokio::time::timeout(Duration::from_secs(10), self.body.next()).await;
            let piece = piece.expect("an event within ten seconds")?.unwrap();
            self.read.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }

    async fn until(&mut self, kind: &str) -> Value {
        loop {
            let event = self.next().await.expect("the stream goes on");
            if event["type"] == kind {
                return event;
            }
        }
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn open(address: SocketAddr, query: &str) -> Socket {
    connect_async(format!("ws://{address}{STREAM}{query}")).await.unwrap().0
}

async fn read(socket: &mut Socket) -> Option<Value> {
    loop {
        let message = tokio::time::timeout(Duration::from_secs(10), socket.next()).await.unwrap();
        match message?.ok()? {
            Message::Text(text) => return serde_json::from_str(&text).ok(),
            Message::Close(frame) => {
                let frame = frame.unwrap();
                return Some(
                    json!({"code": u16::from(frame.code), "reason": frame.reason.as_str()}),
                );
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_tasks_whole_life_is_told_in_order() {
    let world = world().await;
    let mut events = Events::open(&world, "?type=synod.task.*").await;
    assert_eq!(events.next().await.unwrap()["type"], "synod.stream.opened");
    let id = world.submit(json!({"kind": "echo"})).await.is(201)["task_id"].clone();
    let done = events.until("synod.task.completed").await;
    assert_eq!(done["specversion"], "1.0");
    assert_eq!(done["subject"], format!("tasks/{}", id.as_str().unwrap()));
    assert_eq!(done["data"]["task_id"], id);
}

#[tokio::test]
async fn changes_of_actors_that_came_too_fast_are_told_as_a_gap() {
    let world = world().await;
    let system = world.node.system();
    let feed = system.subscribe_lifecycle(2);
    for control in [Control::Pause, Control::Resume, Control::Pause, Control::Resume] {
        system.control(&"/node/agents/echo@0.1.0".into(), control).unwrap();
    }
    let hub = EventHub::new("test", 2, 64);
    let mut reader = hub.subscribe(None, Filter::new(Some("synod.actor.*"), []));
    let apart = System::new(SystemConfig::default());
    apart.spawn(NodeSource::spec(hub, world.node.registry().clone(), feed)).unwrap();
    let Next::Events(events) = reader.next().await else { panic!("nothing was dropped") };
    let gap: Value = serde_json::from_str(events[0].json()).unwrap();
    assert_eq!(gap["type"], "synod.actor.missed");
    // The parts of this test that still start may have added to them.
    assert!(gap["data"]["missed"].as_u64() >= Some(2), "{gap}");
    assert!(gap["data"]["next_step"].as_str().unwrap().contains("/api/v1/status"));
}

#[tokio::test]
async fn a_list_says_from_where_to_read_on() {
    let world = world().await;
    let cursor = world.get(super::TASKS).await.headers["synod-stream-cursor"].clone();
    world.post(&format!("{}?wait=10", super::TASKS), &json!({"kind": "echo"})).await.is(201);
    let query = format!("?type=synod.task.completed&after={}", cursor.to_str().unwrap());
    Events::open(&world, &query).await.until("synod.task.completed").await;
}

#[tokio::test]
async fn a_reader_that_comes_back_too_late_is_told_to_list_again() {
    let world = world_with(ApiConfig { stream_buffer: 16, ..Default::default() }).await;
    let mut events = Events::open(&world, "").await;
    let cursor = events.next().await.unwrap()["id"].clone();
    for _ in 0..20 {
        world.post(&format!("{}?wait=10", super::TASKS), &json!({"kind": "echo"})).await.is(201);
    }
    let mut late = Events::open(&world, &format!("?after={}", cursor.as_str().unwrap())).await;
    late.next().await.unwrap();
    let reset = late.next().await.unwrap();
    assert_eq!(reset["type"], "synod.stream.reset");
    assert!(reset["data"]["next_step"].as_str().unwrap().contains("list"));
    assert_eq!(late.next().await, None, "the stream ends after a reset");
}

#[tokio::test]
async fn what_is_no_cursor_and_no_stream_is_refused() {
    let world = world().await;
    let answer = world.get(&format!("{STREAM}/sse?after=x")).await;
    assert_eq!(answer.is_problem(422, "invalid-field")["field"], "after");
    let answer = world.get(&format!("{STREAM}/sse?task=x")).await;
    assert_eq!(answer.is_problem(422, "invalid-field")["field"], "task");
    world.get(STREAM).await.is_problem(400, "bad-request");
}

#[tokio::test]
async fn streams_are_bounded_and_a_closed_one_frees_its_slot() {
    let world = world_with(ApiConfig { max_streams: 1, ..Default::default() }).await;
    let open = Events::open(&world, "").await;
    world.get(&format!("{STREAM}/sse")).await.is_problem(503, "too-many-streams");
    drop(open);
    Events::open(&world, "").await;
}

#[tokio::test]
async fn a_web_socket_gets_the_same_events() {
    let world = world().await;
    let (address, _lifeline) = world.serve().await;
    let mut socket = open(address, "?type=synod.task.completed").await;
    assert_eq!(read(&mut socket).await.unwrap()["type"], "synod.stream.opened");
    world.submit(json!({"kind": "echo"})).await.is(201);
    assert_eq!(read(&mut socket).await.unwrap()["type"], "synod.task.completed");
}

#[tokio::test]
async fn a_foreign_web_socket_is_refused_before_it_is_one() {
    let world = world().await;
    let (address, _lifeline) = world.serve().await;
    let mut foreign = format!("ws://{address}{STREAM}").into_client_request().unwrap();
    foreign.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    let Err(Error::Http(response)) = connect_async(foreign).await else { panic!("it was let in") };
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_web_socket_that_speaks_is_closed_with_the_reason() {
    let world = world().await;
    let (address, _lifeline) = world.serve().await;
    let mut socket = open(address, "?type=none").await;
    read(&mut socket).await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(read(&mut socket).await.unwrap()["reason"], "this stream only sends");
}

#[tokio::test]
async fn readers_are_told_that_the_node_stops() {
    let world = world().await;
    let (address, lifeline) = world.serve().await;
    let mut socket = open(address, "?type=none").await;
    read(&mut socket).await.unwrap();
    lifeline.stopping.cancel();
    assert_eq!(read(&mut socket).await.unwrap()["type"], "synod.stream.closed");
    assert_eq!(read(&mut socket).await.unwrap()["code"], 1001);
    lifeline.open.close();
    tokio::time::timeout(Duration::from_secs(10), lifeline.open.wait()).await.unwrap();
}
