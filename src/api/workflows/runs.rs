//! Looking at runs: the list, one of them, its history.

use axum::Json as Answer;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use synod_runtime::Priority;
use synod_workflows::{
    GetRun, HistoryPage, ListRuns, RunFilter, RunHistory, RunPage, RunState, RunStatusResponse,
};
use utoipa::IntoParams;

use super::{PART, RunPath, no_run, wait_for};
use crate::api::ApiState;
use crate::api::correlation::Caller;
use crate::api::json::quoted;
use crate::api::problem::Problem;
use crate::api::request::{Query, WaitQuery};
use crate::api::stream::CURSOR_HEADER;

/// Runs on a page, unless the request says otherwise, and at most.
const PAGE: usize = 50;
const MAX_PAGE: usize = 1_000;
/// The same of events.
const EVENTS: usize = 1_000;
const MAX_EVENTS: usize = 10_000;

/// Which runs.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only those in this state.
    state: Option<RunState>,
    /// Only those of the definition of this name.
    workflow: Option<String>,
    /// Only those of this priority, by name.
    #[param(value_type = Option<String>)]
    priority: Option<Priority>,
    /// Only those with this label, written `key=value`.
    label: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Most runs on the page, 1 to 1,000; default 50.
    limit: Option<usize>,
}

/// A number of things on a page.
pub(in crate::api) fn within(
    limit: Option<usize>,
    usual: usize,
    most: usize,
) -> Result<usize, Problem> {
    let limit = limit.unwrap_or(usual);
    if (1..=most).contains(&limit) {
        return Ok(limit);
    }
    Err(Problem::invalid("limit", format!("1 to {most}"), limit.to_string()))
}

/// The cursor is not one of ours.
pub(in crate::api) fn wrong_cursor(of: &str, given: &str) -> Problem {
    Problem::invalid("cursor", format!("`next` of a page of {of}"), quoted(given))
        .next("leave it out to begin with the first page")
}

impl ListQuery {
    fn question(self) -> Result<ListRuns, Problem> {
        let limit = within(self.limit, PAGE, MAX_PAGE)?;
        let label = match self.label.as_deref().map(|label| label.split_once('=')) {
            Some(None) => {
                return Err(Problem::invalid("label", "key=value", self.label.unwrap_or_default()));
            }
            Some(Some((key, value))) => Some((key.to_owned(), value.to_owned())),
            None => None,
        };
        let filter =
            RunFilter { state: self.state, name: self.workflow, label, priority: self.priority };
        Ok(ListRuns { filter, cursor: self.cursor, limit })
    }
}

/// Lists runs, the newest first. The header `Synod-Stream-Cursor` says from where to read the
/// stream so as to miss no change after this list.
#[utoipa::path(
    get,
    path = "/api/v1/workflows",
    tag = "workflows",
    params(ListQuery),
    responses(
        (status = 200, description = "A page of runs", body = RunPage),
        (status = 422, description = "A parameter or the cursor is not valid"),
        (status = 503, description = "The workflow engine did not answer"),
    )
)]
pub(super) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    let question = query.question()?;
    // Taken before the list is made: better a change told twice than never.
    let cursor = state.hub.now().to_string();
    let given = question.cursor.clone().unwrap_or_default();
    let page = state.ask(PART, &state.workflows, question, &caller).await?;
    let page = page.map_err(|_| wrong_cursor("runs", &given))?;
    Ok(([(CURSOR_HEADER, cursor)], Answer(page)).into_response())
}

/// How a run stands, step by step, and what came of it.
#[utoipa::path(
    get,
    path = "/api/v1/workflows/{run_id}",
    tag = "workflows",
    params(("run_id" = String, Path, description = "The run"), WaitQuery),
    responses(
        (status = 200, description = "The run", body = RunStatusResponse),
        (status = 404, description = "Unknown, or ended so long ago that it is forgotten"),
        (status = 422, description = "A parameter is not valid"),
        (status = 503, description = "The workflow engine did not answer"),
    )
)]
pub(super) async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    RunPath(id): RunPath,
    Query(wait): Query<WaitQuery>,
) -> Result<Answer<RunStatusResponse>, Problem> {
    if let Some(within) = wait.within(&state)?
        && let Some(run) = wait_for(&state, &caller, id, within).await?
    {
        return Ok(Answer(run));
    }
    let run = state.ask(PART, &state.workflows, GetRun { id }, &caller).await?;
    run.map(Answer).ok_or_else(|| no_run(id))
}

/// Which part of a history.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryQuery {
    /// The number of the last event that is known; default 0.
    after: Option<u64>,
    /// Most events on the page, 1 to 10,000; default 1,000.
    limit: Option<usize>,
}

/// What happened in a run, the oldest first.
#[utoipa::path(
    get,
    path = "/api/v1/workflows/{run_id}/history",
    tag = "workflows",
    params(("run_id" = String, Path, description = "The run"), HistoryQuery),
    responses(
        (status = 200, description = "A page of its events", body = HistoryPage),
        (status = 404, description = "Unknown, or forgotten"),
        (status = 422, description = "A parameter is not valid"),
        (status = 503, description = "The workflow engine did not answer"),
    )
)]
pub(super) async fn history(
    State(state): State<ApiState>,
    caller: Caller,
    RunPath(id): RunPath,
    Query(query): Query<HistoryQuery>,
) -> Result<Answer<HistoryPage>, Problem> {
    let limit = within(query.limit, EVENTS, MAX_EVENTS)?;
    let question = RunHistory { id, after: query.after.unwrap_or(0), limit };
    let page = state.ask(PART, &state.workflows, question, &caller).await?;
    page.map(Answer).ok_or_else(|| no_run(id))
}
