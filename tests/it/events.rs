//! Reading the stream of changes: server-sent events and WebSocket, to the same events.

use std::collections::VecDeque;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{SinkExt, StreamExt};
use reqwest::Method;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::client::Client;

/// How long an event may take to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A CloudEvent, read from either side of the stream.
#[derive(Debug, Clone)]
pub(crate) struct Event(pub(crate) Value);

impl Event {
    /// The cursor of whoever has read it.
    pub(crate) fn id(&self) -> &str {
        self.0["id"].as_str().expect("an id")
    }

    /// What happened.
    pub(crate) fn kind(&self) -> &str {
        self.0["type"].as_str().expect("a type")
    }

    /// Its number in this boot of the node.
    pub(crate) fn sequence(&self) -> u64 {
        self.0["sequence"].as_str().and_then(|text| text.parse().ok()).expect("a sequence")
    }
}

/// The stream as server-sent events.
pub(crate) struct Sse {
    chunks: BoxStream<'static, reqwest::Result<axum::body::Bytes>>,
    text: String,
    ready: VecDeque<Event>,
}

impl Sse {
    /// Opens the stream; `query` begins after the question mark.
    pub(crate) async fn open(client: &Client, query: &str, last_event_id: Option<&str>) -> Self {
        let mut request = client.raw(Method::GET, &format!("/api/v1/stream/sse?{query}"));
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let chunks = answer.bytes_stream().boxed();
        Self { chunks, text: String::new(), ready: VecDeque::new() }
    }

    /// The next event; `None` when the node ends the stream.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        while self.ready.is_empty() {
            let chunk = timeout(PATIENCE, self.chunks.next()).await.expect("an event in time")?;
            self.text += std::str::from_utf8(&chunk.ok()?).expect("UTF-8");
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                self.ready.extend(parse(block));
                self.text = rest.to_owned();
            }
        }
        self.ready.pop_front()
    }
}

/// An event out of its block of lines; none when it is but a sign of life.
fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| {
        let mut lines = block.lines().filter_map(|line| line.strip_prefix(name));
        lines.next().map(|value| value.trim_start().to_owned())
    };
    let event: Value = serde_json::from_str(&field("data:")?).expect("JSON");
    assert_eq!(field("id:").as_deref(), event["id"].as_str(), "{block}");
    assert_eq!(field("event:").as_deref(), event["type"].as_str(), "{block}");
    Some(Event(event))
}

/// The stream over a WebSocket.
pub(crate) struct Ws {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Ws {
    /// Opens the stream; `query` begins after the question mark.
    pub(crate) async fn open(client: &Client, query: &str) -> Self {
        let url = client.url.replace("http://", "ws://");
        let opened = connect_async(format!("{url}/api/v1/stream?{query}")).await;
        Self { socket: opened.expect("a WebSocket").0 }
    }

    /// The next event, or the code with which the node closed.
    pub(crate) async fn next(&mut self) -> Result<Event, Option<u16>> {
        loop {
            let message = timeout(PATIENCE, self.socket.next()).await.expect("an event in time");
            match message {
                Some(Ok(Message::Text(text))) => {
                    return Ok(Event(serde_json::from_str(&text).expect("JSON")));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map(|frame| frame.code.into()));
                }
                _ => return Err(None),
            }
        }
    }

    /// Says something, which a reader of the stream has no business to.
    pub(crate) async fn say(&mut self, text: &'static str) {
        self.socket.send(Message::text(text)).await.expect("sent");
    }
}
