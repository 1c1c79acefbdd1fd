//! The answer to a connection for which there is no slot: 503, without waiting for a request.

use std::time::Duration;

use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::problem::{PROBLEM_JSON, Problem, ProblemType};

/// Time in which the answer is sent and the client hangs up, before the connection is cut off.
const WITHIN: Duration = Duration::from_millis(250);

/// Seconds after which another try makes sense.
const RETRY_AFTER_S: u64 = 1;

/// Turns connections away with an answer that was written once.
#[derive(Debug, Clone)]
pub(super) struct TurnAway(Bytes);

impl TurnAway {
    pub(super) fn new() -> Self {
        // Strings and numbers only: it can't fail to serialise.
        let body = serde_json::to_string(problem().members()).unwrap_or_default();
        let length = body.len();
        let text = format!(
            "HTTP/1.1 503 Service Unavailable\r\ncontent-type: {PROBLEM_JSON}\r\n\
             content-length: {length}\r\nretry-after: {RETRY_AFTER_S}\r\n\
             cache-control: no-store\r\n\
             connection: close\r\n\r\n{body}"
        );
        Self(text.into())
    }

    /// Sends the answer and closes the connection, in a quarter of a second at most.
    pub(super) fn tell(&self, stream: TcpStream) -> impl Future<Output = ()> + Send + use<> {
        let answer = self.0.clone();
        async move {
            // The client may be gone, or never read: there is nobody else to tell.
            let _ = tokio::time::timeout(WITHIN, send(stream, &answer)).await;
        }
    }
}

/// What the client has sent is read until it hangs up: closed over unread bytes, the connection is
/// reset, and the answer may be lost with it.
async fn send(mut stream: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    stream.write_all(answer).await?;
    stream.shutdown().await?;
    let mut forgotten = [0; 4096];
    while stream.read(&mut forgotten).await? > 0 {}
    Ok(())
}

/// The same answer to a request that came when its connection's slot was just given to another.
pub(super) fn answer() -> Response {
    let mut response = problem().into_response();
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn problem() -> Problem {
    Problem::new(ProblemType::Overloaded, "as many connections are open as the node allows")
        .retry_after(Duration::from_secs(RETRY_AFTER_S))
        .next("close idle connections, or raise http.max_connections")
}
