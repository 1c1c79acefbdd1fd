//! `GET /metrics`: what the node counts and measures, as Prometheus reads it.

mod described;

use ::metrics::gauge;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use metrics_exporter_prometheus::PrometheusHandle;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ApiState;
use super::correlation::Caller;
use super::problem::Problem;
use crate::status::{ActorCounts, CheckNode, CountActors, NodeStatus};

/// The media type of Prometheus' text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What was measured, when the node has installed a recorder.
#[derive(Clone, Default)]
pub struct Metrics(Option<PrometheusHandle>);

impl Metrics {
    /// Reads from the recorder that the node has installed.
    #[must_use]
    pub fn new(handle: PrometheusHandle) -> Self {
        described::describe();
        Self(Some(handle))
    }

    /// Folds what was measured into histograms; without it they grow.
    pub(super) fn upkeep(&self) {
        if let Some(handle) = &self.0 {
            handle.run_upkeep();
        }
    }

    fn render(&self) -> String {
        self.0.as_ref().map(PrometheusHandle::render).unwrap_or_default()
    }
}

/// Counters, gauges and histograms in Prometheus' text format.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "node",
    responses(
        (
            status = 200,
            description = "Prometheus text format",
            content_type = "text/plain",
            body = String,
        ),
        (status = 503, description = "The status actor did not answer"),
    )
)]
async fn scrape(State(state): State<ApiState>, caller: Caller) -> Result<Response, Problem> {
    let node = state.ask("status actor", &state.status, CheckNode, &caller).await?;
    let actors = state.ask("status actor", &state.status, CountActors, &caller).await?;
    set_gauges(&node, &actors);
    Ok(([(CONTENT_TYPE, TEXT_FORMAT)], state.metrics.render()).into_response())
}

/// States are read when they are asked for; what happens is counted where it happens.
fn set_gauges(node: &NodeStatus, actors: &ActorCounts) {
    gauge!("synod_node_ready").set(if node.ready { 1.0 } else { 0.0 });
    gauge!("synod_node_uptime_seconds").set(node.uptime_ms as f64 / 1_000.0);
    gauge!("synod_node_draining").set(if node.draining { 1.0 } else { 0.0 });
    for (state, count) in &actors.states {
        gauge!("synod_actors", "state" => state.clone()).set(*count as f64);
    }
    for (lane, depth) in &actors.lanes {
        gauge!("synod_mailbox_depth", "priority" => *lane).set(*depth as f64);
    }
    gauge!("synod_actor_restarts").set(actors.restarts as f64);
    for (reason, count) in &node.dead_letters {
        gauge!("synod_dead_letters", "reason" => reason.clone()).set(*count as f64);
    }
}

/// The route of the metrics.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(scrape))
}
