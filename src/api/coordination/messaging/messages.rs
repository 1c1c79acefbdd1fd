//! Messages between agents: sent, read back, and those that nobody has read.

use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use serde::Deserialize;
use synod_agents::{Envelope, EnvelopeDocument};
use synod_coordination::may_speak_for;
use synod_coordination::messaging::router::{ListUndelivered, ReadHistory, Send, UndeliveredPage};
use synod_runtime::AskError;
use utoipa::IntoParams;
use uuid::Uuid;

use super::PAGE;
use super::refusal::{invalid, unsent};
use super::shapes::{SaidMessages, SentMessage};
use crate::api::ApiState;
use crate::api::coordination::bounded;
use crate::api::coordination::refusal::of_protocol;
use crate::api::correlation::Caller;
use crate::api::json::Json;
use crate::api::problem::Problem;
use crate::api::request::{Query, Segment};

/// What this part of the node is called in problems.
const PART: &str = "router of messages";

/// How long recipients have, unless the request says otherwise.
const WITHIN: Duration = Duration::from_secs(10);

/// How a message is sent.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SendQuery {
    /// Milliseconds that the recipients may take, 1 to 1,000 times `http.max_wait_s`; default
    /// 10,000, or as many if that is less.
    within_ms: Option<u64>,
}

impl SendQuery {
    fn within(&self, state: &ApiState) -> Result<Duration, Problem> {
        let most = Duration::from_secs(state.config.max_wait_s).max(Duration::from_secs(1));
        let Some(given) = self.within_ms else { return Ok(WITHIN.min(most)) };
        let within = Duration::from_millis(given);
        if within.is_zero() || within > most {
            let expected = format!("1 to {}", most.as_millis());
            return Err(Problem::invalid("within_ms", expected, given.to_string()));
        }
        Ok(within)
    }
}

/// Sends a message to an agent, to those with a capability, to everyone or to a topic. Answers
/// when every recipient has read it, or is certain not to.
#[utoipa::path(
    post,
    path = "/api/v1/coordination/messages",
    tag = "coordination",
    params(SendQuery),
    request_body = EnvelopeDocument,
    responses(
        (status = 200, description = "Who has read it, and what they said", body = SentMessage),
        (status = 400, description = "The body is not JSON"),
        (status = 403, description = "Its sender is somebody else, or no part of its conversation"),
        (status = 404, description = "There is nobody it is for"),
        (status = 408, description = "The body came too slowly"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is not `application/json`"),
        (status = 422, description = "A field is not valid"),
        (status = 429, description = "As many are under way as the node allows"),
        (status = 503, description = "A part of the node did not answer"),
    )
)]
pub(super) async fn send_message(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<SendQuery>,
    Json(document): Json<EnvelopeDocument>,
) -> Result<Answer<SentMessage>, Problem> {
    let within = query.within(&state)?;
    may_speak_for(&caller.principal, &document.sender).map_err(of_protocol)?;
    let envelope = Envelope::try_from(document);
    let mut envelope = envelope.map_err(|why| invalid("content", &why.to_string()))?;
    if let (true, Some(span)) = (envelope.trace.is_empty(), caller.correlation) {
        envelope.trace = span.to_string();
    }
    let longest = within.saturating_add(state.config.ask_timeout());
    let router = state.post()?.messages;
    let sent = router.ask_with(Send { envelope, within }, longest, caller.options()).await;
    let sent = sent.map_err(|why| perhaps_read(&why))?.map_err(unsent)?;
    Ok(Answer(sent.into()))
}

/// A message whose fate is not known.
fn perhaps_read(why: &AskError) -> Problem {
    let problem = Problem::perhaps_accepted(PART, why);
    if !matches!(why, AskError::Deadline | AskError::Unanswered) {
        return problem;
    }
    problem.next("it may have been read: who sends it again with its `id` lets its readers know")
}

/// Which part of a conversation to read.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SaidQuery {
    /// Only what was said after the message of this number.
    after: Option<u64>,
    /// How many at most, 1 to 1,000; default 100.
    limit: Option<usize>,
}

/// Reads back what was said in a conversation of agents, as far as it is remembered.
#[utoipa::path(
    get,
    path = "/api/v1/coordination/conversations/{id}",
    tag = "coordination",
    params(("id" = String, Path, description = "The conversation that messages name"), SaidQuery),
    responses(
        (status = 200, description = "What was said", body = SaidMessages),
        (status = 404, description = "Unknown, or so long ago that it is forgotten"),
        (status = 422, description = "A parameter is not valid"),
        (status = 503, description = "A part of the node did not answer"),
    )
)]
pub(super) async fn said(
    State(state): State<ApiState>,
    caller: Caller,
    Segment(text): Segment,
    Query(query): Query<SaidQuery>,
) -> Result<Answer<SaidMessages>, Problem> {
    let limit = bounded("limit", query.limit, PAGE)?;
    let unknown = || {
        let next = "conversations are remembered since the node took over the work, within limits";
        Problem::not_found("conversation", &text, next).field("id").expected("a UUID", &*text)
    };
    let conversation: Uuid = text.parse().map_err(|_| unknown())?;
    let question = ReadHistory { conversation, after: query.after.unwrap_or(0), limit };
    let said = state.ask(PART, &state.post()?.messages, question, &caller).await?;
    Ok(Answer(SaidMessages { said: said.ok_or_else(unknown)? }))
}

/// Which undelivered messages to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct UndeliveredQuery {
    /// Only those before this number.
    before: Option<u64>,
    /// How many at most, 1 to 1,000; default 100.
    limit: Option<usize>,
}

/// Lists messages that somebody has not read, and why: the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/coordination/undelivered",
    tag = "coordination",
    params(UndeliveredQuery),
    responses(
        (status = 200, description = "Some of them", body = UndeliveredPage),
        (status = 422, description = "A parameter is not valid"),
        (status = 503, description = "A part of the node did not answer"),
    )
)]
pub(super) async fn undelivered(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<UndeliveredQuery>,
) -> Result<Answer<UndeliveredPage>, Problem> {
    let limit = bounded("limit", query.limit, PAGE)?;
    let question = ListUndelivered { before: query.before, limit };
    state.ask(PART, &state.post()?.messages, question, &caller).await.map(Answer)
}
