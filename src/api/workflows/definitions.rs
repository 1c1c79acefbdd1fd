//! `/api/v1/workflows/definitions`: definitions that the node keeps by name, and checking one.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};
use synod_agents::{AgentEntry, ListAgents};
use synod_workflows::definition::model::Definition;
use synod_workflows::definition::{self, Known};
use synod_workflows::picture::Picture;
use synod_workflows::{
    CheckDefinition, DefineWorkflow, DefinitionReport, DefinitionResponse, DefinitionSummary,
    ForgetDefinition, ListDefinitions, ShowDefinition,
};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::graph::{Form, drawn};
use super::source::DefinitionText;
use super::{PART, location, refusal};
use crate::api::ApiState;
use crate::api::agents::REGISTRY;
use crate::api::correlation::Caller;
use crate::api::problem::{Problem, ProblemType};
use crate::api::request::{Query, Segment};

/// Agents that a definition is compared with, at most.
const AGENTS: usize = 1_000;
const DEFINITIONS: &str = "/api/v1/workflows/definitions";

/// Says what is wrong with a definition, and keeps nothing.
#[utoipa::path(
    post,
    path = "/api/v1/workflows/check",
    tag = "workflows",
    request_body(content((String = "application/yaml"), (Object = "application/json"))),
    responses(
        (status = 200, description = "What there is to say of it", body = DefinitionReport),
        (status = 400, description = "The body broke off"),
        (status = 408, description = "The body came too slowly"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is neither JSON nor YAML"),
        (status = 422, description = "The body is not text"),
        (status = 503, description = "The workflow engine did not answer"),
    )
)]
async fn check(
    State(state): State<ApiState>,
    caller: Caller,
    DefinitionText(text): DefinitionText,
) -> Result<Answer<DefinitionReport>, Problem> {
    let question = CheckDefinition { text: text.clone() };
    let mut report = state.ask(PART, &state.workflows, question, &caller).await?;
    if report.workflow.is_none() {
        return Ok(Answer(report));
    }
    // The engine knows definitions, the registry agents: what there is of both is joined here.
    let known = known(&state, &caller).await?;
    let warnings = tokio::task::spawn_blocking(move || {
        definition::check(&text, &known).warnings().cloned().map(refusal::placed).collect()
    });
    report.warnings = warnings
        .await
        .map_err(|why| Problem::new(ProblemType::Internal, format!("not checked: {why}")))?;
    Ok(Answer(report))
}

/// What there is on the node at the moment; agents only if they are few enough to be named.
async fn known(state: &ApiState, caller: &Caller) -> Result<Known, Problem> {
    let kept = state.ask(PART, &state.workflows, ListDefinitions {}, caller).await?;
    let workflows = kept.into_iter().map(|one| one.workflow.name).collect();
    let question = ListAgents { limit: AGENTS, ..ListAgents::default() };
    let page = state.ask(REGISTRY, &state.registry, question, caller).await?.ok();
    let cards = page.filter(|page| page.next.is_none()).map(|page| page.entries);
    let agents = cards.as_ref().map(|all| all.iter().map(|e| e.card.id.to_string()).collect());
    let names = |entry: &AgentEntry| {
        entry.card.capabilities.iter().map(|one| one.name.to_string()).collect::<Vec<_>>()
    };
    let capabilities = cards.as_ref().map(|all| all.iter().flat_map(names).collect());
    Ok(Known { agents, capabilities, workflows: Some(workflows) })
}

/// Keeps a definition under its name and version. The same version never changes.
#[utoipa::path(
    post,
    path = "/api/v1/workflows/definitions",
    tag = "workflows",
    request_body(content((String = "application/yaml"), (Object = "application/json"))),
    responses(
        (
            status = 201,
            description = "It is kept",
            body = DefinitionSummary,
            headers(("Location" = String, description = "The definition")),
        ),
        (status = 400, description = "The body broke off"),
        (status = 408, description = "The body came too slowly"),
        (status = 409, description = "There is another definition of this name and version"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is neither JSON nor YAML"),
        (status = 422, description = "The definition has faults; each is in `errors`"),
        (status = 429, description = "As many definitions are kept as allowed"),
        (status = 503, description = "The journal does not accept"),
    )
)]
async fn define(
    State(state): State<ApiState>,
    caller: Caller,
    DefinitionText(text): DefinitionText,
) -> Result<Response, Problem> {
    let question = DefineWorkflow { text, principal: caller.principal.clone() };
    let outcome = state.ask(PART, &state.workflows, question, &caller).await?;
    let kept = outcome.map_err(refusal::define)?;
    let at = location(format!("{DEFINITIONS}/{}", kept.workflow.name));
    Ok((StatusCode::CREATED, at, Answer(kept)).into_response())
}

/// The definitions that are kept.
#[derive(Debug, Serialize, ToSchema)]
struct DefinitionList {
    /// By name and version.
    definitions: Vec<DefinitionSummary>,
}

/// Lists the definitions that the node keeps, by name and version.
#[utoipa::path(
    get,
    path = "/api/v1/workflows/definitions",
    tag = "workflows",
    responses(
        (status = 200, description = "The definitions", body = DefinitionList),
        (status = 503, description = "The workflow engine did not answer"),
    )
)]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<Answer<DefinitionList>, Problem> {
    let definitions = state.ask(PART, &state.workflows, ListDefinitions {}, &caller).await?;
    Ok(Answer(DefinitionList { definitions }))
}

/// Which version.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct VersionQuery {
    /// The newest that fits this, such as `1.2` or `>=1.2, <3`; absent: the newest of all.
    #[param(value_type = Option<String>)]
    version: Option<VersionReq>,
}

/// A definition in full.
#[utoipa::path(
    get,
    path = "/api/v1/workflows/definitions/{name}",
    tag = "workflows",
    params(("name" = String, Path, description = "Its name"), VersionQuery),
    responses(
        (status = 200, description = "The definition", body = DefinitionResponse),
        (status = 404, description = "There is none of this name and version"),
        (status = 422, description = "A parameter is not valid"),
        (status = 503, description = "The workflow engine did not answer"),
    )
)]
async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    Segment(name): Segment,
    Query(VersionQuery { version }): Query<VersionQuery>,
) -> Result<Answer<DefinitionResponse>, Problem> {
    one(&state, &caller, name, version).await.map(Answer)
}

async fn one(
    state: &ApiState,
    caller: &Caller,
    name: String,
    version: Option<VersionReq>,
) -> Result<DefinitionResponse, Problem> {
    let question = ShowDefinition { name: name.clone(), version };
    let found = state.ask(PART, &state.workflows, question, caller).await?;
    let next = "GET /api/v1/workflows/definitions lists them";
    found.ok_or_else(|| Problem::not_found("definition", &name, next))
}

/// Which form of the picture, of which version.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PictureQuery {
    /// The newest that fits this; absent: the newest of all.
    #[param(value_type = Option<String>)]
    version: Option<VersionReq>,
    /// `svg` (the default), `dot` or `mermaid`.
    #[serde(default)]
    #[param(inline)]
    format: Form,
}

/// The steps of a definition as a picture.
#[utoipa::path(
    get,
    path = "/api/v1/workflows/definitions/{name}/graph",
    tag = "workflows",
    params(("name" = String, Path, description = "Its name"), PictureQuery),
    responses(
        (status = 200, description = "The picture", content_type = "image/svg+xml", body = String),
        (status = 404, description = "There is none of this name and version"),
        (status = 422, description = "A parameter is not valid"),
        (status = 503, description = "The workflow engine did not answer"),
    )
)]
async fn graph(
    State(state): State<ApiState>,
    caller: Caller,
    Segment(name): Segment,
    Query(query): Query<PictureQuery>,
) -> Result<Response, Problem> {
    if query.format == Form::Gantt {
        let expected = "`svg`, `dot` or `mermaid`: a definition has no times";
        return Err(Problem::invalid("format", expected, "`gantt`"));
    }
    let found = one(&state, &caller, name, query.version).await?;
    let definition: Definition = serde_json::from_value(found.definition)
        .map_err(|why| Problem::new(ProblemType::Internal, why.to_string()))?;
    Ok(drawn(&Picture::of_definition(&definition), query.format))
}

/// Which version is to be forgotten.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExactQuery {
    /// The version.
    #[param(value_type = String)]
    version: Version,
}

/// Keeps a version of a definition no longer. Runs that are pinned to it go on.
#[utoipa::path(
    delete,
    path = "/api/v1/workflows/definitions/{name}",
    tag = "workflows",
    params(("name" = String, Path, description = "Its name"), ExactQuery),
    responses(
        (status = 204, description = "It is forgotten"),
        (status = 404, description = "There is none of this name and version"),
        (status = 422, description = "A parameter is not valid"),
        (status = 503, description = "The journal does not accept"),
    )
)]
async fn forget(
    State(state): State<ApiState>,
    caller: Caller,
    Segment(name): Segment,
    Query(ExactQuery { version }): Query<ExactQuery>,
) -> Result<StatusCode, Problem> {
    let question = ForgetDefinition { name, version, principal: caller.principal.clone() };
    let outcome = state.ask(PART, &state.workflows, question, &caller).await?;
    outcome.map(|()| StatusCode::NO_CONTENT).map_err(refusal::define)
}

/// The routes of definitions.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(check))
        .routes(routes!(define, list))
        .routes(routes!(show, forget))
        .routes(routes!(graph))
}
