//! One agent, in all its versions or one: show, health, status, heartbeat, retire.

use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use futures::future::join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use synod_agents::{
    AgentEntry, AgentHealth, AgentKey, AgentSelector, AgentStatus, CheckHealth, Heartbeat,
    RetireAgent, RetireError, SetAgentStatus, SetStatusError, ShowAgent,
};
use utoipa::ToSchema;

use super::{AgentList, Agents, REGISTRY, unknown};
use crate::api::ApiState;
use crate::api::correlation::Caller;
use crate::api::json::Json;
use crate::api::problem::{Problem, ProblemType};

/// What is known of an agent, each version of it.
#[utoipa::path(
    get,
    path = "/api/v1/agents/{agent}",
    tag = "agents",
    params(("agent" = String, Path, description = "`id`, or `id@version`")),
    responses(
        (status = 200, description = "The agent", body = AgentList),
        (status = 404, description = "There is none"),
        (status = 503, description = "The registry did not answer"),
    )
)]
pub(super) async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    Agents(agents): Agents,
) -> Result<Answer<AgentList>, Problem> {
    let entries = entries(&state, &caller, agents).await?;
    Ok(Answer(AgentList::of(&entries, None)))
}

async fn entries(
    state: &ApiState,
    caller: &Caller,
    agents: AgentSelector,
) -> Result<Vec<AgentEntry>, Problem> {
    let shown = state.ask(REGISTRY, &state.registry, ShowAgent { agents }, caller).await?;
    shown.map_err(unknown)
}

/// How each version of an agent is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HealthList {
    /// One for each version.
    agents: Vec<HealthOfOne>,
}

/// How one version of an agent is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HealthOfOne {
    /// `id@version`.
    agent: String,
    /// When it was last heard of (UTC).
    #[schema(value_type = String, format = DateTime)]
    last_heartbeat: Timestamp,
    /// What its actor says; absent when it does not answer.
    health: Option<AgentHealth>,
    /// Why there is no health.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// How an agent is and what it has in hand.
#[utoipa::path(
    get,
    path = "/api/v1/agents/{agent}/health",
    tag = "agents",
    params(("agent" = String, Path, description = "`id`, or `id@version`")),
    responses(
        (status = 200, description = "Its health, each version of it", body = HealthList),
        (status = 404, description = "There is none"),
        (status = 503, description = "The registry did not answer"),
    )
)]
pub(super) async fn health(
    State(state): State<ApiState>,
    caller: Caller,
    Agents(agents): Agents,
) -> Result<Answer<HealthList>, Problem> {
    let entries = entries(&state, &caller, agents).await?;
    let within = state.config.ask_timeout();
    let each = entries.iter().map(async |entry| {
        let answer = entry.address.ask_with(CheckHealth, within, caller.options()).await;
        HealthOfOne {
            agent: entry.key().to_string(),
            last_heartbeat: entry.last_heartbeat,
            error: answer.as_ref().err().map(ToString::to_string),
            health: answer.ok(),
        }
    });
    Ok(Answer(HealthList { agents: join_all(each).await }))
}

/// How an agent is to stand.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StatusRequest {
    /// `active`, `draining` or `paused`.
    status: AgentStatus,
}

/// Gives an agent work, or no more.
#[utoipa::path(
    patch,
    path = "/api/v1/agents/{agent}",
    tag = "agents",
    params(("agent" = String, Path, description = "`id`, or `id@version`")),
    request_body = StatusRequest,
    responses(
        (status = 200, description = "How it stands now", body = AgentList),
        (status = 404, description = "There is none"),
        (status = 422, description = "Not a status that can be set"),
        (status = 503, description = "The registry did not answer"),
    )
)]
pub(super) async fn set_status(
    State(state): State<ApiState>,
    caller: Caller,
    Agents(agents): Agents,
    Json(StatusRequest { status }): Json<StatusRequest>,
) -> Result<Answer<AgentList>, Problem> {
    let question = SetAgentStatus { agents, status };
    let set = state.ask(REGISTRY, &state.registry, question, &caller).await?;
    let entries = set.map_err(|why| match why {
        SetStatusError::Unknown(which) => unknown(which),
        SetStatusError::NotSettable => {
            Problem::invalid("status", "`active`, `draining` or `paused`", format!("`{status}`"))
        }
    })?;
    Ok(Answer(AgentList::of(&entries, None)))
}

/// A sign of life on behalf of an agent.
#[utoipa::path(
    post,
    path = "/api/v1/agents/{agent}/heartbeat",
    tag = "agents",
    params(("agent" = String, Path, description = "`id`, or `id@version`")),
    responses(
        (status = 204, description = "Heard"),
        (status = 404, description = "There is none: register again"),
        (status = 503, description = "The registry did not answer"),
    )
)]
pub(super) async fn heartbeat(
    State(state): State<ApiState>,
    caller: Caller,
    Agents(agents): Agents,
) -> Result<StatusCode, Problem> {
    let heard = state.ask(REGISTRY, &state.registry, Heartbeat { agents }, &caller).await?;
    heard.map(|()| StatusCode::NO_CONTENT).map_err(unknown)
}

/// Agents that were retired.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Retired {
    /// Each as `id@version`.
    retired: Vec<String>,
}

/// Retires an agent: it is forgotten at once, and stops when its work has ended.
#[utoipa::path(
    delete,
    path = "/api/v1/agents/{agent}",
    tag = "agents",
    params(("agent" = String, Path, description = "`id`, or `id@version`")),
    responses(
        (status = 200, description = "Retired", body = Retired),
        (status = 404, description = "There is none"),
        (status = 409, description = "Code or configuration brings it: pause or drain it instead"),
        (status = 503, description = "The registry did not answer, or the journal does not accept"),
    )
)]
pub(super) async fn retire(
    State(state): State<ApiState>,
    caller: Caller,
    Agents(agents): Agents,
) -> Result<Answer<Retired>, Problem> {
    let reason = "retired by an operator".to_owned();
    let question = RetireAgent { agents, reason, only_removable: true };
    let retired = state.ask(REGISTRY, &state.registry, question, &caller).await?;
    let keys = retired.map_err(|why| match why {
        RetireError::Unknown(which) => unknown(which),
        RetireError::NotRemovable { .. } => Problem::new(ProblemType::Conflict, why.to_string())
            .next("pause or drain it instead: PATCH it with {\"status\": \"paused\"}"),
        RetireError::NotDurable(_) => Problem::new(ProblemType::Unavailable, why.to_string())
            .retry_after(Duration::from_secs(1))
            .next("GET /readyz says what is wrong"),
    })?;
    Ok(Answer(Retired { retired: keys.iter().map(AgentKey::to_string).collect() }))
}
