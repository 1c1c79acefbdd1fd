//! `/api/v1/status` and its controls, `/api/v1/node/drain` and `/api/v1/config/reload`.

use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use synod_runtime::{ActorPath, Control, ControlError};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ApiState;
use super::cluster::{cluster, refused};
use super::correlation::Caller;
use super::json::{Json, MaybeJson};
use super::problem::{FieldError, Problem, ProblemType};
use super::request::{Query, Segment};
use crate::config::FaultReport;
use crate::status::{
    ControlActor, ControlRefused, DrainNode, Draining, ReloadConfig, ReloadRefused, Reloaded,
    ShowStatus, StatusReport,
};

const PART: &str = "status actor";

/// What to show of the tree.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct StatusQuery {
    /// Only the actor at this path and those below it, such as `/synod/agents`.
    path: Option<String>,
    /// How many levels below; all without it.
    depth: Option<usize>,
    /// The name or id of a node of the cluster, whose tree is shown instead; `all` for those of
    /// all.
    node: Option<String>,
}

/// The tree of one node, or the trees of all.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum StatusAnswer {
    /// Of the node that was asked, or that was named.
    One(Box<StatusReport>),
    /// Of all members of the cluster.
    All {
        /// By name.
        nodes: Vec<MemberReport>,
    },
}

/// The tree of a member of the cluster, or why there is none.
#[derive(Debug, Serialize, ToSchema)]
struct MemberReport {
    /// What people call the node.
    name: String,
    /// The node and its actors.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<StatusReport>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// The node and the supervision tree: kind, state, restarts, mailbox lanes, messages processed,
/// busy share, last error and uptime of each actor. Any node shows that of any other.
#[utoipa::path(
    get,
    path = "/api/v1/status",
    tag = "node",
    params(StatusQuery),
    responses(
        (status = 200, description = "The node and its actors", body = StatusAnswer),
        (status = 404, description = "No actor has this path, or no node this name"),
        (status = 409, description = "Another node is asked for, and this one is alone"),
        (status = 422, description = "A parameter is not valid"),
        (status = 503, description = "The status actor, or the other node, did not answer"),
    )
)]
async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<StatusQuery>,
) -> Result<Answer<StatusAnswer>, Problem> {
    let question = ShowStatus { path: query.path.map(ActorPath::new), depth: query.depth };
    let seen = match query.node.as_deref() {
        None => state.ask(PART, &state.status, question, &caller).await?,
        Some(ALL) => return Ok(Answer(of_all(&state, &question).await?)),
        Some(name) => {
            let cluster = cluster(&state)?;
            let node = cluster.node(name).map_err(refused)?;
            cluster.status_of(node, &question).await.map_err(refused)?
        }
    };
    let report = seen.map_err(|unknown| no_actor(unknown.0.as_str()))?;
    Ok(Answer(StatusAnswer::One(Box::new(report))))
}

/// What a node is called that stands for all of them.
const ALL: &str = "all";

async fn of_all(state: &ApiState, question: &ShowStatus) -> Result<StatusAnswer, Problem> {
    let reports = cluster(state)?.statuses(question).await.into_iter();
    let nodes = reports.map(|(name, seen)| match seen {
        Ok(report) => MemberReport { name, report: Some(report), error: None },
        Err(why) => MemberReport { name, report: None, error: Some(why) },
    });
    Ok(StatusAnswer::All { nodes: nodes.collect() })
}

fn no_actor(path: &str) -> Problem {
    Problem::not_found("actor", path, "GET /api/v1/status lists the actors").field("path")
}

/// Which actor.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ControlRequest {
    /// The actor's path, as the status shows it.
    path: String,
}

/// The control was given to the actor, or to its supervisor.
#[derive(Debug, Serialize, ToSchema)]
struct Controlled {
    /// The actor.
    path: String,
    /// What was asked for.
    #[schema(value_type = String)]
    control: Control,
}

/// Pauses, resumes, restarts or stops an actor. Stopped means for good, and its queue becomes dead
/// letters; paused, its queue grows within its bound. The node's own parts can be restarted alone.
#[utoipa::path(
    post,
    path = "/api/v1/status/{control}",
    tag = "node",
    params(("control" = String, Path, description = "`pause`, `resume`, `restart` or `stop`")),
    request_body = ControlRequest,
    responses(
        (status = 202, description = "It is being done", body = Controlled),
        (status = 404, description = "No such control, or no actor has this path"),
        (status = 409, description = "This actor can't be controlled so"),
        (status = 503, description = "Its supervisor, or the status actor, does not answer"),
    )
)]
async fn control(
    State(state): State<ApiState>,
    caller: Caller,
    Segment(name): Segment,
    Json(ControlRequest { path }): Json<ControlRequest>,
) -> Result<(StatusCode, Answer<Controlled>), Problem> {
    let control = match name.as_str() {
        "pause" => Control::Pause,
        "resume" => Control::Resume,
        "restart" => Control::Restart,
        "stop" => Control::Stop,
        _ => {
            let next = "the controls are pause, resume, restart and stop";
            return Err(Problem::not_found("control", &name, next));
        }
    };
    let question = ControlActor { path: ActorPath::new(path.as_str()), control };
    match state.ask(PART, &state.status, question, &caller).await? {
        Ok(()) => Ok((StatusCode::ACCEPTED, Answer(Controlled { path, control }))),
        Err(ControlRefused::Kernel(ControlError::NoSuchActor(path))) => {
            Err(no_actor(path.as_str()))
        }
        Err(ControlRefused::Kernel(why @ ControlError::Unavailable(_))) => {
            Err(Problem::new(ProblemType::Unavailable, why.to_string())
                .retry_after(Duration::from_secs(1))
                .next("look at the supervisor in GET /api/v1/status"))
        }
        Err(why) => Err(Problem::new(ProblemType::Conflict, why.to_string()).field("path").next(
            "restart it; to let work rest pause an agent, or drain the node: `synod status drain`, \
             POST /api/v1/node/drain; to stop the node send SIGTERM",
        )),
    }
}

/// How to drain.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct DrainRequest {
    /// Seconds that running work has before it is handed back to the queue; without it as long as
    /// when the node stops. At most 86,400.
    within_s: Option<u64>,
}

/// Drains the node: it accepts no more tasks, dispatches no more and lets what runs end. What has
/// not ended in time is handed back, and goes on at the next start.
#[utoipa::path(
    post,
    path = "/api/v1/node/drain",
    tag = "node",
    request_body(content = Option<DrainRequest>, description = "May be left out"),
    responses(
        (status = 202, description = "It drains; the status shows how far it is", body = Draining),
        (status = 422, description = "A field is not valid"),
        (status = 503, description = "The status actor did not answer"),
    )
)]
async fn drain(
    State(state): State<ApiState>,
    caller: Caller,
    MaybeJson(request): MaybeJson<DrainRequest>,
) -> Result<(StatusCode, Answer<Draining>), Problem> {
    let within_s = request.unwrap_or_default().within_s;
    if let Some(seconds) = within_s.filter(|seconds| *seconds > 86_400) {
        return Err(Problem::invalid("within_s", "0 to 86400", seconds.to_string()));
    }
    let question = DrainNode { within: within_s.map(Duration::from_secs) };
    let draining = state.ask(PART, &state.status, question, &caller).await?;
    Ok((StatusCode::ACCEPTED, Answer(draining)))
}

/// Reads the configuration again and applies what may change while the node runs: all or nothing.
#[utoipa::path(
    post,
    path = "/api/v1/config/reload",
    tag = "node",
    responses(
        (status = 200, description = "What was changed", body = Reloaded),
        (status = 409, description = "A key needs a restart, or there is no file"),
        (status = 422, description = "The configuration has faults: nothing was applied"),
        (status = 503, description = "The status actor did not answer"),
    )
)]
async fn reload(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<Answer<Reloaded>, Problem> {
    let outcome = state.ask(PART, &state.status, ReloadConfig, &caller).await?;
    outcome.map(Answer).map_err(|why| match why {
        ReloadRefused::Invalid(detail, faults) => invalid_config(detail, &faults),
        ReloadRefused::NeedsRestart(keys) => Problem::new(ProblemType::Conflict, keys)
            .next("restart the node, or take these keys back and reload the others"),
        ReloadRefused::NoFile => Problem::new(ProblemType::Conflict, why.to_string())
            .next("start the node with --config FILE"),
    })
}

/// All faults of a configuration; a single one is what the problem itself is about.
fn invalid_config(detail: String, faults: &[FaultReport]) -> Problem {
    let errors: Vec<FieldError> = faults
        .iter()
        .map(|fault| FieldError {
            field: fault.key.clone().unwrap_or_else(|| "(file)".to_owned()),
            expected: fault.expected.clone(),
            got: fault.found.clone(),
            at: fault.at(),
        })
        .collect();
    let problem = Problem::new(ProblemType::InvalidConfig, detail);
    let problem = match errors.as_slice() {
        [FieldError { field, expected, got, at }] => {
            let in_file = faults.iter().all(|fault| fault.key.is_none());
            let standing = at.as_ref().filter(|_| in_file).map(|at| format!("what is at {at}"));
            let got = got.clone().or(standing).unwrap_or_else(|| "the key".to_owned());
            problem.field(field).expected(expected, got)
        }
        _ => problem,
    };
    problem.errors(errors)
}

/// The routes of status and node.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(show))
        .routes(routes!(control))
        .routes(routes!(drain))
        .routes(routes!(reload))
}
