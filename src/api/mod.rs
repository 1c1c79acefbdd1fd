//! The node's HTTP side: JSON over HTTP/1.1, streams over WebSocket and server-sent events.
//!
//! ```text
//! Listener (outlives crashes) ─▶ HttpServer (supervised) ─▶ Connections (limits, deadlines)
//!     ─▶ trace (one trace per request) ─▶ guard (Host, Origin, JSON) ─▶ access (token, role)
//!     ─▶ routes ─▶ ask an actor
//! ```
//!
//! A handler reads the request, asks one actor with a deadline and writes the answer: decisions are
//! made by actors, never here. Never: an error without a problem document that says what to do
//! next, an ask without a deadline, a web page that drives the node.

mod access;
mod agent_socket;
mod agents;
mod approvals;
mod cluster;
mod config;
mod connections;
pub mod coordination;
mod correlation;
mod error;
mod guard;
mod health;
mod json;
mod lifeline;
mod listener;
mod metrics;
mod openapi;
mod owner;
mod plans;
mod problem;
mod request;
mod server;
mod stall;
mod status;
pub mod stream;
mod tasks;
#[cfg(test)]
mod tests;
mod tokens;
mod workflows;

use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::http::{Method, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use synod_agents::{HostMessage, RegistryMessage};
use synod_coordination::sync::SharedMessage;
use synod_runtime::{Address, Ask, Request, System};
use synod_tasks::TasksMessage;
use synod_workflows::WorkflowsMessage;
use utoipa_axum::router::OpenApiRouter;

pub use access::Access;
pub use config::{ApiConfig, AuthMode, TlsSection};
pub use correlation::Caller;
pub use error::ApiError;
pub use json::BodyLimits;
pub use listener::Listener;
pub use metrics::Metrics;
pub use owner::{Owner, OwnerAnswer, OwnerDesk, OwnerError, OwnerRequest};
pub use problem::{
    FieldError, Missed, OneError, PROBLEM_JSON, Problem, ProblemFacts, ProblemMembers, ProblemType,
};
pub use server::{HttpServer, HttpServerMessage};
pub use stream::EventHub;

use crate::node::{Cluster, Engines};
use crate::status::StatusMessage;
use correlation::Tracer;
use guard::Guard;
use stream::StreamLimits;

/// What the routes work with: the actors they ask and the limits they keep. Cheap to clone.
#[derive(Clone)]
pub struct ApiState(Arc<ApiParts>);

/// Everything the node gives its HTTP side.
pub struct ApiParts {
    /// Settings of the API.
    pub config: ApiConfig,
    /// The node's system: randomness for traces, time.
    pub system: System,
    /// The task engine.
    pub tasks: Address<TasksMessage>,
    /// The workflow engine.
    pub workflows: Address<WorkflowsMessage>,
    /// The engines and desks at work here.
    pub engines: Engines,
    /// The protocols that the node offers.
    pub protocols: Vec<&'static str>,
    /// The registry of agents.
    pub registry: Address<RegistryMessage>,
    /// The host of agents.
    pub host: Address<HostMessage>,
    /// The state that agents share, as this node has it.
    pub shared: Address<SharedMessage>,
    /// The status actor.
    pub status: Address<StatusMessage>,
    /// The stream of changes.
    pub hub: EventHub,
    /// Open streams.
    pub streams: StreamLimits,
    /// What was measured.
    pub metrics: Metrics,
    /// How callers are told apart; none when everybody may do everything.
    pub access: Option<Access>,
    /// Who owns the work; none when this node owns it all.
    pub owner: Option<Arc<dyn Owner>>,
    /// The cluster of the node; none when it is alone.
    pub cluster: Option<Cluster>,
}

impl ApiState {
    /// Shares what the node gives.
    #[must_use]
    pub fn new(parts: ApiParts) -> Self {
        Self(Arc::new(parts))
    }

    /// Asks a part of the node on behalf of `caller`.
    ///
    /// # Errors
    /// 503 when it does not answer within `http.ask_timeout_ms`.
    async fn ask<M, Q>(
        &self,
        part: &str,
        address: &Address<M>,
        question: Q,
        caller: &Caller,
    ) -> Result<Q::Reply, Problem>
    where
        M: From<Request<Q>> + Send + 'static,
        Q: Ask,
    {
        let within = self.config.ask_timeout();
        let answer = address.ask_with(question, within, caller.options()).await;
        answer.map_err(|why| Problem::unanswered(part, &why))
    }
}

impl Deref for ApiState {
    type Target = ApiParts;

    fn deref(&self) -> &ApiParts {
        &self.0
    }
}

impl FromRef<ApiState> for BodyLimits {
    fn from_ref(state: &ApiState) -> Self {
        state.config.body()
    }
}

/// All routes, with the layers that each request passes.
pub fn router(state: ApiState) -> Router {
    let (routes, document) = documented().split_for_parts();
    let document = openapi::render(document);
    let guard = Guard::new(&state.config.allowed_hosts, &state.config.allowed_origins);
    let tracer = Tracer(state.system.clone());
    routes
        .route("/openapi.json", get(move || openapi::answer(document.clone())))
        .merge(crate::dashboard::routes())
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(from_fn_with_state(state.clone(), owner::to_owner))
        .layer(from_fn_with_state(state.access.clone(), access::enforce))
        .layer(from_fn_with_state(guard, guard::enforce))
        .layer(from_fn_with_state(tracer, correlation::trace))
        .with_state(state)
}

/// The routes for requests that another node passes on: it has judged who asks.
fn passed_on(state: ApiState) -> Router {
    let (routes, _) = documented().split_for_parts();
    let tracer = Tracer(state.system.clone());
    routes
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(from_fn_with_state(tracer, correlation::trace))
        .with_state(state)
}

/// The routes and the document that describes them.
fn documented() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(openapi::frame())
        .merge(tasks::routes())
        .merge(workflows::routes())
        .merge(approvals::routes())
        .merge(coordination::routes())
        .merge(plans::routes())
        .merge(agents::routes())
        .merge(agent_socket::routes())
        .merge(status::routes())
        .merge(cluster::routes())
        .merge(stream::routes())
        .merge(tokens::routes())
        .merge(health::routes())
        .merge(metrics::routes())
}

async fn no_route(uri: Uri) -> Problem {
    Problem::not_found("route", uri.path(), "GET /openapi.json lists every route")
}

async fn no_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("{} can't be asked with {method}", uri.path());
    Problem::new(ProblemType::MethodNotAllowed, detail)
}
