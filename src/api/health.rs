//! `GET /healthz` and `GET /readyz`, for whoever starts, restarts and routes to nodes.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ApiState;
use super::correlation::Caller;
use super::problem::{Problem, ProblemType};
use crate::status::CheckNode;

/// The process answers.
#[derive(Debug, Serialize, ToSchema)]
struct Alive {
    /// Always `alive`.
    status: &'static str,
}

/// The node takes work.
#[derive(Debug, Serialize, ToSchema)]
struct Ready {
    /// Always true; a node that is not ready answers 503.
    ready: bool,
}

/// Whether the process is alive. It asks no actor: a node that is busy or not ready is alive.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "node",
    responses((status = 200, description = "The process answers", body = Alive))
)]
async fn alive() -> Json<Alive> {
    Json(Alive { status: "alive" })
}

/// Whether the node takes work now, and if not, why: the journal does not accept, a part does not
/// answer, or the node drains.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "node",
    responses(
        (status = 200, description = "The node takes work", body = Ready),
        (status = 503, description = "It does not, for these reasons"),
    )
)]
async fn ready(State(state): State<ApiState>, caller: Caller) -> Result<Json<Ready>, Problem> {
    let node = state.ask("status actor", &state.status, CheckNode, &caller).await?;
    if node.ready {
        return Ok(Json(Ready { ready: true }));
    }
    Err(Problem::new(ProblemType::Unavailable, node.not_ready.join("; "))
        .next("GET /api/v1/status shows the parts of the node and their last errors"))
}

/// The routes for health.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(alive)).routes(routes!(ready))
}
