//! A program that connects, is given work, answers, and drops.

use std::net::SocketAddr;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::{TASKS, World, world};

/// The program's end of a connection.
struct Program(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Program {
    async fn connect(address: SocketAddr) -> Self {
        let url = format!("ws://{address}/api/v1/agents/connect");
        Self(connect_async(url).await.unwrap().0)
    }

    async fn registered(address: SocketAddr) -> Self {
        let mut program = Self::connect(address).await;
        let card = json!({"id": "counter", "version": "1.0.0", "capabilities": ["text.count"]});
        program.say(&json!({"type": "register", "card": card})).await;
        assert_eq!(program.hear().await["type"], "registered");
        program
    }

    async fn say(&mut self, frame: &Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// The next frame, or the reason of the close.
    async fn hear(&mut self) -> Value {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(10), self.0.next()).await;
            match next.expect("a frame within ten seconds").unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Close(frame) => return json!({"closed": frame.unwrap().reason.as_str()}),
                _ => {}
            }
        }
    }

    async fn take_work(&mut self) -> Value {
        let perform = self.hear().await;
        assert_eq!(perform["type"], "perform", "{perform}");
        let work = perform["order"]["work"].clone();
        self.say(&json!({"type": "accepted", "work": work})).await;
        work
    }
}

async fn submit(world: &World) -> String {
    let body = json!({"kind": "count", "capabilities": ["text.count"], "payload": "a b c"});
    world.submit(body).await.is(201)["task_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_connected_program_is_given_work_and_its_answer_is_the_result() {
    let world = world().await;
    let (address, _lifeline) = world.serve().await;
    let mut program = Program::registered(address).await;
    let id = submit(&world).await;
    let work = program.take_work().await;
    let result = json!({"type": "result", "work": work, "payload": {"json": {"words": 3}}});
    program.say(&result).await;
    let task = world.get(&format!("{TASKS}/{id}?wait=10")).await;
    assert_eq!(task.is(200)["result"], json!({"words": 3}), "{task:?}");
}

#[tokio::test]
async fn what_a_program_held_when_it_dropped_is_done_by_the_next() {
    let world = world().await;
    let (address, _lifeline) = world.serve().await;
    let mut first = Program::registered(address).await;
    let id = submit(&world).await;
    first.take_work().await;
    drop(first);
    let mut second = Program::registered(address).await;
    let work = second.take_work().await;
    second.say(&json!({"type": "result", "work": work, "payload": {"json": 3}})).await;
    let task = world.get(&format!("{TASKS}/{id}?wait=10")).await;
    assert_eq!(task.is(200)["state"], "completed");
    assert_eq!(task.body["lost"], 1);
}

#[tokio::test]
async fn a_first_frame_that_does_not_register_is_rejected_with_the_reason() {
    let world = world().await;
    let (address, _lifeline) = world.serve().await;
    for frame in
        [json!({"type": "heartbeat"}), json!({"type": "hello"}), json!({"type": "register"})]
    {
        let mut program = Program::connect(address).await;
        program.say(&frame).await;
        let rejected = program.hear().await;
        assert_eq!(rejected["type"], "rejected", "{frame}");
        assert!(rejected["reason"].as_str().unwrap().contains("expected"), "{rejected}");
        assert!(program.hear().await["closed"].is_string());
    }
}

#[tokio::test]
async fn garbage_closes_the_connection_and_the_agent_is_disconnected() {
    let world = world().await;
    let (address, _lifeline) = world.serve().await;
    let mut program = Program::registered(address).await;
    program.0.send(Message::text("{garbage")).await.unwrap();
    assert!(program.hear().await["closed"].is_string());
    let gone = async {
        loop {
            let shown = world.get("/api/v1/agents/counter").await;
            if shown.is(200)["agents"][0]["status"] == "disconnected" {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap();
}

#[tokio::test]
async fn a_stopping_node_says_goodbye() {
    let world = world().await;
    let (address, lifeline) = world.serve().await;
    let mut program = Program::registered(address).await;
    lifeline.stopping.cancel();
    assert_eq!(program.hear().await["closed"], "the node is stopping");
}
