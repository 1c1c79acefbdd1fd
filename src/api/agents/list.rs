//! Listing and finding agents.

use axum::Json as Answer;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use semver::Version;
use serde::Deserialize;
use synod_agents::{AgentKind, AgentStatus, FindAgents, ListAgents};
use utoipa::IntoParams;

use super::{AgentList, REGISTRY};
use crate::api::ApiState;
use crate::api::correlation::Caller;
use crate::api::json::quoted;
use crate::api::problem::Problem;
use crate::api::request::Query;
use crate::api::stream::CURSOR_HEADER;

/// Agents on a page, unless the request says otherwise, and at most.
const PAGE: usize = 50;
const MAX_PAGE: usize = 1_000;

/// Which agents.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only those with this capability.
    capability: Option<String>,
    /// Only those of at least this version; needs `capability`.
    #[param(value_type = Option<String>)]
    min_version: Option<Version>,
    /// Only those of this kind.
    kind: Option<AgentKind>,
    /// Only those that stand so.
    status: Option<AgentStatus>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Most agents on the page, 1 to 1,000; default 50.
    limit: Option<usize>,
}

/// Lists agents, or finds those with a capability and a lowest version. The header
/// `Synod-Stream-Cursor` says from where to read the stream so as to miss no change.
#[utoipa::path(
    get,
    path = "/api/v1/agents",
    tag = "agents",
    params(ListQuery),
    responses(
        (status = 200, description = "A page of agents", body = AgentList),
        (status = 422, description = "A parameter or the cursor is not valid"),
        (status = 503, description = "The registry did not answer"),
    )
)]
pub(super) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    let limit = query.limit.unwrap_or(PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Problem::invalid("limit", format!("1 to {MAX_PAGE}"), limit.to_string()));
    }
    let cursor = state.hub.now().to_string();
    let found = match query.min_version {
        Some(_) => find(&state, &caller, query, limit).await?,
        None => page(&state, &caller, query, limit).await?,
    };
    Ok(([(CURSOR_HEADER, cursor)], Answer(found)).into_response())
}

async fn page(
    state: &ApiState,
    caller: &Caller,
    query: ListQuery,
    limit: usize,
) -> Result<AgentList, Problem> {
    let ListQuery { capability, kind, status, cursor, .. } = query;
    let given = cursor.clone().unwrap_or_default();
    let question = ListAgents { capability, kind, status, cursor, limit };
    let page = state.ask(REGISTRY, &state.registry, question, caller).await?.map_err(|why| {
        Problem::invalid("cursor", "`next` of a page of agents", quoted(&given))
            .next(format!("{why}; leave it out to begin with the first page"))
    })?;
    Ok(AgentList::of(&page.entries, page.next))
}

async fn find(
    state: &ApiState,
    caller: &Caller,
    query: ListQuery,
    limit: usize,
) -> Result<AgentList, Problem> {
    let ListQuery { capability, min_version, kind, status, cursor, .. } = query;
    let Some(capability) = capability else {
        let expected = "a capability, whose agents are compared by version";
        return Err(Problem::invalid("capability", expected, "none"));
    };
    if kind.is_some() || status.is_some() || cursor.is_some() {
        let expected = "to be left out together with kind, status or cursor";
        return Err(Problem::invalid("min_version", expected, "both"));
    }
    let question = FindAgents { capability, min_version, limit };
    let found = state.ask(REGISTRY, &state.registry, question, caller).await?;
    Ok(AgentList::of(&found, None))
}
