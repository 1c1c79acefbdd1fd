//! The examples do what they say.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::client::{AGENTS, Client};
use crate::node_process::{NodeProcess, program};
use crate::python::{here, python};
use crate::world::World;

/// An example in Rust, where it was built: `cargo test` does, `cargo test --test it` does not.
fn example(name: &str) -> Option<PathBuf> {
    let tests = std::env::current_exe().expect("this test has a path");
    let built = tests.parent()?.parent()?.join("examples").join(name);
    if built.exists() {
        return Some(built);
    }
    println!("left out: the example {name}, because it is not built (cargo build --examples)");
    None
}

/// A program that runs until the test is over.
struct Background(Child);

impl Background {
    fn run(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("it runs"))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Ended already is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn count_words(client: &Client) {
    let task = client.done(json!({"kind": "text.count", "payload": "to be or not to be"})).await;
    assert_eq!(task["result"], json!({"words": 6}), "{task}");
}

#[tokio::test]
async fn an_agent_in_a_program_of_ones_own_is_a_whole_node() {
    let Some(path) = example("01_hello_agent") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let node = NodeProcess::start_as(program(&path), folder.path(), "");
    count_words(&Client::new(&node.url)).await;
}

#[tokio::test]
async fn an_agent_that_connects_gives_back_what_it_held() {
    let Some(path) = example("websocket_agent") else { return };
    let World { client, node, .. } = &World::start("");
    let url = format!("{}{AGENTS}/connect", node.url.replace("http://", "ws://"));
    let agent = Background::run(Command::new(path).arg(url));
    let shown = format!("{AGENTS}/ws-word-count");
    client.until(&shown, |shown| shown["agents"][0]["status"] == "active").await;
    count_words(client).await;
    drop(agent);
    client.until(&shown, |shown| shown["agents"][0]["status"] == "disconnected").await;
}

#[tokio::test]
async fn an_agent_in_any_language_answers_http() {
    let Some(python) = python() else { return };
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("an address").port();
    drop(free);
    let script = here("examples/agents/http_agent.py");
    let _agent = Background::run(Command::new(Path::new(python)).arg(script).arg(port.to_string()));
    let World { client, node: _node, .. } = &World::start("");
    let card = json!({"id": "py-word-count", "version": "1.0.0", "kind": "http",
        "endpoint": format!("http://127.0.0.1:{port}/perform"), "capabilities": ["text.count"]});
    assert_eq!(client.post(AGENTS, card).await.0, 201);
    count_words(client).await;
    let task = client.done(json!({"kind": "text.count", "payload": 7})).await;
    assert_eq!(task["error"]["kind"], "invalid_input", "{task}");
}
