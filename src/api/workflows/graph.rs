//! Pictures over HTTP, of runs and of definitions.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use synod_workflows::GetRun;
use synod_workflows::picture::{Picture, gantt};
use utoipa::{IntoParams, ToSchema};

use super::{PART, RunPath, no_run};
use crate::api::ApiState;
use crate::api::correlation::Caller;
use crate::api::problem::Problem;
use crate::api::request::Query;

/// The forms of a picture.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Form {
    /// A picture for browsers.
    #[default]
    Svg,
    /// The language of Graphviz.
    Dot,
    /// A flowchart of Mermaid.
    Mermaid,
    /// Who was at work when, as SVG; of runs.
    Gantt,
}

/// Which form.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct GraphQuery {
    /// `svg` (the default), `dot`, `mermaid`, or of a run `gantt`.
    #[serde(default)]
    #[param(inline)]
    pub format: Form,
}

/// A picture with its media type.
pub(super) fn drawn(picture: &Picture, form: Form) -> Response {
    match form {
        Form::Svg | Form::Gantt => svg(picture.svg()),
        Form::Dot => text("text/vnd.graphviz; charset=utf-8", picture.dot()),
        Form::Mermaid => text("text/vnd.mermaid; charset=utf-8", picture.mermaid()),
    }
}

fn svg(picture: String) -> Response {
    text("image/svg+xml", picture)
}

fn text(kind: &'static str, text: String) -> Response {
    ([(CONTENT_TYPE, kind)], text).into_response()
}

/// The steps of a run with their states and times, as a picture.
#[utoipa::path(
    get,
    path = "/api/v1/workflows/{run_id}/graph",
    tag = "workflows",
    params(("run_id" = String, Path, description = "The run"), GraphQuery),
    responses(
        (status = 200, description = "The picture", content_type = "image/svg+xml", body = String),
        (status = 404, description = "Unknown, or forgotten"),
        (status = 422, description = "A parameter is not valid"),
        (status = 503, description = "The workflow engine did not answer"),
    )
)]
pub(super) async fn run(
    State(state): State<ApiState>,
    caller: Caller,
    RunPath(id): RunPath,
    Query(query): Query<GraphQuery>,
) -> Result<Response, Problem> {
    let run = state.ask(PART, &state.workflows, GetRun { id }, &caller).await?;
    let run = run.ok_or_else(|| no_run(id))?;
    let now = state.system.clock().utc();
    Ok(match query.format {
        Form::Gantt => svg(gantt(&run, now)),
        form => drawn(&Picture::of_run(&run, now), form),
    })
}
