//! The client's side of HTTP: one kept-alive connection, one call after the other.

use std::net::SocketAddr;

use axum::body::{Body, Bytes, to_bytes};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

/// Longest answer that is read.
const ANSWER: usize = 1 << 20;

/// One thread, so that the client takes little of the cores that it shares with the node.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// A connection.
pub(crate) struct Connection(SendRequest<Body>);

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the node listens");
        stream.set_nodelay(true).expect("a socket option");
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("a handshake");
        tokio::spawn(connection);
        Self(sender)
    }

    /// Makes a call; one that fails ends the run.
    pub(crate) async fn call(&mut self, request: Request<Body>) -> Bytes {
        self.0.ready().await.expect("the node keeps the connection");
        let answer = self.0.send_request(request).await.expect("an answer");
        let status = answer.status();
        let body = to_bytes(Body::new(answer.into_body()), ANSWER).await.expect("a body");
        assert!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
        body
    }
}
