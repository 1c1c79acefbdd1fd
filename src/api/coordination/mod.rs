//! `/api/v1/coordination`: conversations of any protocol that the node offers.
//!
//! The routes know no protocol: a `Door` leads to the desk of each, so one that a user adds is
//! asked like those that come with the program.

mod door;
mod messaging;
mod refusal;
mod shapes;
mod shared;
mod shared_refusal;

use std::time::Duration;

use axum::Json as Answer;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::header::LOCATION;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use synod_coordination::ConversationId;
use synod_coordination::desk::{ConversationPage, History, List, Standing};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use door::{Asking, DeskDoor, Door};
pub use messaging::{
    FetchedMessage, FetchedMessages, NotRead, PublishedTopic, RetainedValues, SaidMessages,
    SentMessage, Subscriptions, TopicLetters, TopicValue,
};
pub use shapes::{Conversation, ConversationHistory, ConversationNote, Protocols, Told};

use super::ApiState;
use super::correlation::Caller;
use super::json::JsonBytes;
use super::problem::{Problem, ProblemType};
use super::request::{KeyHeader, Query, wait_within};

const PROTOCOLS: &str = "/api/v1/coordination";

/// Conversations on a page, unless the request says otherwise.
const PAGE: usize = 50;

/// Most conversations or notes on a page.
const MAX_PAGE: usize = 1_000;

/// A conversation in the path: its protocol and its id.
#[derive(Debug, Clone)]
struct Named {
    protocol: String,
    id: ConversationId,
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((protocol, text)) = path
            .map_err(|why| Problem::invalid("(path)", "percent-encoded UTF-8", why.body_text()))?;
        // What can't be an id names nothing: 404, so that a client has one answer to look for.
        let id = text.parse().map_err(|_| {
            let next = "ids of conversations are UUIDs, as answered when one is opened";
            Problem::not_found("conversation", &text, next).field("id").expected("a UUID", &*text)
        })?;
        Ok(Self { protocol, id })
    }
}

impl ApiState {
    /// The door to a protocol's desk.
    fn door(&self, protocol: &str) -> Result<std::sync::Arc<dyn Door>, Problem> {
        if let Some(door) = self.engines.door(protocol) {
            return Ok(door);
        }
        if !self.protocols.contains(&protocol) {
            let known = self.protocols.join(", ");
            return Err(Problem::not_found(
                "protocol",
                protocol,
                "GET /api/v1/coordination lists all",
            )
            .field("protocol")
            .expected(format!("one of {known}"), protocol));
        }
        let detail = "the work is on its way to another node";
        let problem = Problem::new(ProblemType::Unavailable, detail);
        Err(problem.retry_after(Duration::from_secs(1)).untouched())
    }

    fn asking(&self, caller: Caller) -> Asking {
        Asking { caller, within: self.config.ask_timeout() }
    }
}

/// Lists the protocols that the node offers, and how each is.
#[utoipa::path(
    get,
    path = "/api/v1/coordination",
    tag = "coordination",
    responses(
        (status = 200, description = "The protocols", body = Protocols),
        (status = 503, description = "A desk did not answer"),
    )
)]
async fn protocols(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<Answer<Protocols>, Problem> {
    let mut protocols = Vec::new();
    for protocol in &state.protocols {
        let door = state.door(protocol)?;
        protocols.push(door.health(state.asking(caller.clone())).await?);
    }
    Ok(Answer(Protocols { protocols }))
}

/// Opens a conversation. It is durable when this answers, and ends with an outcome.
#[utoipa::path(
    post,
    path = "/api/v1/coordination/{protocol}",
    tag = "coordination",
    params(
        ("protocol" = String, Path, description = "The protocol: `ballot`, `auction`, …"),
        (
            "Idempotency-Key" = Option<String>,
            Header,
            description = "Makes it safe to repeat: the same key names the same conversation",
        ),
    ),
    request_body(content = Object, description = "What the protocol is opened with"),
    responses(
        (
            status = 201,
            description = "It is open",
            body = Conversation,
            headers(("Location" = String, description = "The conversation")),
        ),
        (status = 200, description = "It was opened before with this key", body = Conversation),
        (status = 400, description = "The body is not JSON"),
        (status = 404, description = "No such protocol"),
        (status = 408, description = "The body came too slowly"),
        (status = 409, description = "The key was used with something else"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is not `application/json`"),
        (status = 422, description = "A field is not valid"),
        (status = 429, description = "As many are open as the node allows"),
        (status = 503, description = "The journal does not accept, or the node drains"),
    )
)]
async fn open(
    State(state): State<ApiState>,
    caller: Caller,
    Path(protocol): Path<String>,
    key: KeyHeader,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Problem> {
    let key = key.or(None)?;
    let door = state.door(&protocol)?;
    let begun = door.open(body, key, state.asking(caller)).await?;
    let status = if begun.duplicate { StatusCode::OK } else { StatusCode::CREATED };
    let path = format!("{PROTOCOLS}/{}/{}", door.kind(), begun.conversation.summary.id);
    let location = HeaderValue::try_from(path).unwrap_or(HeaderValue::from_static(PROTOCOLS));
    Ok((status, [(LOCATION, location)], Answer(begun.conversation)).into_response())
}

/// Which conversations to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only those that are `open` or `ended`.
    #[param(inline)]
    state: Option<Standing>,
    /// `next` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<ConversationId>,
    /// How many at most, 1 to 1,000; default 50.
    limit: Option<usize>,
}

/// Lists conversations, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/coordination/{protocol}",
    tag = "coordination",
    params(("protocol" = String, Path, description = "The protocol"), ListQuery),
    responses(
        (status = 200, description = "Some conversations", body = ConversationPage),
        (status = 404, description = "No such protocol"),
        (status = 422, description = "A parameter is not valid"),
        (status = 503, description = "The desk did not answer"),
    )
)]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Path(protocol): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Answer<ConversationPage>, Problem> {
    let limit = bounded("limit", query.limit, PAGE)?;
    let list = List { state: query.state, after: query.cursor, limit };
    state.door(&protocol)?.list(list, state.asking(caller)).await.map(Answer)
}

/// Shows how a conversation stands.
#[utoipa::path(
    get,
    path = "/api/v1/coordination/{protocol}/{id}",
    tag = "coordination",
    params(
        ("protocol" = String, Path, description = "The protocol"),
        ("id" = String, Path, description = "The conversation"),
    ),
    responses(
        (status = 200, description = "The conversation", body = Conversation),
        (status = 404, description = "Unknown, or ended so long ago that it is forgotten"),
        (status = 503, description = "The desk did not answer"),
    )
)]
async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    named: Named,
) -> Result<Answer<Conversation>, Problem> {
    let door = state.door(&named.protocol)?;
    door.show(named.id, state.asking(caller)).await.map(Answer)
}

/// Tells a conversation something: a vote, a bid, a release. It is durable when this answers.
#[utoipa::path(
    post,
    path = "/api/v1/coordination/{protocol}/{id}",
    tag = "coordination",
    params(
        ("protocol" = String, Path, description = "The protocol"),
        ("id" = String, Path, description = "The conversation"),
    ),
    request_body(content = Object, description = "What it is told"),
    responses(
        (status = 200, description = "It was taken", body = Told),
        (status = 400, description = "The body is not JSON"),
        (status = 403, description = "Whoever asks may not say this"),
        (status = 404, description = "No such conversation"),
        (status = 408, description = "The body came too slowly"),
        (status = 409, description = "It comes too late, or contradicts what was taken before"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is not `application/json`"),
        (status = 422, description = "A field is not valid"),
        (status = 429, description = "A limit is reached"),
        (status = 503, description = "The journal does not accept"),
    )
)]
async fn tell(
    State(state): State<ApiState>,
    caller: Caller,
    named: Named,
    JsonBytes(body): JsonBytes,
) -> Result<Answer<Told>, Problem> {
    let door = state.door(&named.protocol)?;
    door.tell(named.id, body, state.asking(caller)).await.map(Answer)
}

/// Which part of a history to read.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct HistoryQuery {
    /// Only what came after the note of this number.
    after: Option<u64>,
    /// How many at most, 1 to 1,000; default 1,000.
    limit: Option<usize>,
    /// Seconds to wait when there is nothing yet; at most `http.max_wait_s`.
    wait: Option<u64>,
}

/// Reads what happened in a conversation, by whom and why.
#[utoipa::path(
    get,
    path = "/api/v1/coordination/{protocol}/{id}/history",
    tag = "coordination",
    params(
        ("protocol" = String, Path, description = "The protocol"),
        ("id" = String, Path, description = "The conversation"),
        HistoryQuery,
    ),
    responses(
        (status = 200, description = "What happened", body = ConversationHistory),
        (status = 404, description = "No such conversation"),
        (status = 422, description = "A parameter is not valid"),
        (status = 429, description = "Too many wait for news"),
        (status = 503, description = "The desk did not answer"),
    )
)]
async fn history(
    State(state): State<ApiState>,
    caller: Caller,
    named: Named,
    Query(query): Query<HistoryQuery>,
) -> Result<Answer<ConversationHistory>, Problem> {
    let limit = bounded("limit", query.limit, MAX_PAGE)?;
    let hold = wait_within(query.wait, &state)?.unwrap_or_default();
    let question = History { id: named.id, after: query.after.unwrap_or(0), limit };
    let door = state.door(&named.protocol)?;
    let page = door.history(question, hold, state.asking(caller)).await?;
    Ok(Answer(page.into()))
}

/// A number of things on a page.
fn bounded(field: &'static str, given: Option<usize>, default: usize) -> Result<usize, Problem> {
    match given.unwrap_or(default) {
        limit @ 1..=MAX_PAGE => Ok(limit),
        other => Err(Problem::invalid(field, format!("1 to {MAX_PAGE}"), other.to_string())),
    }
}

/// The routes of conversations.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(protocols))
        .routes(routes!(open, list))
        .routes(routes!(tell, show))
        .routes(routes!(history))
        .merge(messaging::routes())
        .merge(shared::routes())
}
