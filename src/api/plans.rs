//! `/api/v1/plans`: workflows in the form that planners of agents write, and their outcome in the
//! same form (camelCase, milliseconds).

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use synod_workflows::definition::PlanForm;
use synod_workflows::{
    GetRun, RunError, RunId, RunOptions, RunSource, RunState, RunStatusResponse, StartRun,
    StepState,
};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ApiState;
use super::correlation::Caller;
use super::json::Json;
use super::problem::{Problem, ProblemType};
use super::request::{KeyHeader, Query, WaitQuery};
use super::workflows::{PART, RunPath, location, no_run, refusal, start, wait_for};

const PLANS: &str = "/api/v1/plans";

/// What came of a plan.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PlanOutcome {
    /// The run that carries it out.
    #[schema(value_type = String, format = "uuid")]
    id: RunId,
    /// How it stands.
    state: RunState,
    /// Whether it did all it should; absent while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    success: Option<bool>,
    /// Milliseconds from its start to its end; absent while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<u64>,
    /// What its steps gave, by their ids.
    results: BTreeMap<String, Value>,
    /// What went wrong.
    errors: Vec<PlanError>,
}

/// A failure of a plan or of a step of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PlanError {
    /// The step, if it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    /// What kind of failure it is, of the published list.
    kind: String,
    /// One sentence for people.
    message: String,
}

impl PlanOutcome {
    fn of(run: RunStatusResponse) -> Self {
        let RunStatusResponse { summary, steps, fallback, outputs, error, .. } = run;
        let ended =
            matches!(summary.state, RunState::Completed | RunState::Failed | RunState::Cancelled);
        let took = summary.ended_at.map(|end| {
            let began = summary.started_at.unwrap_or(summary.accepted_at);
            Duration::try_from(end.duration_since(began)).unwrap_or_default().as_millis() as u64
        });
        let mut errors: Vec<_> =
            error.map(|error| PlanError::of(None, error)).into_iter().collect();
        let mut results = BTreeMap::new();
        for step in steps.into_iter().chain(fallback) {
            let failed = step.state == StepState::Failed;
            errors.extend(step.error.filter(|_| failed).map(|e| PlanError::of(Some(&step.id), e)));
            results.extend(step.output.map(|output| (step.id, output)));
        }
        // Under the ids that the plan gave them.
        if let Some(Value::Object(outputs)) = outputs {
            results = outputs.into_iter().collect();
        }
        Self {
            id: summary.run_id,
            state: summary.state,
            success: ended.then_some(summary.state == RunState::Completed),
            duration: took,
            results,
            errors,
        }
    }
}

impl PlanError {
    fn of(step: Option<&str>, error: RunError) -> Self {
        let step = step.map(str::to_owned).or(error.step);
        Self { step, kind: error.kind, message: error.message }
    }
}

/// Carries out a plan: answers when it has ended, with `wait`; else at once, with its id.
#[utoipa::path(
    post,
    path = "/api/v1/plans",
    tag = "workflows",
    params(
        WaitQuery,
        (
            "Idempotency-Key" = Option<String>,
            Header,
            description = "Makes it safe to repeat: one plan with one key is one run",
        ),
    ),
    request_body = PlanForm,
    responses(
        (status = 200, description = "What came of it", body = PlanOutcome),
        (
            status = 202,
            description = "It is accepted and durable, and has not ended yet",
            body = PlanOutcome,
            headers(("Location" = String, description = "Where its outcome will be")),
        ),
        (status = 400, description = "The body is not JSON"),
        (status = 408, description = "The body came too slowly"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is not `application/json`"),
        (status = 422, description = "The plan has faults, each in `errors`; or a field is wrong"),
        (status = 429, description = "As many runs are open as allowed; see `Retry-After`"),
        (status = 503, description = "The journal does not accept, or the node drains"),
    )
)]
async fn carry_out(
    State(state): State<ApiState>,
    caller: Caller,
    Query(wait): Query<WaitQuery>,
    key: KeyHeader,
    Json(plan): Json<PlanForm>,
) -> Result<Response, Problem> {
    let wait = wait.within(&state)?;
    let idempotency_key = key.or(None)?;
    let definition = plan.definition().map_err(|faults| {
        refusal::faulty("the plan has faults".to_owned(), faults.into_iter().map(refusal::placed))
    })?;
    let text = serde_json::to_string(&definition)
        .map_err(|why| Problem::new(ProblemType::Internal, why.to_string()))?;
    let question = StartRun {
        source: RunSource::Text(text),
        input: Value::Null,
        options: RunOptions { idempotency_key, ..RunOptions::default() },
        principal: caller.principal.clone(),
    };
    let accepted = start::ask(&state, &caller, question).await?;
    outcome(&state, &caller, accepted.run_id, wait).await
}

/// What came of a plan, or how it stands.
#[utoipa::path(
    get,
    path = "/api/v1/plans/{run_id}",
    tag = "workflows",
    params(("run_id" = String, Path, description = "The id of its run"), WaitQuery),
    responses(
        (status = 200, description = "What came of it", body = PlanOutcome),
        (status = 202, description = "It has not ended yet", body = PlanOutcome),
        (status = 404, description = "Unknown, or ended so long ago that it is forgotten"),
        (status = 422, description = "A parameter is not valid"),
        (status = 503, description = "The workflow engine did not answer"),
    )
)]
async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    RunPath(id): RunPath,
    Query(wait): Query<WaitQuery>,
) -> Result<Response, Problem> {
    let wait = wait.within(&state)?;
    outcome(&state, &caller, id, wait).await
}

async fn outcome(
    state: &ApiState,
    caller: &Caller,
    id: RunId,
    wait: Option<Duration>,
) -> Result<Response, Problem> {
    let ended = match wait {
        Some(within) => wait_for(state, caller, id, within).await?,
        None => None,
    };
    let run = match ended {
        Some(run) => run,
        None => {
            let run = state.ask(PART, &state.workflows, GetRun { id }, caller).await?;
            run.ok_or_else(|| no_run(id))?
        }
    };
    let outcome = PlanOutcome::of(run);
    let status = if outcome.success.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, location(format!("{PLANS}/{id}")), Answer(outcome)).into_response())
}

/// The routes of plans.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(carry_out)).routes(routes!(show))
}
