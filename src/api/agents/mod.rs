//! `/api/v1/agents`: who does the work; registered, found, watched, paused and retired.
//!
//! In a path an agent is named by its id, which means all its versions, or by `id@version`.

mod list;
mod one;
mod register;

use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use semver::Version;
use serde::Serialize;
use synod_agents::{AgentEntry, AgentId, AgentSelector, AgentView, UnknownAgent};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ApiState;
use super::problem::Problem;
use super::request::Segment;

pub(super) use register::not_added;

pub(super) const REGISTRY: &str = "registry of agents";
const AGENTS: &str = "/api/v1/agents";

/// An agent in a path: `id` or `id@version`.
struct Agents(AgentSelector);

impl<S: Send + Sync> FromRequestParts<S> for Agents {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Segment(text) = Segment::from_request_parts(parts, state).await?;
        // What can't be a name names nothing.
        selector(&text).map(Self).ok_or_else(|| no_agent(&text))
    }
}

/// What `id` or `id@version` names.
pub(super) fn selector(text: &str) -> Option<AgentSelector> {
    let (id, version) = match text.split_once('@') {
        Some((id, version)) => (id, Some(version)),
        None => (text, None),
    };
    let version = version.map(Version::from_str).transpose().ok()?;
    Some(AgentSelector { id: AgentId::new(id).ok()?, version })
}

fn no_agent(name: &str) -> Problem {
    let next = "GET /api/v1/agents lists them; name one as `id` or `id@version`";
    Problem::not_found("agent", name, next)
}

fn unknown(UnknownAgent { id, version }: UnknownAgent) -> Problem {
    match version {
        Some(version) => no_agent(&format!("{id}@{version}")),
        None => no_agent(&id),
    }
}

/// Agents, and where the next page begins.
#[derive(Debug, Serialize, ToSchema)]
struct AgentList {
    /// The agents, in order of id and version.
    agents: Vec<AgentView>,
    /// Cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl AgentList {
    fn of(entries: &[AgentEntry], next: Option<String>) -> Self {
        Self { agents: entries.iter().map(AgentEntry::view).collect(), next }
    }
}

/// The routes of agents.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(register::register, list::list))
        .routes(routes!(one::show, one::set_status, one::retire))
        .routes(routes!(one::health))
        .routes(routes!(one::heartbeat))
}
