//! Accepts connections and serves each in a task of its own, within limits.
//!
//! ```text
//! backlog ─▶ accept ─┬─ a slot is free ─▶ the API
//!                    └─ none is ─────────▶ 503, closed (a few at once; then the backlog waits)
//! ```
//!
//! Never: a connection without a deadline for its next head, without a bound on a stalled write, or
//! one that outlives the server.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::config::ApiConfig;
use super::lifeline::Lifeline;
use super::problem::{Problem, ProblemType};
use super::stall::WriteBound;

/// Connections beyond the limit that are told so at the same time.
const TURNED_AWAY_AT_ONCE: usize = 32;

/// Largest request head in bytes, and most headers in it.
const MAX_HEAD: usize = 64 << 10;
const MAX_HEADERS: usize = 100;

/// Pause after the system refused a connection (no file descriptors left, for one).
const AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(100);

/// The accept loop of one incarnation of the server.
pub(super) struct Connections {
    api: Router,
    full: Router,
    protocol: http1::Builder,
    write_timeout: Duration,
    slots: Arc<Semaphore>,
    spare: Arc<Semaphore>,
    lifeline: Lifeline,
}

impl Connections {
    pub(super) fn new(config: &ApiConfig, api: Router, lifeline: Lifeline) -> Self {
        let mut protocol = http1::Builder::new();
        protocol
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(config.header_timeout_ms))
            .max_buf_size(MAX_HEAD)
            .max_headers(MAX_HEADERS);
        Self {
            api: api.layer(axum::Extension(lifeline.clone())),
            full: Router::new().fallback(turn_away),
            protocol,
            write_timeout: config.write_timeout(),
            slots: Arc::new(Semaphore::new(config.max_connections)),
            spare: Arc::new(Semaphore::new(TURNED_AWAY_AT_ONCE)),
            lifeline,
        }
    }

    /// Serves until the lifeline stops; returns when the last connection is closed. Dropped, it
    /// takes all connections and streams with it.
    pub(super) async fn serve(self, listener: TcpListener) {
        let _end_streams = self.lifeline.stopping.clone().drop_guard();
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                () = self.lifeline.stopping.cancelled() => break,
                Some(_) = open.join_next() => {}
                accepted = self.accept(&listener) => match accepted {
                    Ok((stream, spare)) => self.admit(&mut open, stream, spare),
                    Err(why) => {
                        tracing::warn!(%why, "a connection could not be accepted");
                        tokio::time::sleep(AFTER_ACCEPT_ERROR).await;
                    }
                },
            }
        }
        drop(listener);
        while open.join_next().await.is_some() {}
    }

    /// The next connection, taken only when there is room to turn it away if need be.
    async fn accept(
        &self,
        listener: &TcpListener,
    ) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
        let spare = Arc::clone(&self.spare).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok((stream, spare))
    }

    fn admit(&self, open: &mut JoinSet<()>, stream: TcpStream, spare: OwnedSemaphorePermit) {
        let (service, permit) = match Arc::clone(&self.slots).try_acquire_owned() {
            Ok(slot) => (self.api.clone(), slot),
            Err(_) => {
                metrics::counter!("synod_http_connections_refused_total").increment(1);
                (self.full.clone(), spare)
            }
        };
        let io = TokioIo::new(WriteBound::new(stream, self.write_timeout));
        let connection = self.protocol.serve_connection(io, TowerToHyperService::new(service));
        let connection = connection.with_upgrades();
        let stopping = self.lifeline.stopping.clone();
        open.spawn(async move {
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stopping.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(why) = ended {
                tracing::debug!(%why, "a connection broke off");
            }
            drop(permit);
        });
    }
}

async fn turn_away() -> Response {
    let problem =
        Problem::new(ProblemType::Overloaded, "as many connections are open as the node allows")
            .retry_after(Duration::from_secs(1))
            .next("close idle connections, or raise http.max_connections");
    let mut response = problem.into_response();
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests;
