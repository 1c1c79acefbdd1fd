//! A program that connects to the node and works: by hand, frame by frame, or on its own.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// How long the node may take to send a frame.
const PATIENCE: Duration = Duration::from_secs(30);

/// The card of an agent with one capability.
pub(crate) fn card(id: &str, capability: &str) -> Value {
    json!({"id": id, "version": "1.0.0", "capabilities": [capability]})
}

/// A connected agent.
pub(crate) struct WsAgent {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl WsAgent {
    /// Connects to the node at `url` and registers.
    pub(crate) async fn connect(url: &str, card: Value) -> Self {
        let mut agent = Self::introduce(url, card).await;
        let welcome = agent.frame().await;
        assert_eq!(welcome["type"], "registered", "{welcome}");
        agent
    }

    /// Connects and sends the card; what the node says to it is the first frame.
    pub(crate) async fn introduce(url: &str, card: Value) -> Self {
        let url = format!("{}/api/v1/agents/connect", url.replace("http://", "ws://"));
        let (socket, _) = connect_async(url).await.expect("a WebSocket");
        let mut agent = Self { socket };
        agent.send(json!({"type": "register", "card": card})).await;
        agent
    }

    /// Sends a frame.
    pub(crate) async fn send(&mut self, frame: Value) {
        let sent = self.socket.send(Message::text(frame.to_string())).await;
        sent.expect("the node listens");
    }

    /// The next frame; `None` when the node closes.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            let message = timeout(PATIENCE, self.socket.next()).await.expect("a frame in time");
            match message {
                Some(Ok(Message::Text(text))) => {
                    return Some(serde_json::from_str(&text).expect("JSON"));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => return None,
            }
        }
    }

    /// The next frame, which must come.
    pub(crate) async fn frame(&mut self) -> Value {
        self.next().await.expect("a frame")
    }

    /// The next order, which must be the next frame.
    pub(crate) async fn order(&mut self) -> Value {
        let mut frame = self.frame().await;
        assert_eq!(frame["type"], "perform", "{frame}");
        frame["order"].take()
    }

    /// Takes the next order in hand.
    pub(crate) async fn take(&mut self) -> Value {
        let order = self.order().await;
        self.send(json!({"type": "accepted", "work": order["work"]})).await;
        order
    }

    /// Answers an order.
    pub(crate) async fn answer(&mut self, order: &Value, outcome: Outcome) {
        let work = &order["work"];
        self.send(match outcome {
            Outcome::Done(json) => {
                json!({"type": "result", "work": work, "payload": {"json": json}})
            }
            Outcome::Failed(kind) => {
                let error = json!({"kind": kind, "message": format!("it is {kind}")});
                json!({"type": "error", "work": work, "error": error})
            }
        })
        .await;
    }

    /// Does whatever comes, until the node closes.
    pub(crate) fn work(
        mut self,
        does: impl Fn(&Value) -> Outcome + Send + 'static,
    ) -> JoinHandle<()> {
        tokio::spawn(async move {
            while let Some(frame) = self.next().await {
                if frame["type"] == "perform" {
                    let order = &frame["order"];
                    let outcome = does(order);
                    self.answer(order, outcome).await;
                }
            }
        })
    }
}

/// What comes of an order.
pub(crate) enum Outcome {
    /// This output.
    Done(Value),
    /// An error of this kind.
    Failed(&'static str),
}

/// An agent that answers with its own id and the input.
pub(crate) async fn named(url: &str, id: &'static str, capability: &str) -> JoinHandle<()> {
    let agent = WsAgent::connect(url, card(id, capability)).await;
    agent.work(move |order| Outcome::Done(json!({"by": id, "of": order["payload"]["json"]})))
}
