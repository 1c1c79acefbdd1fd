//! `/api/v1/agents/connect`: an agent is a program that connects, registers, gets work and answers
//! over the same WebSocket.
//!
//! This is the transport alone: frames in through the session's inlet, frames out of its channel.
//! What the frames mean is the affair of `synod_agents`.

mod ending;

use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use synod_agents::{AgentCard, ConnectAgent, FromAgent, SessionInlet, ToAgent};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::ending::Ending;
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

/// How many times `max_body_bytes` a frame may have to be read at all. One in between fails the
/// work that it names; a larger one ends the connection, since what comes after it can't be found.
const READABLE: usize = 4;

/// Time in which a program that still writes may read why its connection is closed.
const LINGER: Duration = Duration::from_secs(1);

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
    let most = state.config.max_body_bytes.saturating_mul(READABLE);
    let upgrade = upgrade.max_message_size(most).max_frame_size(most);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let open = lifeline.open.clone();
        open.track_future(attend(socket, &state, &caller, &lifeline)).await;
        drop(slot);
    }))
}

async fn attend(mut socket: WebSocket, state: &ApiState, caller: &Caller, lifeline: &Lifeline) {
    let ending = match introduce(&mut socket, state, caller).await {
        Ok((inlet, outgoing)) => {
            let limits =
                Limits { message: state.config.max_body_bytes, heartbeat: state.streams.heartbeat };
            let ending = relay(&mut socket, &inlet, outgoing, limits, lifeline).await;
            // First of all, so that the work is not kept from others.
            inlet.close(ending.reason());
            ending
        }
        Err(ending) => ending,
    };
    let linger = ending.leaves_unread();
    ending.tell(&mut socket).await;
    if linger {
        // Closed under a program that still writes, the connection would be reset, and with it the
        // reason could be lost.
        tokio::time::sleep(LINGER).await;
    }
}

type Session = (SessionInlet, mpsc::Receiver<ToAgent>);

/// The first frame must register.
async fn introduce(
    socket: &mut WebSocket,
    state: &ApiState,
    caller: &Caller,
) -> Result<Session, Ending> {
    let registered = match timeout(TO_REGISTER, next_text(socket)).await {
        Err(_) => {
            let detail = format!("no `register` frame within {} s", TO_REGISTER.as_secs());
            Err(Problem::new(ProblemType::BodyTooSlow, detail))
        }
        Ok(text) => match parse::<FromAgent>(text?.as_bytes()) {
            Ok(FromAgent::Register { card }) => join(*card, state, caller).await,
            Ok(_) => Err(Problem::invalid("type", "`register` as the first frame", "another")),
            Err(problem) => Err(problem),
        },
    };
    match registered {
        Ok(session) => Ok(session),
        Err(problem) => {
            let reason = problem.members().detail.clone();
            let rejected = ToAgent::Rejected { reason: reason.clone() };
            // Gone already is as good.
            let _ = write(socket, &rejected).await;
            Err(Ending::close(close_code::POLICY, reason))
        }
    }
}

async fn join(card: AgentCard, state: &ApiState, caller: &Caller) -> Result<Session, Problem> {
    let (outgoing, frames) = mpsc::channel(WAITING);
    let question = ConnectAgent { card, outgoing };
    let inlet = state.ask("host of agents", &state.host, question, caller).await?;
    Ok((inlet.map_err(not_added)?, frames))
}

/// The next text frame.
async fn next_text(socket: &mut WebSocket) -> Result<String, Ending> {
    loop {
        match read(socket).await? {
            Message::Text(text) => return Ok(text.to_string()),
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Close(frame) => return Err(Ending::closed_by_program(frame.as_ref())),
            Message::Binary(_) => {
                return Err(Ending::close(close_code::UNSUPPORTED, "frames are JSON text"));
            }
        }
    }
}

async fn read(socket: &mut WebSocket) -> Result<Message, Ending> {
    match socket.recv().await {
        Some(message) => message.map_err(Ending::unreadable),
        None => Err(Ending::gone("the connection to the agent dropped")),
    }
}

/// What holds for an agent's connection.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Most bytes of a message.
    message: usize,
    heartbeat: Duration,
}

/// Passes frames in both directions until one side ends.
async fn relay(
    socket: &mut WebSocket,
    inlet: &SessionInlet,
    mut outgoing: mpsc::Receiver<ToAgent>,
    limits: Limits,
    lifeline: &Lifeline,
) -> Ending {
    let heartbeat = limits.heartbeat;
    let mut beats = interval(heartbeat);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    let mut ending = Ending::link_ended();
    loop {
        let sent = tokio::select! {
            () = lifeline.stopping.cancelled() => {
                return Ending::close(close_code::AWAY, lifeline.reason());
            }
            frame = outgoing.recv() => {
                let Some(frame) = frame else { return ending };
                if let ToAgent::Closing { code, reason } = &frame {
                    ending = Ending::close(*code, reason.clone());
                }
                write(socket, &frame).await
            }
            incoming = read(socket) => {
                heard = Instant::now();
                match take(incoming, inlet, limits.message).await {
                    Ok(()) => Ok(()),
                    Err(ending) => return ending,
                }
            }
            _ = beats.tick() => {
                if heard.elapsed() > 3 * heartbeat {
                    return Ending::close(close_code::POLICY, "no answer to pings");
                }
                socket.send(Message::Ping(Default::default())).await
            }
        };
        if sent.is_err() {
            return Ending::gone("the connection to the agent dropped");
        }
    }
}

/// Takes a message in. One that is not as it should be costs no more than the work it is about;
/// `Err` ends the connection.
async fn take(
    incoming: Result<Message, Ending>,
    inlet: &SessionInlet,
    most: usize,
) -> Result<(), Ending> {
    let delivered = match incoming? {
        Message::Text(text) if text.len() > most => {
            let length = text.len();
            let why = format!(
                "the message has {length} bytes, expected at most {most}: send less, or put it \
                 where it can be fetched"
            );
            inlet.reject(FromAgent::work_named_in(&text), why).await
        }
        Message::Text(text) => match parse::<FromAgent>(text.as_bytes()) {
            Ok(frame) => inlet.deliver(frame).await,
            Err(problem) => inlet.reject(FromAgent::work_named_in(&text), told(&problem)).await,
        },
        // Any library answers pings by itself: that is sign of life enough.
        Message::Ping(_) | Message::Pong(_) => inlet.deliver(FromAgent::Heartbeat).await,
        Message::Close(frame) => return Err(Ending::closed_by_program(frame.as_ref())),
        Message::Binary(bytes) => {
            let why = format!("a binary frame of {} bytes, expected JSON text", bytes.len());
            inlet.reject(None, why).await
        }
    };
    delivered.map_err(|_| Ending::link_ended())
}

/// What was wrong with a frame, where, and what was expected.
fn told(problem: &Problem) -> String {
    let said = problem.members();
    match &said.expected {
        Some(expected) if !said.detail.contains("expected") => {
            format!("{}, expected {expected}", said.detail)
        }
        _ => said.detail.clone(),
    }
}

async fn write(socket: &mut WebSocket, frame: &ToAgent) -> Result<(), axum::Error> {
    let text = serde_json::to_string(frame).map_err(axum::Error::new)?;
    socket.send(Message::Text(text.into())).await
}

/// The route for agents that connect.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(connect))
}
