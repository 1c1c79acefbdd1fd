//! A program that connects, is given work, answers, and drops.

use std::net::SocketAddr;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use synod_agents::MAX_STRAYS;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::{ApiConfig, TASKS, World, world, world_with};

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
                Message::Close(frame) => {
                    let frame = frame.unwrap();
                    return json!({"closed": frame.reason.as_str(), "code": u16::from(frame.code)});
                }
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

/// A task that is tried once, and what becomes of it when its program sends this text, where
/// `WORK` stands for the work.
async fn failed_by(world: &World, program: &mut Program, text: &str) -> Value {
    let retry = json!({"max_attempts": 1});
    let body = json!({"kind": "count", "capabilities": ["text.count"], "retry": retry});
    let id = world.submit(body).await.is(201)["task_id"].as_str().unwrap().to_owned();
    let work = program.take_work().await;
    program.0.send(Message::text(text.replace("WORK", work.as_str().unwrap()))).await.unwrap();
    let told = program.hear().await;
    assert_eq!((&told["type"], &told["work"]), (&json!("error"), &work), "{told}");
    let task = world.get(&format!("{TASKS}/{id}?wait=10")).await;
    assert_eq!(task.is(200)["error"]["kind"], "failed", "{task:?}");
    task.body["error"]["message"].clone()
}

#[tokio::test]
async fn a_message_that_can_not_be_taken_fails_the_work_it_names_and_the_connection_stays() {
    let config = ApiConfig { max_body_bytes: 10_000, ..Default::default() };
    let world = world_with(config).await;
    let (address, _lifeline) = world.serve().await;
    let mut program = Program::registered(address).await;
    let large = format!(
        r#"{{"type":"result","payload":{{"text":"{}"}},"work":"WORK"}}"#,
        "x".repeat(20_000)
    );
    for (text, says) in [
        (r#"{"type":"result","work":"WORK"}"#, "`payload`: expected a value, got none"),
        (r#"{"type":"result","work":"WORK","payload":{"json":}}"#, "line 1, column"),
        (r#"{"type":"sing","work":"WORK"}"#, "sing"),
        (r#"{"type":"result","work":"WORK","payload":{"json":1,"text":"1"}}"#, "more than one of"),
        (&large, "expected at most 10000"),
    ] {
        let said = failed_by(&world, &mut program, text).await;
        assert!(said.as_str().unwrap().contains(says), "{text}: {said}");
    }
    let id = submit(&world).await;
    let work = program.take_work().await;
    program.say(&json!({"type": "result", "work": work, "payload": {"json": 3}})).await;
    let task = world.get(&format!("{TASKS}/{id}?wait=10")).await;
    assert_eq!((&task.is(200)["state"], &task.body["lost"]), (&json!("completed"), &json!(0)));
}

/// How the part of a task stands once it has been lost.
async fn lost(world: &World, id: &str) -> Value {
    let lost = async {
        loop {
            let shown = world.get(&format!("{TASKS}/{id}")).await;
            let part = &shown.is(200)["parts"][0];
            if part["lost"] == 1 {
                return part.clone();
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), lost).await.unwrap()
}

#[tokio::test]
async fn messages_about_nothing_are_answered_and_too_many_of_them_close_the_connection() {
    let world = world().await;
    let (address, _lifeline) = world.serve().await;
    let mut program = Program::registered(address).await;
    let id = submit(&world).await;
    program.take_work().await;
    for number in 0..MAX_STRAYS {
        let message = match number % 3 {
            0 => Message::text("{garbage"),
            1 => Message::text(r#"{"type":"accepted","work":"none"}"#),
            _ => Message::binary("x"),
        };
        program.0.send(message).await.unwrap();
        let told = program.hear().await;
        assert_eq!((&told["type"], &told["work"]), (&json!("error"), &Value::Null), "{told}");
        assert!(told["message"].as_str().is_some_and(|said| !said.is_empty()), "{told}");
    }
    program.0.send(Message::text("{garbage")).await.unwrap();
    assert_eq!(program.hear().await["type"], "error");
    let closing = program.hear().await;
    assert_eq!((&closing["type"], &closing["code"]), (&json!("closing"), &json!(1_008)));
    let closed = program.hear().await;
    assert_eq!(closed["code"], 1_008, "{closed}");
    assert!(closed["closed"].as_str().unwrap().contains("16 frames in a row"), "{closed}");
    let part = lost(&world, &id).await;
    assert!(part["error"]["message"].as_str().unwrap().contains("16 frames in a row"), "{part}");
}

#[tokio::test]
async fn a_frame_too_large_to_be_read_closes_the_connection_and_its_work_goes_back() {
    let config = ApiConfig { max_body_bytes: 1_024, ..Default::default() };
    let world = world_with(config).await;
    let (address, _lifeline) = world.serve().await;
    let mut program = Program::registered(address).await;
    let id = submit(&world).await;
    program.take_work().await;
    program.0.send(Message::text("x".repeat(5_000))).await.unwrap();
    let closed = program.hear().await;
    assert_eq!(closed["code"], 1_009, "{closed}");
    let says = "a frame of 5000 bytes; the limit is 4096: send less";
    assert!(closed["closed"].as_str().unwrap().contains(says), "{closed}");

    let part = lost(&world, &id).await;
    assert_eq!(part["error"]["kind"], "lost", "{part}");
    assert!(part["error"]["message"].as_str().unwrap().contains(says), "{part}");
    let mut next = Program::registered(address).await;
    let work = next.take_work().await;
    next.say(&json!({"type": "result", "work": work, "payload": {"json": 3}})).await;
    let task = world.get(&format!("{TASKS}/{id}?wait=10")).await;
    assert_eq!((&task.is(200)["state"], &task.body["lost"]), (&json!("completed"), &json!(1)));
}

#[tokio::test]
async fn a_stopping_node_says_goodbye() {
    let world = world().await;
    let (address, lifeline) = world.serve().await;
    let mut program = Program::registered(address).await;
    lifeline.stopping.cancel();
    assert_eq!(program.hear().await["closed"], "the node is stopping");
}
