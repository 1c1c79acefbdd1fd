//! `/api/v1/agents/connect`: an agent is a program that connects, registers, gets work and answers
//! over the same WebSocket.
//!
//! This is the transport alone: frames in through the session's inlet, frames out of its channel.
//! What the frames mean is the affair of `synod_agents`.

use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use synod_agents::{AgentCard, ConnectAgent, FromAgent, SessionInlet, ToAgent};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ApiState;
use super::agents::not_added;
use super::correlation::Caller;
use super::json::parse;
use super::lifeline::Lifeline;
use super::problem::{Problem, ProblemType};

/// Frames that may wait for a program that reads slowly; more are lost, and their work is delivered
/// again.
const WAITING: usize = 256;

/// Time from the connection to the frame that registers.
const TO_REGISTER: Duration = Duration::from_secs(10);

/// Connects an agent. The first frame registers its card; then the node sends work and the program
/// answers. When the connection drops, what it held goes back to the queue.
#[utoipa::path(
    get,
    path = "/api/v1/agents/connect",
    tag = "agents",
    responses(
        (
            status = 101,
            description = "WebSocket: `FromAgent` frames in, `ToAgent` frames out, JSON each",
            body = ToAgent,
        ),
        (status = 400, description = "Not a WebSocket"),
        (status = 403, description = "A foreign Origin"),
        (status = 503, description = "Too many streams"),
    )
)]
async fn connect(
    State(state): State<ApiState>,
    caller: Caller,
    lifeline: Lifeline,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|why| {
        Problem::new(ProblemType::BadRequest, format!("agents connect by WebSocket: {why}"))
            .field("upgrade")
            .expected("`Upgrade: websocket`", "none")
            .next("examples/websocket_agent.rs shows how")
    })?;
    let slot = state.streams.slot()?;
    let most = state.config.max_body_bytes;
    let upgrade = upgrade.max_message_size(most).max_frame_size(most);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let Lifeline { stopping, open } = lifeline;
        open.track_future(attend(socket, &state, &caller, stopping)).await;
        drop(slot);
    }))
}

/// Why a connection is closed.
struct Farewell {
    code: u16,
    reason: String,
}

impl Farewell {
    fn new(code: u16, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }

    fn link_ended() -> Self {
        Self::new(close_code::NORMAL, "the agent's link has ended")
    }
}

async fn attend(
    mut socket: WebSocket,
    state: &ApiState,
    caller: &Caller,
    stopping: CancellationToken,
) {
    let ended = match introduce(&mut socket, state, caller).await {
        Ok((inlet, outgoing)) => {
            let heartbeat = state.streams.heartbeat;
            relay(&mut socket, inlet, outgoing, heartbeat, stopping).await
        }
        Err(Some(problem)) => {
            let reason = problem.members().detail.clone();
            let rejected = ToAgent::Rejected { reason: reason.clone() };
            // Gone already is as good.
            let _ = write(&mut socket, &rejected).await;
            Some(Farewell::new(close_code::POLICY, reason))
        }
        Err(None) => None,
    };
    if let Some(Farewell { code, mut reason }) = ended {
        // A control frame has room for 123 bytes of reason (RFC 6455, section 5.5).
        reason.truncate(reason.floor_char_boundary(120));
        let _ = socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await;
    }
}

type Session = (SessionInlet, mpsc::Receiver<ToAgent>);

/// The first frame must register. `None`: the program is gone.
async fn introduce(
    socket: &mut WebSocket,
    state: &ApiState,
    caller: &Caller,
) -> Result<Session, Option<Problem>> {
    let first = timeout(TO_REGISTER, next_text(socket)).await.map_err(|_| {
        let detail = format!("no `register` frame within {} s", TO_REGISTER.as_secs());
        Some(Problem::new(ProblemType::BodyTooSlow, detail))
    })?;
    let text = first.ok_or(None)?;
    let card = match parse::<FromAgent>(text.as_bytes()) {
        Ok(FromAgent::Register { card }) => *card,
        Ok(_) => {
            let expected = Problem::invalid("type", "`register` as the first frame", "another");
            return Err(Some(expected));
        }
        Err(problem) => return Err(Some(problem)),
    };
    join(card, state, caller).await.map_err(Some)
}

async fn join(card: AgentCard, state: &ApiState, caller: &Caller) -> Result<Session, Problem> {
    let (outgoing, frames) = mpsc::channel(WAITING);
    let question = ConnectAgent { card, outgoing };
    let inlet = state.ask("host of agents", &state.host, question, caller).await?;
    Ok((inlet.map_err(not_added)?, frames))
}

/// The next text frame; `None` when the program is gone or sends what is no text.
async fn next_text(socket: &mut WebSocket) -> Option<String> {
    loop {
        match socket.recv().await? {
            Ok(Message::Text(text)) => return Some(text.to_string()),
            Ok(Message::Ping(_) | Message::Pong(_)) => {}
            Ok(Message::Binary(_) | Message::Close(_)) | Err(_) => return None,
        }
    }
}

/// Passes frames in both directions until one side ends. Dropping the inlet tells the agent's
/// actor.
async fn relay(
    socket: &mut WebSocket,
    inlet: SessionInlet,
    mut outgoing: mpsc::Receiver<ToAgent>,
    heartbeat: Duration,
    stopping: CancellationToken,
) -> Option<Farewell> {
    let mut beats = interval(heartbeat);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    loop {
        tokio::select! {
            () = stopping.cancelled() => {
                return Some(Farewell::new(close_code::AWAY, "the node is stopping"));
            }
            frame = outgoing.recv() => match frame {
                Some(frame) => write(socket, &frame).await.ok()?,
                None => return Some(Farewell::link_ended()),
            },
            incoming = socket.recv() => {
                heard = Instant::now();
                if let Err(ended) = take(incoming?.ok()?, &inlet).await {
                    return ended;
                }
            }
            _ = beats.tick() => {
                if heard.elapsed() > 3 * heartbeat {
                    return Some(Farewell::new(close_code::POLICY, "no answer to pings"));
                }
                socket.send(Message::Ping(Default::default())).await.ok()?;
            }
        }
    }
}

/// Takes a frame in. `Err` ends the connection, with a word or without.
async fn take(message: Message, inlet: &SessionInlet) -> Result<(), Option<Farewell>> {
    let frame = match message {
        Message::Text(text) => parse::<FromAgent>(text.as_bytes()).map_err(|problem| {
            Some(Farewell::new(close_code::UNSUPPORTED, problem.members().detail.clone()))
        })?,
        // Any library answers pings by itself: that is sign of life enough.
        Message::Ping(_) | Message::Pong(_) => FromAgent::Heartbeat,
        Message::Close(_) => return Err(None),
        Message::Binary(_) => {
            return Err(Some(Farewell::new(close_code::UNSUPPORTED, "frames are JSON text")));
        }
    };
    inlet.deliver(frame).await.map_err(|_| Some(Farewell::link_ended()))
}

async fn write(socket: &mut WebSocket, frame: &ToAgent) -> Result<(), axum::Error> {
    let text = serde_json::to_string(frame).map_err(axum::Error::new)?;
    socket.send(Message::Text(text.into())).await
}

/// The route for agents that connect.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(connect))
}
