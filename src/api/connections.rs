//! Accepts connections and serves each in a task of its own, within limits.
//!
//! ```text
//! backlog ─▶ accept ─┬─ a slot is free ───────────────▶ the API
//!                    ├─ a client is overdue ──────────▶ the API; the longest overdue is closed
//!                    ├─ it asks how the node is ──────▶ the API, once (a few at a time)
//!                    └─ else ─────────────────────────▶ 503 at once, closed (a few at a time)
//! ```
//! With TLS the handshake comes before, in the time that a head has; who finds no slot is closed
//! without an answer then, as one would cost a handshake.
//!
//! Clients that connect and say nothing, nothing more, or too little of a body at a time can't keep
//! others out.
//!
//! Never: a connection without a deadline for its next head, without a bound on a stalled write, or
//! one that outlives the server.

mod arriving;
mod reserve;
mod seats;
mod transport;
mod turn_away;

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1::{self, UpgradeableConnection};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(super) use self::arriving::MadeRoom;

use self::arriving::Arriving;
use self::reserve::Reserve;
use self::seats::{Awaited, Visit};
use self::transport::Transport;
use self::turn_away::TurnAway;
use super::access::Source;
use super::config::ApiConfig;
use super::lifeline::Lifeline;
use super::stall::WriteBound;

/// Connections beyond the limit that are told so, or that make room, at the same time.
const TURNED_AWAY_AT_ONCE: usize = 32;

/// Largest request head in bytes, and most headers in it.
const MAX_HEAD: usize = 64 << 10;
const MAX_HEADERS: usize = 100;

/// Pause after the system refused a connection (no file descriptors left, for one).
const AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(100);

/// Least time between two warnings that connections can't be accepted.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(10);

/// Time in which a connection that makes room may still send what it holds.
const LEAVE: Duration = Duration::from_millis(250);

/// The accept loop of one incarnation of the server.
pub(super) struct Connections {
    api: Router,
    protocol: http1::Builder,
    write_timeout: Duration,
    slots: Arc<Semaphore>,
    spare: Arc<Semaphore>,
    awaited: Arc<Awaited>,
    reserve: Reserve,
    turn_away: TurnAway,
    lifeline: Lifeline,
    transport: Transport,
}

/// A connection that was accepted, from where it comes, and the permit to turn it away.
struct Accepted {
    stream: TcpStream,
    source: Source,
    spare: OwnedSemaphorePermit,
}

impl Connections {
    pub(super) fn new(config: &ApiConfig, api: Router, lifeline: Lifeline) -> Self {
        let mut protocol = http1::Builder::new();
        protocol
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(config.header_timeout_ms))
            .max_buf_size(MAX_HEAD)
            .max_headers(MAX_HEADERS);
        let api = api.layer(axum::Extension(lifeline.clone()));
        Self {
            reserve: Reserve::new(config, api.clone(), protocol.clone()),
            api,
            protocol,
            write_timeout: config.write_timeout(),
            slots: Arc::new(Semaphore::new(config.max_connections)),
            spare: Arc::new(Semaphore::new(TURNED_AWAY_AT_ONCE)),
            awaited: Arc::default(),
            turn_away: TurnAway::new(),
            lifeline,
            transport: Transport::new(None, Duration::from_millis(config.header_timeout_ms)),
        }
    }

    /// The same, for clients that speak TLS, if `tls` says how.
    pub(super) fn with_tls(mut self, tls: Option<Arc<ServerConfig>>) -> Self {
        self.transport = self.transport.with(tls);
        self
    }

    /// Serves until the lifeline stops; returns when the last connection is closed. Dropped, it
    /// takes all connections and streams with it.
    pub(super) async fn serve(self, listener: TcpListener) {
        let _end_streams = self.lifeline.stopping.clone().drop_guard();
        let mut open = JoinSet::new();
        let mut warned = None;
        loop {
            tokio::select! {
                () = self.lifeline.stopping.cancelled() => break,
                Some(_) = open.join_next() => {}
                accepted = self.accept(&listener) => match accepted {
                    Ok(accepted) => self.admit(&mut open, accepted),
                    Err(why) => {
                        warn_now_and_then(&mut warned, &why);
                        tokio::time::sleep(AFTER_ACCEPT_ERROR).await;
                    }
                },
            }
        }
        drop(listener);
        while open.join_next().await.is_some() {}
    }

    /// The next connection, taken only when there is room to turn it away if need be.
    async fn accept(&self, listener: &TcpListener) -> io::Result<Accepted> {
        let spare = Arc::clone(&self.spare).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, address) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(Accepted { stream, source: Source(address.ip()), spare })
    }

    fn admit(&self, open: &mut JoinSet<()>, accepted: Accepted) {
        let Accepted { stream, source, spare } = accepted;
        let slot = match Arc::clone(&self.slots).try_acquire_owned() {
            Ok(slot) => Ok(slot),
            Err(_) => self.awaited.make_room(spare),
        };
        match slot {
            Ok(slot) => self.serve_one(open, (stream, source), slot),
            Err(spare) if self.transport.is_plain() => {
                self.serve_beyond(open, (stream, source), spare);
            }
            Err(_) => metrics::counter!("synod_http_connections_refused_total").increment(1),
        }
    }

    /// Says how the node is to a client that asks for that, and 503 to any other.
    fn serve_beyond(
        &self,
        open: &mut JoinSet<()>,
        (stream, source): (TcpStream, Source),
        spare: OwnedSemaphorePermit,
    ) {
        let (reserve, turn_away) = (self.reserve.clone(), self.turn_away.clone());
        open.spawn(async move {
            if let Some(stream) = reserve.serve(stream, source).await {
                metrics::counter!("synod_http_connections_refused_total").increment(1);
                turn_away.tell(stream).await;
            }
            drop(spare);
        });
    }

    fn serve_one(
        &self,
        open: &mut JoinSet<()>,
        (stream, source): (TcpStream, Source),
        slot: OwnedSemaphorePermit,
    ) {
        let (visit, told_to_leave) = Visit::new(&self.awaited, slot);
        let api = TowerToHyperService::new(self.api.clone());
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let answer = visit.work().map(|work| {
                let mut request = request.map(|body| Arriving::new(body, work.visit()));
                request.extensions_mut().insert(source);
                (work, api.call(request))
            });
            async move {
                match answer {
                    Some((work, answer)) => answer.await.map(|answer| work.until_sent(answer)),
                    None => Ok(turn_away::answer()),
                }
            }
        });
        let mut served = Served {
            protocol: self.protocol.clone(),
            write_timeout: self.write_timeout,
            stopping: self.lifeline.stopping.clone(),
            told_to_leave,
        };
        match self.transport.clone() {
            Transport::Plain { .. } => {
                open.spawn(served.over(stream, service));
            }
            Transport::Tls(tls) => {
                open.spawn(async move {
                    let Served { stopping, told_to_leave, .. } = &mut served;
                    let shaken = tokio::select! {
                        shaken = tls.shake_hands(stream) => shaken,
                        () = stopping.cancelled() => None,
                        _ = told_to_leave => None,
                    };
                    if let Some(stream) = shaken {
                        served.over(stream, service).await;
                    }
                });
            }
        }
    }
}

/// What a connection is served with, whatever it goes over.
struct Served {
    protocol: http1::Builder,
    write_timeout: Duration,
    stopping: CancellationToken,
    told_to_leave: oneshot::Receiver<OwnedSemaphorePermit>,
}

impl Served {
    async fn over<T, S>(self, stream: T, service: S)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Service<hyper::Request<Incoming>, Response = Response, Error = Infallible>,
        S::Future: Send + 'static,
    {
        let io = TokioIo::new(WriteBound::new(stream, self.write_timeout));
        let connection = self.protocol.serve_connection(io, service).with_upgrades();
        drive(connection, self.stopping, self.told_to_leave).await;
    }
}

/// Serves one connection to its end, or until it is told to leave.
async fn drive<T, S>(
    connection: UpgradeableConnection<TokioIo<WriteBound<T>>, S>,
    stopping: CancellationToken,
    told_to_leave: oneshot::Receiver<OwnedSemaphorePermit>,
) where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<hyper::Request<Incoming>, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        Ok(_spare) = told_to_leave => {
            metrics::counter!("synod_http_connections_evicted_total").increment(1);
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(LEAVE, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(why) = ended {
        tracing::debug!(%why, "a connection broke off");
    }
}

/// Out of file descriptors, the same error comes ten times a second.
fn warn_now_and_then(warned: &mut Option<Instant>, why: &io::Error) {
    if warned.is_none_or(|last| last.elapsed() >= BETWEEN_WARNINGS) {
        *warned = Some(Instant::now());
        tracing::warn!(%why, "a connection could not be accepted");
    }
}

#[cfg(test)]
mod tests;
