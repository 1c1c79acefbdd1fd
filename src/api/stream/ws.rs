//! The stream over a WebSocket: one text frame per CloudEvent (CloudEvents WebSocket binding,
//! sub-protocol `cloudevents.json`). The client only listens.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::super::lifeline::Lifeline;
use super::hub::{Next, Subscription};

/// The sub-protocol of the binding.
pub(super) const SUBPROTOCOL: &str = "cloudevents.json";

/// Largest frame taken from a client, in bytes; it has nothing to say.
pub(super) const MAX_INCOMING: usize = 4_096;

/// "Try again later" in the registry of close codes.
const TRY_AGAIN_LATER: u16 = 1013;

/// Why a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client closed, broke off or stopped reading.
    Gone,
    /// It gave no sign of life.
    Silent,
    /// It sent something.
    Spoke,
    /// It was slower than the buffer is long; the reset was its last event.
    Behind,
    /// The node stops, or the token ends that the stream was opened with.
    Over(&'static str),
}

impl End {
    fn close(self) -> Option<CloseFrame> {
        let (code, reason) = match self {
            Self::Gone => return None,
            Self::Silent => (close_code::POLICY, "no answer to pings"),
            Self::Spoke => (close_code::UNSUPPORTED, "this stream only sends"),
            Self::Behind => (TRY_AGAIN_LATER, "missed events: list again, then resume"),
            Self::Over(reason) => (close_code::AWAY, reason),
        };
        Some(CloseFrame { code, reason: reason.into() })
    }
}

/// Writes the stream until one side ends it.
pub(super) async fn run(
    mut socket: WebSocket,
    subscription: Subscription,
    heartbeat: Duration,
    lifeline: &Lifeline,
) {
    let end = pump(&mut socket, subscription, heartbeat, lifeline).await;
    tracing::debug!(?end, "stream ended");
    if let Some(frame) = end.close() {
        // The client may be gone already, which is all we want.
        let _ = socket.send(Message::Close(Some(frame))).await;
    }
}

async fn pump(
    socket: &mut WebSocket,
    mut reader: Subscription,
    heartbeat: Duration,
    lifeline: &Lifeline,
) -> End {
    let mut beats = interval(heartbeat);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    if socket.send(Message::Text(reader.opening().json().clone())).await.is_err() {
        return End::Gone;
    }
    loop {
        tokio::select! {
            () = lifeline.stopping.cancelled() => {
                let reason = lifeline.reason();
                let notice = reader.closing(reason);
                let _ = socket.send(Message::Text(notice.json().clone())).await;
                return End::Over(reason);
            }
            incoming = socket.recv() => match incoming {
                None | Some(Err(_) | Ok(Message::Close(_))) => return End::Gone,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => heard = Instant::now(),
                Some(Ok(Message::Text(_) | Message::Binary(_))) => return End::Spoke,
            },
            _ = beats.tick() => {
                if heard.elapsed() > 2 * heartbeat {
                    return End::Silent;
                }
                if socket.send(Message::Ping(Default::default())).await.is_err() {
                    return End::Gone;
                }
            }
            next = reader.next() => {
                if let Some(end) = write(socket, next).await {
                    return end;
                }
            }
        }
    }
}

async fn write(socket: &mut WebSocket, next: Next) -> Option<End> {
    let (events, end) = match next {
        Next::Events(events) => (events, None),
        Next::Reset(notice) => (vec![notice], Some(End::Behind)),
    };
    for one in events {
        if socket.send(Message::Text(one.json().clone())).await.is_err() {
            return Some(End::Gone);
        }
    }
    end
}
