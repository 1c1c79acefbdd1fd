//! Every change of a task, a run, an agent and an actor, as it happens: `GET /api/v1/stream`.
//!
//! One stream, two ways to read it (WebSocket and server-sent events), resumable with the id of the
//! last event read. Never: an unbounded queue for a reader, a gap that a reader is not told of.

mod changes;
mod cursor;
mod event;
mod filter;
mod hub;
mod ring;
mod shared;
mod source;
mod sse;
mod ws;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::header::{ACCEPT, UPGRADE};
use axum::http::{HeaderMap, HeaderName};
use axum::response::Response;
use serde::Deserialize;
use synod_agents::AgentId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

pub(crate) use changes::{note_event, run_event, task_event};
pub use cursor::{Cursor, NotACursor};
pub use event::{CloudEvent, Content, Event, StreamNotice, Subject};
pub use filter::{About, Filter};
pub use hub::{EventHub, Next, Numbered, Subscription};
pub use shared::SharedSource;
pub use source::{EngineSource, LIFECYCLE_BUFFER, NodeSource, SourceMessage};

use super::ApiState;
use super::config::ApiConfig;
use super::json::quoted;
use super::lifeline::Lifeline;
use super::problem::{Problem, ProblemType};
use super::request::Query;

/// The header of lists that says from where to read the stream.
pub(super) const CURSOR_HEADER: HeaderName = HeaderName::from_static("synod-stream-cursor");

/// How many streams may be open, and how often they give a sign of life.
#[derive(Debug, Clone)]
pub struct StreamLimits {
    slots: Arc<Semaphore>,
    /// Time between signs of life.
    pub heartbeat: Duration,
}

impl StreamLimits {
    /// The limits of a configuration.
    #[must_use]
    pub fn new(config: &ApiConfig) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(config.max_streams)),
            heartbeat: config.stream_heartbeat(),
        }
    }

    /// A slot for one more stream, held while it is open.
    ///
    /// # Errors
    /// 503 when all are taken.
    pub fn slot(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.slots).try_acquire_owned().map_err(|_| {
            Problem::new(ProblemType::TooManyStreams, "every stream this node allows is open")
                .retry_after(self.heartbeat)
        })
    }
}

/// What to read, and from where.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StreamQuery {
    /// The id of the last event read; without it the stream begins now.
    after: Option<String>,
    /// Only these types, separated by commas; one that ends in `*` matches by its beginning.
    #[serde(rename = "type")]
    types: Option<String>,
    /// Only this task.
    #[param(value_type = Option<String>)]
    task: Option<Uuid>,
    /// Only this run of a workflow.
    #[param(value_type = Option<String>)]
    run: Option<Uuid>,
    /// Only this conversation.
    #[param(value_type = Option<String>)]
    conversation: Option<Uuid>,
    /// Only this agent.
    #[param(value_type = Option<String>)]
    agent: Option<AgentId>,
}

impl StreamQuery {
    fn subscribe(self, hub: &EventHub, headers: &HeaderMap) -> Result<Subscription, Problem> {
        // A client that reconnects repeats its first URL: what it has read since is in the header.
        let resumed = headers.get("last-event-id").and_then(|value| value.to_str().ok());
        let field = if resumed.is_some() { "last-event-id" } else { "after" };
        let given = resumed.or(self.after.as_deref());
        let after = given.map(str::parse).transpose().map_err(|why: NotACursor| {
            let got = quoted(given.unwrap_or_default());
            Problem::invalid(field, "the id of an event of this stream", got)
                .next(format!("{why}; leave it out to begin now"))
        })?;
        let about = [
            self.task.map(About::Task),
            self.run.map(About::Run),
            self.conversation.map(About::Conversation),
            self.agent.map(About::Agent),
        ];
        let filter = Filter::new(self.types.as_deref(), about.into_iter().flatten());
        Ok(hub.subscribe(after, filter))
    }
}

/// Reads the stream: a WebSocket with `Upgrade: websocket`, server-sent events with
/// `Accept: text/event-stream`.
#[utoipa::path(
    get,
    path = "/api/v1/stream",
    tag = "stream",
    params(StreamQuery),
    responses(
        (status = 101, description = "WebSocket: one CloudEvent per text frame"),
        (
            status = 200,
            description = "Server-sent events",
            content_type = "text/event-stream",
            body = CloudEvent,
        ),
        (status = 400, description = "Neither asked for"),
        (status = 422, description = "A parameter is not valid"),
        (status = 503, description = "Too many streams"),
    )
)]
async fn read(
    State(state): State<ApiState>,
    lifeline: Lifeline,
    headers: HeaderMap,
    Query(query): Query<StreamQuery>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let subscription = query.subscribe(&state.hub, &headers)?;
    let heartbeat = state.streams.heartbeat;
    let asks_for_events = headers
        .get_all(ACCEPT)
        .iter()
        .any(|value| value.to_str().is_ok_and(|text| text.contains("text/event-stream")));
    match upgrade {
        Ok(upgrade) => {
            let permit = state.streams.slot()?;
            let upgrade = upgrade
                .protocols([ws::SUBPROTOCOL])
                .max_message_size(ws::MAX_INCOMING)
                .max_frame_size(ws::MAX_INCOMING);
            Ok(upgrade.on_upgrade(move |socket| async move {
                let open = lifeline.open.clone();
                open.track_future(ws::run(socket, subscription, heartbeat, &lifeline)).await;
                drop(permit);
            }))
        }
        Err(_) if asks_for_events => {
            Ok(sse::respond(subscription, heartbeat, lifeline, state.streams.slot()?))
        }
        Err(refused) => Err(neither(&headers, &refused.body_text())),
    }
}

fn neither(headers: &HeaderMap, why: &str) -> Problem {
    let field = if headers.contains_key(UPGRADE) { "upgrade" } else { "accept" };
    Problem::new(ProblemType::BadRequest, format!("this is a stream: {why}"))
        .field(field)
        .expected("`Upgrade: websocket`, or `Accept: text/event-stream`", "neither")
        .next("try `curl -N -H 'Accept: text/event-stream'`")
}

/// Reads the stream as server-sent events, whatever `Accept` says.
#[utoipa::path(
    get,
    path = "/api/v1/stream/sse",
    tag = "stream",
    params(StreamQuery),
    responses(
        (
            status = 200,
            description = "Server-sent events",
            content_type = "text/event-stream",
            body = CloudEvent,
        ),
        (status = 422, description = "A parameter is not valid"),
        (status = 503, description = "Too many streams"),
    )
)]
async fn read_events(
    State(state): State<ApiState>,
    lifeline: Lifeline,
    headers: HeaderMap,
    Query(query): Query<StreamQuery>,
) -> Result<Response, Problem> {
    let subscription = query.subscribe(&state.hub, &headers)?;
    let permit = state.streams.slot()?;
    Ok(sse::respond(subscription, state.streams.heartbeat, lifeline, permit))
}

/// The routes of the stream.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(read)).routes(routes!(read_events))
}
