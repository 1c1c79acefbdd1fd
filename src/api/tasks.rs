//! `/api/v1/orchestration`: submit work, follow it, cancel it.

use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use synod_agents::{AgentSelector, PayloadError};
use synod_runtime::{AskError, Priority};
use synod_tasks::{
    Accepted, CancelError, CancelTask, EngineStats, EngineStatsResponse, GetTask, ListTasks,
    SubmitError, SubmitTask, TaskFilter, TaskMode, TaskPage, TaskState, TaskStatusResponse,
    TaskSubmissionRequest, WaitTask,
};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::ApiState;
use super::agents::selector;
use super::correlation::Caller;
use super::json::{Json, quoted};
use super::problem::{Problem, ProblemType};
use super::request::{KeyHeader, Query, TaskId, WaitQuery};
use super::stream::CURSOR_HEADER;

const PART: &str = "task engine";
const TASKS: &str = "/api/v1/orchestration/tasks";

/// Tasks on a page, unless the request says otherwise, and at most.
const PAGE: usize = 50;
const MAX_PAGE: usize = 1_000;

/// Submits a task. It is accepted when it is durable, and then ends in exactly one final state.
#[utoipa::path(
    post,
    path = "/api/v1/orchestration/tasks",
    tag = "tasks",
    params(
        WaitQuery,
        (
            "Idempotency-Key" = Option<String>,
            Header,
            description = "Makes it safe to repeat, as the field `idempotency_key` does",
        ),
    ),
    request_body = TaskSubmissionRequest,
    responses(
        (
            status = 201,
            description = "Accepted; with `wait`, how the task stands",
            body = Accepted,
            headers(("Location" = String, description = "The task")),
        ),
        (
            status = 200,
            description = "The task of an earlier submission with the same key",
            body = Accepted,
        ),
        (status = 400, description = "The body is not JSON"),
        (status = 408, description = "The body came too slowly"),
        (status = 409, description = "The first submission with this key is in flight"),
        (status = 413, description = "The body or the payload is too large"),
        (status = 415, description = "The body is not `application/json`"),
        (
            status = 422,
            description = "A field is not valid, no agent can do it, the deadline has passed, or \
                           the key was used with another body",
        ),
        (status = 429, description = "The queue is full; see `Retry-After`"),
        (status = 503, description = "The journal does not accept, or the node drains"),
    )
)]
async fn submit(
    State(state): State<ApiState>,
    caller: Caller,
    Query(wait): Query<WaitQuery>,
    key: KeyHeader,
    Json(mut request): Json<TaskSubmissionRequest>,
) -> Result<Response, Problem> {
    let wait = wait.within(&state)?;
    request.idempotency_key = key.or(request.idempotency_key)?;
    accept(&state, &caller, request, wait).await
}

async fn accept(
    state: &ApiState,
    caller: &Caller,
    request: TaskSubmissionRequest,
    wait: Option<Duration>,
) -> Result<Response, Problem> {
    let question = SubmitTask { request, principal: caller.principal.clone() };
    let within = state.config.ask_timeout();
    let answer = state.tasks.ask_with(question, within, caller.options()).await;
    let accepted = answer.map_err(|why| Problem::perhaps_accepted(PART, &why))?.map_err(refused)?;
    let status = if accepted.duplicate { StatusCode::OK } else { StatusCode::CREATED };
    let location = location(accepted.task_id);
    let Some(within) = wait else {
        return Ok((status, location, Answer(accepted)).into_response());
    };
    let ended = wait_for(state, caller, accepted.task_id, within).await?;
    match ended {
        Some(task) => Ok((status, location, Answer(task)).into_response()),
        None => Ok((status, location, Answer(accepted)).into_response()),
    }
}

fn location(task: Uuid) -> [(HeaderName, HeaderValue); 1] {
    let path = HeaderValue::try_from(format!("{TASKS}/{task}"));
    [(LOCATION, path.unwrap_or(HeaderValue::from_static(TASKS)))]
}

fn refused(why: SubmitError) -> Problem {
    let detail = why.to_string();
    let new = |kind| Problem::new(kind, detail.clone());
    match why {
        SubmitError::MalformedPayload { reason } => {
            Problem::new(ProblemType::MalformedJson, format!("the payload: {reason}"))
                .field("payload")
                .expected("one JSON document (RFC 8259) of whole characters", reason)
        }
        SubmitError::Invalid { field, expected, got } => Problem::invalid(field, expected, got),
        SubmitError::PayloadTooLarge { bytes, limit } => new(ProblemType::BodyTooLarge)
            .field("payload")
            .expected(format!("at most {limit} bytes"), format!("{bytes} bytes"))
            .next("send less, or put it where the agent can fetch it"),
        SubmitError::NoCapableAgent { .. } => new(ProblemType::NoCapableAgent),
        SubmitError::QueueFull { retry_after_s } => {
            new(ProblemType::QueueFull).retry_after(Duration::from_secs(retry_after_s))
        }
        SubmitError::IdempotencyConflict { existing } => new(ProblemType::IdempotencyConflict)
            .field("idempotency_key")
            .expected("the body that the key was first used with", "another body")
            .next(format!("use another key; GET {TASKS}/{existing} is the task of this one")),
        SubmitError::InFlight { existing } => new(ProblemType::IdempotencyInFlight)
            .next(format!("GET {TASKS}/{existing}?wait=30 waits for it")),
        SubmitError::DeadlinePassed => {
            Problem::invalid("deadline", "a time in the future", "one in the past")
        }
        SubmitError::Unavailable { reason } => {
            let problem = new(ProblemType::Unavailable).retry_after(Duration::from_secs(1)).next(
                "GET /readyz says when tasks are accepted again; repeat with an idempotency key",
            );
            if is_unknown(&reason) { problem } else { problem.untouched() }
        }
        SubmitError::Draining => new(ProblemType::Unavailable)
            .next("submit to another node, or after the restart")
            .untouched(),
    }
}

/// Whether the task may have been accepted all the same; the engine says so in its reason.
fn is_unknown(reason: &str) -> bool {
    reason.contains("the outcome is unknown") || reason.contains("gave no answer")
}

/// Submits a small task of kind `echo`, to see that the node works.
#[utoipa::path(
    post,
    path = "/api/v1/orchestration/test/submit-sample-task",
    tag = "tasks",
    params(WaitQuery),
    responses(
        (status = 201, description = "Accepted; with `wait`, how the task stands", body = Accepted),
        (status = 422, description = "No agent echoes"),
        (status = 429, description = "The queue is full"),
        (status = 503, description = "The journal does not accept, or the node drains"),
    )
)]
async fn submit_sample(
    State(state): State<ApiState>,
    caller: Caller,
    Query(wait): Query<WaitQuery>,
) -> Result<Response, Problem> {
    let wait = wait.within(&state)?;
    let request = TaskSubmissionRequest::new("echo")
        .payload(&json!({"text": "a sample task"}))
        .map_err(|why: PayloadError| Problem::new(ProblemType::Internal, why.to_string()))?;
    accept(&state, &caller, request, wait).await
}

/// How a task stands.
#[utoipa::path(
    get,
    path = "/api/v1/orchestration/tasks/{task_id}",
    tag = "tasks",
    params(("task_id" = String, Path, description = "The task"), WaitQuery),
    responses(
        (status = 200, description = "The task", body = TaskStatusResponse),
        (status = 404, description = "Unknown, or ended so long ago that it is forgotten"),
        (status = 422, description = "A parameter is not valid"),
        (status = 503, description = "The task engine did not answer"),
    )
)]
async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    TaskId(id): TaskId,
    Query(wait): Query<WaitQuery>,
) -> Result<Answer<TaskStatusResponse>, Problem> {
    if let Some(within) = wait.within(&state)?
        && let Some(task) = wait_for(&state, &caller, id, within).await?
    {
        return Ok(Answer(task));
    }
    let task = state.ask(PART, &state.tasks, GetTask { id }, &caller).await?;
    task.map(Answer).ok_or_else(|| no_task(id))
}

/// The task when it ends in time; `None` when it does not.
async fn wait_for(
    state: &ApiState,
    caller: &Caller,
    id: Uuid,
    within: Duration,
) -> Result<Option<TaskStatusResponse>, Problem> {
    match state.tasks.ask_with(WaitTask { id }, within, caller.options()).await {
        Ok(Some(task)) => Ok(Some(task)),
        Ok(None) => Err(no_task(id)),
        Err(AskError::Deadline) => Ok(None),
        Err(why) => Err(Problem::unanswered(PART, &why)),
    }
}

fn no_task(id: Uuid) -> Problem {
    let next = "GET /api/v1/orchestration/tasks lists those that are kept";
    Problem::not_found("task", &id.to_string(), next)
}

/// Cancels a task. Final: what its agents still give is ignored.
#[utoipa::path(
    delete,
    path = "/api/v1/orchestration/tasks/{task_id}",
    tag = "tasks",
    params(("task_id" = String, Path, description = "The task")),
    responses(
        (status = 200, description = "Cancelled", body = TaskStatusResponse),
        (status = 404, description = "Unknown"),
        (status = 409, description = "It has ended"),
        (status = 503, description = "The journal does not accept"),
    )
)]
async fn cancel(
    State(state): State<ApiState>,
    caller: Caller,
    TaskId(id): TaskId,
) -> Result<Answer<TaskStatusResponse>, Problem> {
    let question = CancelTask { id, principal: caller.principal.clone() };
    let outcome = state.ask(PART, &state.tasks, question, &caller).await?;
    outcome.map(Answer).map_err(|why| match why {
        CancelError::NotFound => no_task(id),
        CancelError::AlreadyEnded { .. } => Problem::new(ProblemType::Conflict, why.to_string())
            .next(format!("GET {TASKS}/{id} has its result; submit a new task to run it again")),
        CancelError::Unavailable { .. } => Problem::new(ProblemType::Unavailable, why.to_string())
            .retry_after(Duration::from_secs(1))
            .next("GET /readyz says when changes are accepted again"),
    })
}

/// Which tasks.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only those in this state.
    state: Option<TaskState>,
    /// Only those of this priority, by name.
    #[param(value_type = Option<String>)]
    priority: Option<Priority>,
    /// Only those of this kind.
    kind: Option<String>,
    /// Only those in this mode.
    mode: Option<TaskMode>,
    /// Only those of this tenant.
    tenant: Option<String>,
    /// Only those with this label, written `key=value`.
    label: Option<String>,
    /// Only those of which this agent has a part, or was the last to have it: `id`, or
    /// `id@version`.
    agent: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Most tasks on the page, 1 to 1,000; default 50.
    limit: Option<usize>,
}

impl ListQuery {
    fn question(self) -> Result<ListTasks, Problem> {
        let limit = self.limit.unwrap_or(PAGE);
        if !(1..=MAX_PAGE).contains(&limit) {
            return Err(Problem::invalid("limit", format!("1 to {MAX_PAGE}"), limit.to_string()));
        }
        let label = match self.label.as_deref().map(|label| label.split_once('=')) {
            Some(None) => {
                return Err(Problem::invalid("label", "key=value", self.label.unwrap_or_default()));
            }
            Some(Some((key, value))) => Some((key.to_owned(), value.to_owned())),
            None => None,
        };
        let agent = self.agent.as_deref().map(agent_named).transpose()?;
        let filter = TaskFilter {
            state: self.state,
            kind: self.kind,
            tenant: self.tenant,
            priority: self.priority,
            mode: self.mode,
            label,
            agent,
        };
        Ok(ListTasks { filter, cursor: self.cursor, limit })
    }
}

fn agent_named(text: &str) -> Result<AgentSelector, Problem> {
    let expected = "`id` or `id@version` of an agent";
    selector(text).ok_or_else(|| Problem::invalid("agent", expected, format!("{text:?}")))
}

/// Lists tasks, the newest first. The header `Synod-Stream-Cursor` says from where to read the
/// stream so as to miss no change after this list.
#[utoipa::path(
    get,
    path = "/api/v1/orchestration/tasks",
    tag = "tasks",
    params(ListQuery),
    responses(
        (status = 200, description = "A page of tasks", body = TaskPage),
        (status = 422, description = "A parameter or the cursor is not valid"),
        (status = 503, description = "The task engine did not answer"),
    )
)]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    let question = query.question()?;
    // Taken before the list is made: better a change told twice than never.
    let cursor = state.hub.now().to_string();
    let given = question.cursor.clone().unwrap_or_default();
    let page = state.ask(PART, &state.tasks, question, &caller).await?;
    let page = page.map_err(|why| {
        Problem::invalid("cursor", "`next` of a page of tasks", quoted(&given))
            .next(format!("{why}; leave it out to begin with the first page"))
    })?;
    Ok(([(CURSOR_HEADER, cursor)], Answer(page)).into_response())
}

/// The numbers of the task engine: counts by state and priority, queue depth, throughput, latency
/// percentiles, per agent and capability.
#[utoipa::path(
    get,
    path = "/api/v1/orchestration/stats",
    tag = "tasks",
    responses(
        (status = 200, description = "The numbers", body = EngineStatsResponse),
        (status = 503, description = "The task engine did not answer"),
    )
)]
async fn stats(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<Answer<EngineStatsResponse>, Problem> {
    state.ask(PART, &state.tasks, EngineStats {}, &caller).await.map(Answer)
}

/// The routes of tasks.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(submit, list))
        .routes(routes!(show, cancel))
        .routes(routes!(submit_sample))
        .routes(routes!(stats))
}
