//! An agent that connects to a node: a program anywhere on this machine, behind no port of its own.
//!
//! It shows the frames of a connected agent: register, accept, answer. What it holds when it is
//! killed goes back to the queue at once.
//!
//! Run:    `cargo run -- node` in one terminal, `cargo run --example websocket_agent` in another,
//!         then `cargo run -- tasks submit text.count '"a b c"' --wait`.
//! Expect: this terminal names the work it did, the task ends with `{"words":3}`.

use std::error::Error;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

/// Where the node is, unless the first argument says otherwise.
const NODE: &str = "ws://127.0.0.1:7966/api/v1/agents/connect";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let node = std::env::args().nth(1).unwrap_or_else(|| NODE.to_owned());
    let (socket, _) = connect_async(node).await?;
    let (mut to_node, mut from_node) = socket.split();
    let card = json!({"id": "ws-word-count", "version": "1.0.0", "capabilities": ["text.count"]});
    to_node.send(text(&json!({"type": "register", "card": card}))).await?;

    while let Some(message) = from_node.next().await {
        let Message::Text(frame) = message? else { continue };
        let frame: Value = serde_json::from_str(&frame)?;
        match frame["type"].as_str() {
            // The same work may be delivered again; counting twice does no harm.
            Some("perform") => {
                let work = &frame["order"]["work"];
                to_node.send(text(&json!({"type": "accepted", "work": work}))).await?;
                to_node.send(text(&perform(&frame["order"]))).await?;
                eprintln!("did {work}");
            }
            Some("rejected" | "closing") => return Err(frame["reason"].to_string().into()),
            other => eprintln!("{}", other.unwrap_or("?")),
        }
    }
    Ok(())
}

/// Counts the words of the input, or says what it expected.
fn perform(order: &Value) -> Value {
    let payload = &order["payload"];
    let work = &order["work"];
    match payload["text"].as_str().or(payload["json"].as_str()) {
        Some(input) => {
            let words = input.split_whitespace().count();
            json!({"type": "result", "work": work, "payload": {"json": {"words": words}}})
        }
        None => json!({"type": "error", "work": work, "error": {
            "kind": "invalid_input", "message": "expected text, or JSON that is a string",
        }}),
    }
}

fn text(frame: &Value) -> Message {
    Message::text(frame.to_string())
}
