//! `/api/v1/workflows`: start runs, follow and steer them, keep definitions.

mod control;
mod definitions;
mod diff;
mod graph;
pub(super) mod refusal;
pub(super) mod runs;
mod source;
pub(super) mod start;

use std::time::Duration;

use axum::Json as Answer;
use axum::extract::{FromRequestParts, State};
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;
use synod_runtime::AskError;
use synod_workflows::{
    MessageSent, RunId, RunStatusResponse, SendMessage, WaitRun, WorkflowStats,
    WorkflowStatsResponse,
};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ApiState;
use super::correlation::Caller;
use super::json::Json;
use super::problem::Problem;
use super::request::{KeyHeader, Segment};

/// What answers for workflows.
pub(super) const PART: &str = "workflow engine";
const RUNS: &str = "/api/v1/workflows";

/// The id of a run in the path.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunPath(pub RunId);

impl<S: Send + Sync> FromRequestParts<S> for RunPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Segment(text) = Segment::from_request_parts(parts, state).await?;
        run_of("run_id", &text).map(Self)
    }
}

/// The run that a part of the path names. What can't be an id names nothing: 404, so that a client
/// has one answer to look for.
fn run_of(field: &'static str, text: &str) -> Result<RunId, Problem> {
    text.parse().map_err(|_| {
        let next = "run ids are UUIDs, as answered when a run is accepted";
        Problem::not_found("run", text, next).field(field).expected("a UUID", text.to_owned())
    })
}

/// No run has this id.
pub(super) fn no_run(id: RunId) -> Problem {
    let next = "GET /api/v1/workflows lists those that are kept";
    Problem::not_found("run", &id.to_string(), next)
}

/// The run when it ends in time; `None` when it does not.
pub(super) async fn wait_for(
    state: &ApiState,
    caller: &Caller,
    id: RunId,
    within: Duration,
) -> Result<Option<RunStatusResponse>, Problem> {
    match state.workflows.ask_with(WaitRun { id }, within, caller.options()).await {
        Ok(Some(run)) => Ok(Some(run)),
        Ok(None) => Err(no_run(id)),
        Err(AskError::Deadline) => Ok(None),
        Err(why) => Err(Problem::unanswered(PART, &why)),
    }
}

/// Where a thing is that was made.
pub(super) fn location(path: String) -> [(HeaderName, HeaderValue); 1] {
    [(LOCATION, HeaderValue::try_from(path).unwrap_or(HeaderValue::from_static(RUNS)))]
}

/// A message for steps that await it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MessageRequest {
    /// What it is about.
    topic: String,
    /// What it says.
    #[serde(default)]
    payload: Value,
    /// Only this run; absent: every run that awaits the topic.
    #[schema(value_type = Option<String>, format = "uuid")]
    run: Option<RunId>,
    /// Makes it safe to repeat: a run takes one message of a key once, and counts as `unmatched`
    /// from then on. Each run remembers the last 256 keys of messages that it took.
    idempotency_key: Option<String>,
}

/// Sends a message to the steps that await its topic.
///
/// The steps whose `match` holds take it; when there is none, it is gone, and the answer says so.
#[utoipa::path(
    post,
    path = "/api/v1/messages",
    tag = "workflows",
    params((
        "Idempotency-Key" = Option<String>,
        Header,
        description = "Makes it safe to repeat, as the field `idempotency_key` does",
    )),
    request_body = MessageRequest,
    responses(
        (status = 200, description = "How far it came; durable", body = MessageSent),
        (status = 400, description = "The body is not JSON"),
        (status = 404, description = "There is no such run"),
        (status = 409, description = "The run has ended"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is not `application/json`"),
        (status = 422, description = "A field is not valid"),
        (status = 503, description = "The journal does not accept"),
    )
)]
async fn send_message(
    State(state): State<ApiState>,
    caller: Caller,
    key: KeyHeader,
    Json(message): Json<MessageRequest>,
) -> Result<Answer<MessageSent>, Problem> {
    let MessageRequest { topic, payload, run, idempotency_key } = message;
    let idempotency_key = key.or(idempotency_key)?;
    let principal = caller.principal.clone();
    let question = SendMessage { topic, payload, run, idempotency_key, principal };
    let outcome = state.ask(PART, &state.workflows, question, &caller).await?;
    outcome.map(Answer).map_err(|why| refusal::control(run.unwrap_or_default(), why))
}

/// The numbers of the workflow engine: ledger, runs by state, steps, throughput, times.
#[utoipa::path(
    get,
    path = "/api/v1/workflows/stats",
    tag = "workflows",
    responses(
        (status = 200, description = "The numbers", body = WorkflowStatsResponse),
        (status = 503, description = "The workflow engine did not answer"),
    )
)]
async fn stats(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<Answer<WorkflowStatsResponse>, Problem> {
    state.ask(PART, &state.workflows, WorkflowStats {}, &caller).await.map(Answer)
}

/// The JSON Schema of definitions: for editors, and for programs that write them.
#[utoipa::path(
    get,
    path = "/schemas/workflow.json",
    tag = "workflows",
    responses((
        status = 200,
        description = "JSON Schema, draft 2020-12",
        content_type = "application/schema+json",
        body = Value,
    ))
)]
async fn schema() -> Response {
    let schema = synod_workflows::definition::schema().to_string();
    ([(CONTENT_TYPE, "application/schema+json")], schema).into_response()
}

/// The routes of workflows.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(start::start, runs::list))
        .routes(routes!(stats))
        .routes(routes!(runs::show))
        .routes(routes!(runs::history))
        .routes(routes!(graph::run))
        .routes(routes!(diff::diff))
        .routes(routes!(send_message))
        .routes(routes!(schema))
        .merge(control::routes())
        .merge(definitions::routes())
}
