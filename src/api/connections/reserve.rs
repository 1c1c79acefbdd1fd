//! A few connections beyond the limit, for those who ask how the node is: each is given one
//! request, for one of three paths, and the time that it takes the node to answer.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::super::access::Source;
use super::super::config::ApiConfig;
use super::super::stall::WriteBound;

/// Connections at once.
const SEATS: usize = 8;

/// How the request of such a connection begins; a blank or a query follows.
const QUESTIONS: [&[u8]; 3] = [b"GET /healthz", b"GET /readyz", b"GET /api/v1/status"];

/// Bytes that tell whether a request begins so.
const ENOUGH: usize = 32;

/// Time for the beginning of a request, before its client is turned away.
const FIRST_WORD: Duration = Duration::from_millis(100);

/// Time for the rest of its head, and for the answer to be taken.
const MARGIN: Duration = Duration::from_millis(500);

/// Serves those who ask how the node is while everybody else is turned away.
#[derive(Clone)]
pub(super) struct Reserve {
    api: Router,
    protocol: http1::Builder,
    seats: Arc<Semaphore>,
    within: Duration,
}

impl Reserve {
    /// `protocol` is the one of other connections.
    pub(super) fn new(config: &ApiConfig, api: Router, mut protocol: http1::Builder) -> Self {
        protocol.timer(TokioTimer::new()).header_read_timeout(MARGIN).keep_alive(false);
        let within = config.ask_timeout() + 2 * MARGIN;
        Self { api, protocol, seats: Arc::new(Semaphore::new(SEATS)), within }
    }

    /// Answers the client if it asks how the node is and a seat is free; or gives it back.
    pub(super) async fn serve(self, stream: TcpStream, source: Source) -> Option<TcpStream> {
        let asks = tokio::time::timeout(FIRST_WORD, asks_for_health(&stream)).await;
        if !asks.unwrap_or(false) {
            return Some(stream);
        }
        let Ok(_seat) = self.seats.try_acquire() else { return Some(stream) };
        let io = TokioIo::new(WriteBound::new(stream, MARGIN));
        let api = TowerToHyperService::new(self.api.layer(axum::Extension(source)));
        let connection = self.protocol.serve_connection(io, api);
        // Late or broken off, there is nobody to tell.
        let _ = tokio::time::timeout(self.within, connection).await;
        None
    }
}

/// Looks at the beginning of the request without taking it. Who sends it in pieces is turned away.
async fn asks_for_health(stream: &TcpStream) -> bool {
    let mut first = [0; ENOUGH];
    let Ok(length) = stream.peek(&mut first).await else { return false };
    let mut questions = QUESTIONS.iter();
    questions.any(|question| {
        let rest = first[..length].strip_prefix(*question);
        rest.is_some_and(|rest| matches!(rest, [b' ' | b'?', ..]))
    })
}
