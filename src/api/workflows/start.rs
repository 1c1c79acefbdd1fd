//! Starting runs: `POST /api/v1/workflows`.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json as Answer;
use axum::extract::{FromRef, FromRequest, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use semver::VersionReq;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use synod_runtime::Priority;
use synod_workflows::{RunAccepted, RunOptions, RunSource, StartRun};
use utoipa::{IntoParams, ToSchema};

use super::source::{DefinitionText, source};
use super::{PART, RUNS, location, refusal, wait_for};
use crate::api::correlation::Caller;
use crate::api::guard::is_yaml;
use crate::api::json::{Json, quoted};
use crate::api::problem::Problem;
use crate::api::request::{KeyHeader, Query, wait_within};
use crate::api::stream::CURSOR_HEADER;
use crate::api::{ApiState, BodyLimits};

/// What is to be run: a definition that comes along, or one that the node keeps.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct StartRequest {
    /// The definition: an object, or a string of YAML or JSON.
    #[schema(value_type = Option<Value>)]
    pub definition: Option<Box<RawValue>>,
    /// The name of a definition that the node keeps.
    pub workflow: Option<String>,
    /// Which of its versions, such as `1.2` or `>=1.2, <3`: the newest that fits.
    #[schema(value_type = Option<String>)]
    pub version: Option<VersionReq>,
    /// The input that the definition describes under `inputs`.
    pub input: Value,
    /// How urgent it is: `critical`, `high`, `normal`, `low` or `background`.
    #[schema(value_type = Option<String>)]
    pub priority: Option<Priority>,
    /// Labels, over those of the definition.
    pub labels: BTreeMap<String, String>,
    /// Makes it safe to repeat: the same key with the same definition and input is the same run.
    pub idempotency_key: Option<String>,
    /// The longest time from admission to the end, in seconds.
    pub timeout_s: Option<u64>,
    /// Values of variables, in place of those of the definition.
    #[schema(value_type = BTreeMap<String, Value>)]
    pub variables: BTreeMap<String, Value>,
}

/// What may be said beside a body that is a definition, and how long to wait.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StartQuery {
    /// Seconds to wait for the end before answering how it stands; at most `http.max_wait_s`.
    wait: Option<u64>,
    /// With a definition in YAML: the input, in JSON.
    input: Option<String>,
}

/// A request to start a run: JSON, or a definition in YAML.
pub(super) enum StartBody {
    Request(Box<StartRequest>),
    Yaml(String),
}

impl<S> FromRequest<S> for StartBody
where
    S: Send + Sync,
    BodyLimits: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if request.headers().get(CONTENT_TYPE).is_some_and(is_yaml) {
            let DefinitionText(text) = DefinitionText::from_request(request, state).await?;
            return Ok(Self::Yaml(text));
        }
        let Json(request) = Json::<StartRequest>::from_request(request, state).await?;
        Ok(Self::Request(Box::new(request)))
    }
}

impl StartBody {
    fn question(self, input: Option<&str>) -> Result<(RunSource, Value, RunOptions), Problem> {
        match (self, input) {
            (Self::Yaml(text), None) => {
                Ok((RunSource::Text(text), Value::Null, RunOptions::default()))
            }
            (Self::Yaml(text), Some(input)) => {
                let input = serde_json::from_str(input)
                    .map_err(|_| Problem::invalid("input", "JSON", quoted(input)))?;
                Ok((RunSource::Text(text), input, RunOptions::default()))
            }
            (Self::Request(_), Some(input)) => {
                let expected = "the field `input` of the body";
                Err(Problem::invalid("input", expected, format!("a parameter {}", quoted(input))))
            }
            (Self::Request(request), None) => request.question(),
        }
    }
}

impl StartRequest {
    fn question(self) -> Result<(RunSource, Value, RunOptions), Problem> {
        let source = source(self.definition.as_deref(), self.workflow, self.version)?;
        let source = source.ok_or_else(|| {
            Problem::invalid("definition", "a definition, or `workflow` with a name", "neither")
        })?;
        let options = RunOptions {
            priority: self.priority,
            labels: self.labels,
            idempotency_key: self.idempotency_key,
            timeout_s: self.timeout_s,
            variables: self.variables,
        };
        Ok((source, self.input, options))
    }
}

/// Starts a run. It is accepted when it is durable, and then ends in exactly one final state.
///
/// A body of type `application/yaml` is the definition itself. The header `Synod-Stream-Cursor`
/// says from where to read the stream so as to miss nothing of the run.
#[utoipa::path(
    post,
    path = "/api/v1/workflows",
    tag = "workflows",
    params(
        StartQuery,
        (
            "Idempotency-Key" = Option<String>,
            Header,
            description = "Makes it safe to repeat, as the field `idempotency_key` does",
        ),
    ),
    request_body(
        content(
            (StartRequest = "application/json"),
            (String = "application/yaml"),
        )
    ),
    responses(
        (
            status = 201,
            description = "Accepted; with `wait`, how the run stands",
            body = RunAccepted,
            headers(("Location" = String, description = "The run")),
        ),
        (status = 200, description = "The run of an earlier start with the same key",
            body = RunAccepted),
        (status = 400, description = "The body is not JSON"),
        (status = 404, description = "There is no definition of this name and version"),
        (status = 408, description = "The body came too slowly"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is neither JSON nor YAML"),
        (
            status = 422,
            description = "The definition has faults (each in `errors`), the input does not fit, \
                           a field is not valid, or the key was used with another body",
        ),
        (status = 429, description = "As many runs are open as allowed; see `Retry-After`"),
        (status = 503, description = "The journal does not accept, or the node drains"),
    )
)]
pub(super) async fn start(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<StartQuery>,
    key: KeyHeader,
    body: StartBody,
) -> Result<Response, Problem> {
    let wait = wait_within(query.wait, &state)?;
    let (source, input, mut options) = body.question(query.input.as_deref())?;
    options.idempotency_key = key.or(options.idempotency_key)?;
    let question = StartRun { source, input, options, principal: caller.principal.clone() };
    // Taken before the run begins: who reads on from here misses nothing of it.
    let cursor = state.hub.now().to_string();
    let accepted = ask(&state, &caller, question).await?;
    let answer = answer(&state, &caller, accepted, wait).await?;
    Ok(([(CURSOR_HEADER, cursor)], answer).into_response())
}

/// Asks the engine for a run.
pub(in crate::api) async fn ask(
    state: &ApiState,
    caller: &Caller,
    question: StartRun,
) -> Result<RunAccepted, Problem> {
    let within = state.config.ask_timeout();
    let outcome = state.workflows.ask_with(question, within, caller.options()).await;
    outcome.map_err(|why| Problem::perhaps_accepted(PART, &why))?.map_err(refusal::start)
}

/// Answers that a run is accepted, or how it stands when it has ended in time.
pub(super) async fn answer(
    state: &ApiState,
    caller: &Caller,
    accepted: RunAccepted,
    wait: Option<Duration>,
) -> Result<Response, Problem> {
    let status = if accepted.duplicate { StatusCode::OK } else { StatusCode::CREATED };
    let location = location(format!("{RUNS}/{}", accepted.run_id));
    if let Some(within) = wait
        && let Some(run) = wait_for(state, caller, accepted.run_id, within).await?
    {
        return Ok((status, location, Answer(run)).into_response());
    }
    Ok((status, location, Answer(accepted)).into_response())
}
