//! Registering agents at run time.

use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use synod_agents::{AddAgent, AgentCard, AgentKind, AgentView, HostError, RegisterError};
use synod_integrations::http::Endpoint;

use super::AGENTS;
use crate::api::ApiState;
use crate::api::correlation::Caller;
use crate::api::json::Json;
use crate::api::problem::{FieldError, Problem, ProblemType};

const HOST: &str = "host of agents";

/// Registers an agent at run time; it comes back after a restart of the node. Agents of kind `http`
/// are called at their endpoint; those of kind `websocket` connect to the node themselves. Agents
/// whose code runs on this machine come from code or configuration alone.
#[utoipa::path(
    post,
    path = "/api/v1/agents",
    tag = "agents",
    request_body = AgentCard,
    responses(
        (
            status = 201,
            description = "Registered",
            body = AgentView,
            headers(("Location" = String, description = "The agent")),
        ),
        (status = 400, description = "The body is not JSON"),
        (status = 409, description = "There is another agent of this id and version"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is not `application/json`"),
        (status = 422, description = "The card is not valid, or its kind can't be registered here"),
        (status = 503, description = "The host does not answer, or the journal does not accept"),
    )
)]
pub(super) async fn register(
    State(state): State<ApiState>,
    caller: Caller,
    Json(card): Json<AgentCard>,
) -> Result<Response, Problem> {
    check_kind(&card)?;
    let added = state.ask(HOST, &state.host, AddAgent { card }, &caller).await?;
    let entry = added.map_err(not_added)?;
    let location = format!("{AGENTS}/{}", entry.key());
    Ok((StatusCode::CREATED, [(LOCATION, location)], Answer(entry.view())).into_response())
}

fn check_kind(card: &AgentCard) -> Result<(), Problem> {
    match card.kind {
        AgentKind::Websocket => Ok(()),
        AgentKind::Http => {
            let endpoint = card.endpoint.as_deref().unwrap_or_default().parse::<Endpoint>();
            endpoint.map(drop).map_err(|why| Problem::invalid("endpoint", why.expected, why.got))
        }
        kind => Err(Problem::invalid("kind", "`http` or `websocket`", format!("`{kind}`")).next(
            "an agent whose code runs on this machine would let a request run code here: it comes \
             from code or from the node's configuration alone",
        )),
    }
}

pub(in crate::api) fn not_added(why: HostError) -> Problem {
    let detail = why.to_string();
    match why {
        HostError::Exists(_) => Problem::new(ProblemType::Conflict, detail)
            .field("version")
            .next("use another id or version, or retire the other agent first"),
        HostError::Kind { kind, reason } => Problem::invalid(
            "kind",
            "a card that an agent can be made from",
            format!("`{kind}`: {reason}"),
        ),
        HostError::Register(RegisterError::Invalid(faults)) => {
            let first = faults.first().cloned();
            let problem = first.map_or_else(
                || Problem::new(ProblemType::InvalidField, &*detail),
                |fault| Problem::invalid(fault.field, fault.expected, fault.got),
            );
            problem.errors(faults.into_iter().map(|fault| FieldError {
                field: fault.field,
                expected: fault.expected,
                got: Some(fault.got),
                at: None,
            }))
        }
        HostError::Register(RegisterError::Full(_)) => {
            Problem::new(ProblemType::Unavailable, detail)
                .next("retire agents that are not needed, or raise agents.max_agents")
        }
        HostError::Register(RegisterError::NotDurable(_)) | HostError::Unavailable(_) => {
            Problem::new(ProblemType::Unavailable, detail)
                .retry_after(Duration::from_secs(1))
                .next("GET /readyz says what is wrong")
        }
    }
}
