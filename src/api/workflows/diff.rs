//! Two runs beside each other.

use axum::Json as Answer;
use axum::extract::{FromRequestParts, RawPathParams, State};
use axum::http::request::Parts;
use synod_workflows::{DiffRuns, RunDiff, RunId, UnknownRun};

use super::{PART, no_run, run_of};
use crate::api::ApiState;
use crate::api::correlation::Caller;
use crate::api::problem::Problem;

/// The ids of two runs in the path.
#[derive(Debug, Clone, Copy)]
pub(super) struct BothRuns(RunId, RunId);

impl<S: Send + Sync> FromRequestParts<S> for BothRuns {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|why| Problem::invalid("(path)", "percent-encoded UTF-8", why.body_text()))?;
        let run = |name: &'static str| {
            let given = params.iter().find(|(known, _)| *known == name);
            run_of(name, given.map_or("", |(_, text)| text))
        };
        Ok(Self(run("run_id")?, run("other")?))
    }
}

/// Where two runs went apart: what differs first, and how each step compares. Ids and times don't
/// count; steps are compared by id, visit and item, whatever the order in which they ended.
#[utoipa::path(
    get,
    path = "/api/v1/workflows/{run_id}/diff/{other}",
    tag = "workflows",
    params(
        ("run_id" = String, Path, description = "Run A"),
        ("other" = String, Path, description = "Run B"),
    ),
    responses(
        (status = 200, description = "How they compare", body = RunDiff),
        (status = 404, description = "One of them is unknown, or forgotten"),
        (status = 503, description = "The workflow engine did not answer"),
    )
)]
pub(super) async fn diff(
    State(state): State<ApiState>,
    caller: Caller,
    BothRuns(a, b): BothRuns,
) -> Result<Answer<RunDiff>, Problem> {
    let found = state.ask(PART, &state.workflows, DiffRuns { a, b }, &caller).await?;
    found.map(Answer).map_err(|UnknownRun(id)| no_run(id))
}
