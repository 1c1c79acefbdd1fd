//! The client's side of HTTP: one kept-alive connection, one call after the other.

use std::net::SocketAddr;

use axum::body::{Body, Bytes, to_bytes};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// Longest answer that is read.
const ANSWER: usize = 4 << 20;

/// A connection.
pub(crate) struct Connection {
    sender: SendRequest<Body>,
    host: String,
}

/// A call whose answer never came, and why.
pub(crate) type Unanswered = String;

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, Unanswered> {
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        Ok(Self { sender, host: address.to_string() })
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<(StatusCode, Value), Unanswered> {
        let (status, body) = self.call(Method::GET, path, Bytes::new()).await?;
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    pub(crate) async fn post(
        &mut self,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), Unanswered> {
        self.call(Method::POST, path, body).await
    }

    async fn call(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), Unanswered> {
        let request = Request::builder().method(method).uri(path).header("host", &self.host);
        let request = request.header("content-type", "application/json");
        let request = request.body(Body::from(body)).expect("a request");
        self.sender.ready().await.map_err(|error| error.to_string())?;
        let answer = self.sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let body = to_bytes(Body::new(answer.into_body()), ANSWER).await;
        Ok((status, body.map_err(|error| error.to_string())?))
    }
}
