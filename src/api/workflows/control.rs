//! Steering runs: cancel, pause, resume, retry, fork, checkpoint, rollback, amend.

use std::collections::BTreeMap;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::Response;
use semver::VersionReq;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use synod_runtime::{Ask, Request};
use synod_workflows::{
    AmendRun, CancelRun, CheckpointRun, ControlError, ForkRun, PauseRun, ResumeRun, RetryRun,
    RollbackRun, RunAccepted, RunId, RunOptions, RunStatusResponse, WorkflowsMessage,
};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::source::{inline, source};
use super::{PART, RunPath, refusal, start};
use crate::api::ApiState;
use crate::api::correlation::Caller;
use crate::api::json::{Json, MaybeJson};
use crate::api::problem::Problem;
use crate::api::request::{Query, WaitQuery};

/// Asks for a change of a run, and answers how it stands then.
async fn change<Q>(
    state: &ApiState,
    caller: &Caller,
    id: RunId,
    question: Q,
) -> Result<Answer<RunStatusResponse>, Problem>
where
    Q: Ask<Reply = Result<RunStatusResponse, ControlError>>,
    WorkflowsMessage: From<Request<Q>>,
{
    let outcome = state.ask(PART, &state.workflows, question, caller).await?;
    outcome.map(Answer).map_err(|why| refusal::control(id, why))
}

/// How a run is ended.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct CancelRequest {
    /// Whether what it did is undone, by the steps' `compensate_with`.
    compensate: bool,
    /// Why, for people.
    reason: Option<String>,
}

/// Ends a run. What its agents still give is recorded and ignored.
#[utoipa::path(
    post,
    path = "/api/v1/workflows/{run_id}/cancel",
    tag = "workflows",
    params(("run_id" = String, Path, description = "The run")),
    request_body = Option<CancelRequest>,
    responses(
        (status = 200, description = "How it stands", body = RunStatusResponse),
        (status = 400, description = "The body is not JSON"),
        (status = 404, description = "Unknown"),
        (status = 409, description = "It has ended"),
        (status = 415, description = "The body is not `application/json`"),
        (status = 422, description = "A field is not valid"),
        (status = 503, description = "The journal does not accept"),
    )
)]
async fn cancel(
    State(state): State<ApiState>,
    caller: Caller,
    RunPath(id): RunPath,
    MaybeJson(request): MaybeJson<CancelRequest>,
) -> Result<Answer<RunStatusResponse>, Problem> {
    let CancelRequest { compensate, reason } = request.unwrap_or_default();
    let principal = caller.principal.clone();
    change(&state, &caller, id, CancelRun { id, compensate, reason, principal }).await
}

/// Begins no further step of a run; what runs may end, timers wait.
#[utoipa::path(
    post,
    path = "/api/v1/workflows/{run_id}/pause",
    tag = "workflows",
    params(("run_id" = String, Path, description = "The run")),
    responses(
        (status = 200, description = "How it stands", body = RunStatusResponse),
        (status = 404, description = "Unknown"),
        (status = 409, description = "It has ended, or is paused"),
        (status = 503, description = "The journal does not accept"),
    )
)]
async fn pause(
    State(state): State<ApiState>,
    caller: Caller,
    RunPath(id): RunPath,
) -> Result<Answer<RunStatusResponse>, Problem> {
    let principal = caller.principal.clone();
    change(&state, &caller, id, PauseRun { id, principal }).await
}

/// Goes on with a paused run.
#[utoipa::path(
    post,
    path = "/api/v1/workflows/{run_id}/resume",
    tag = "workflows",
    params(("run_id" = String, Path, description = "The run")),
    responses(
        (status = 200, description = "How it stands", body = RunStatusResponse),
        (status = 404, description = "Unknown"),
        (status = 409, description = "It has ended, or is not paused"),
        (status = 503, description = "The journal does not accept"),
    )
)]
async fn resume(
    State(state): State<ApiState>,
    caller: Caller,
    RunPath(id): RunPath,
) -> Result<Answer<RunStatusResponse>, Problem> {
    let principal = caller.principal.clone();
    change(&state, &caller, id, ResumeRun { id, principal }).await
}

/// Starts a new run, linked to one that failed or was cancelled, from its failed steps.
#[utoipa::path(
    post,
    path = "/api/v1/workflows/{run_id}/retry",
    tag = "workflows",
    params(("run_id" = String, Path, description = "The run that failed"), WaitQuery),
    responses(
        (status = 201, description = "The new run is accepted", body = RunAccepted),
        (status = 404, description = "Unknown"),
        (status = 409, description = "It has not failed and was not cancelled"),
        (status = 422, description = "A parameter is not valid"),
        (status = 429, description = "As many runs are open as allowed"),
        (status = 503, description = "The journal does not accept, or the node drains"),
    )
)]
async fn retry(
    State(state): State<ApiState>,
    caller: Caller,
    RunPath(id): RunPath,
    Query(wait): Query<WaitQuery>,
) -> Result<Response, Problem> {
    let wait = wait.within(&state)?;
    let question = RetryRun { id, principal: caller.principal.clone() };
    let outcome = state.ask(PART, &state.workflows, question, &caller).await?;
    start::answer(&state, &caller, outcome.map_err(refusal::start)?, wait).await
}

/// What is other in the new run.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct ForkRequest {
    /// The number of the last event of the old run that holds in the new one; absent: all of them.
    at: Option<u64>,
    /// Another input.
    #[schema(value_type = Option<Value>)]
    input: Option<Value>,
    /// Another definition: an object, or a string of YAML or JSON.
    #[schema(value_type = Option<Value>)]
    definition: Option<Box<RawValue>>,
    /// Another definition, that the node keeps under this name.
    workflow: Option<String>,
    /// Which of its versions.
    #[schema(value_type = Option<String>)]
    version: Option<VersionReq>,
    /// What else is asked for.
    options: RunOptions,
}

/// Starts a new run, linked to this one, from what this one was at a point of its history.
#[utoipa::path(
    post,
    path = "/api/v1/workflows/{run_id}/fork",
    tag = "workflows",
    params(("run_id" = String, Path, description = "The old run"), WaitQuery),
    request_body = Option<ForkRequest>,
    responses(
        (status = 201, description = "The new run is accepted", body = RunAccepted),
        (status = 400, description = "The body is not JSON"),
        (status = 404, description = "Unknown"),
        (status = 409, description = "It can't be forked as it stands"),
        (status = 415, description = "The body is not `application/json`"),
        (status = 422, description = "A field or the definition is not valid"),
        (status = 429, description = "As many runs are open as allowed"),
        (status = 503, description = "The journal does not accept, or the node drains"),
    )
)]
async fn fork(
    State(state): State<ApiState>,
    caller: Caller,
    RunPath(id): RunPath,
    Query(wait): Query<WaitQuery>,
    MaybeJson(request): MaybeJson<ForkRequest>,
) -> Result<Response, Problem> {
    let wait = wait.within(&state)?;
    let request = request.unwrap_or_default();
    let question = ForkRun {
        id,
        at: request.at,
        input: request.input,
        source: source(request.definition.as_deref(), request.workflow, request.version)?,
        options: request.options,
        principal: caller.principal.clone(),
    };
    let outcome = state.ask(PART, &state.workflows, question, &caller).await?;
    start::answer(&state, &caller, outcome.map_err(refusal::start)?, wait).await
}

/// A name for how a run stands.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CheckpointRequest {
    /// 1 to 63 of `A-Z a-z 0-9 . _ -`; one that the run has not used.
    name: String,
}

/// Remembers how a run stands, under a name.
#[utoipa::path(
    post,
    path = "/api/v1/workflows/{run_id}/checkpoint",
    tag = "workflows",
    params(("run_id" = String, Path, description = "The run")),
    request_body = CheckpointRequest,
    responses(
        (status = 200, description = "How it stands", body = RunStatusResponse),
        (status = 400, description = "The body is not JSON"),
        (status = 404, description = "Unknown"),
        (status = 409, description = "It has ended"),
        (status = 415, description = "The body is not `application/json`"),
        (status = 422, description = "The name is not valid, or is used"),
        (status = 503, description = "The journal does not accept"),
    )
)]
async fn checkpoint(
    State(state): State<ApiState>,
    caller: Caller,
    RunPath(id): RunPath,
    Json(CheckpointRequest { name }): Json<CheckpointRequest>,
) -> Result<Answer<RunStatusResponse>, Problem> {
    let principal = caller.principal.clone();
    change(&state, &caller, id, CheckpointRun { id, name, principal }).await
}

/// Where a run is taken back to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RollbackRequest {
    /// The name of the checkpoint.
    to: String,
    /// Whether what was done since is undone first, by the steps' `compensate_with`.
    #[serde(default)]
    compensate: bool,
    /// Why, for people.
    reason: Option<String>,
}

/// Takes a run back to a checkpoint: steps, results and variables. The history stays.
#[utoipa::path(
    post,
    path = "/api/v1/workflows/{run_id}/rollback",
    tag = "workflows",
    params(("run_id" = String, Path, description = "The run")),
    request_body = RollbackRequest,
    responses(
        (status = 200, description = "How it stands", body = RunStatusResponse),
        (status = 400, description = "The body is not JSON"),
        (status = 404, description = "Unknown"),
        (status = 409, description = "It has ended"),
        (status = 415, description = "The body is not `application/json`"),
        (status = 422, description = "There is no such checkpoint"),
        (status = 503, description = "The journal does not accept"),
    )
)]
async fn rollback(
    State(state): State<ApiState>,
    caller: Caller,
    RunPath(id): RunPath,
    Json(request): Json<RollbackRequest>,
) -> Result<Answer<RunStatusResponse>, Problem> {
    let RollbackRequest { to, compensate, reason } = request;
    let principal = caller.principal.clone();
    change(&state, &caller, id, RollbackRun { id, to, compensate, reason, principal }).await
}

/// What a run is to go on by.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct AmendRequest {
    /// The whole definition as it is to be: an object, or a string of YAML or JSON.
    #[schema(value_type = Option<Value>)]
    definition: Option<Box<RawValue>>,
    /// Variables that get other values.
    #[schema(value_type = BTreeMap<String, Value>)]
    variables: BTreeMap<String, Value>,
    /// Why, for people.
    reason: Option<String>,
}

/// Lets a run go on by another definition, or with other values of variables.
#[utoipa::path(
    post,
    path = "/api/v1/workflows/{run_id}/amend",
    tag = "workflows",
    params(("run_id" = String, Path, description = "The run")),
    request_body = AmendRequest,
    responses(
        (status = 200, description = "How it stands", body = RunStatusResponse),
        (status = 400, description = "The body is not JSON"),
        (status = 404, description = "Unknown"),
        (status = 409, description = "It has ended, or a step that has begun would change"),
        (status = 415, description = "The body is not `application/json`"),
        (status = 422, description = "The definition or a field is not valid"),
        (status = 503, description = "The journal does not accept"),
    )
)]
async fn amend(
    State(state): State<ApiState>,
    caller: Caller,
    RunPath(id): RunPath,
    Json(request): Json<AmendRequest>,
) -> Result<Answer<RunStatusResponse>, Problem> {
    let AmendRequest { definition, variables, reason } = request;
    let text = definition.as_deref().map(inline).transpose()?;
    if text.is_none() && variables.is_empty() {
        let expected = "a definition, or `variables` with other values";
        return Err(Problem::invalid("definition", expected, "neither"));
    }
    let principal = caller.principal.clone();
    change(&state, &caller, id, AmendRun { id, text, variables, reason, principal }).await
}

/// The routes that steer runs.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(cancel))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(retry))
        .routes(routes!(fork))
        .routes(routes!(checkpoint))
        .routes(routes!(rollback))
        .routes(routes!(amend))
}
