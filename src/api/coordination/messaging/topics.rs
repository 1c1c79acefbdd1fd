//! Topics: what is published, and the last values that stay.

use axum::Json as Answer;
use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;
use synod_agents::Payload;
use synod_coordination::may_speak_for;
use synod_coordination::messaging::topics::{ListRetained, Publish};
use utoipa::IntoParams;

use super::PAGE;
use super::refusal::{invalid, untaken};
use super::shapes::{PublishRequest, PublishedTopic, RetainedValues, TopicValue};
use crate::api::ApiState;
use crate::api::coordination::bounded;
use crate::api::coordination::refusal::of_protocol;
use crate::api::correlation::Caller;
use crate::api::json::Json;
use crate::api::problem::Problem;
use crate::api::request::Query;

/// What this part of the node is called in problems.
pub(super) const PART: &str = "topics";

/// Who publishes when nobody has said who asks.
const NOBODY: &str = "anonymous";

/// Publishes to a topic. Answers once it is on the disk for each durable subscription, and every
/// other subscriber has been told.
#[utoipa::path(
    post,
    path = "/api/v1/coordination/topics",
    tag = "coordination",
    request_body = PublishRequest,
    responses(
        (status = 200, description = "Whom it went to", body = PublishedTopic),
        (status = 400, description = "The body is not JSON"),
        (status = 403, description = "Its sender is somebody else than who asks"),
        (status = 408, description = "The body came too slowly"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is not `application/json`"),
        (status = 422, description = "A field is not valid"),
        (status = 429, description = "A subscription has as much to read as it may have"),
        (status = 503, description = "The journal does not accept"),
    )
)]
pub(super) async fn publish(
    State(state): State<ApiState>,
    caller: Caller,
    Json(request): Json<PublishRequest>,
) -> Result<Answer<PublishedTopic>, Problem> {
    let PublishRequest { topic, payload, retain, sender } = request;
    let content = match payload {
        Value::Null => Payload::empty(),
        value => Payload::json(&value).map_err(|why| invalid("payload", &why.to_string()))?,
    };
    let sender = name(sender, &caller)?;
    let question = Publish { topic: topic.clone(), sender, content, retain };
    let (topics, within) = (state.post()?.topics, state.config.ask_timeout());
    let told = topics.ask_with(question, within, caller.options()).await;
    let told = told.map_err(|why| Problem::perhaps_accepted(PART, &why))?.map_err(untaken)?;
    Ok(Answer(PublishedTopic::new(topic, told)))
}

/// Who says it.
fn name(given: Option<String>, caller: &Caller) -> Result<String, Problem> {
    if let Some(name) = given {
        may_speak_for(&caller.principal, &name).map_err(of_protocol)?;
        return Ok(name);
    }
    let own = &caller.principal.name;
    Ok(if own.is_empty() { NOBODY.to_owned() } else { own.to_string() })
}

/// Which last values to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RetainedQuery {
    /// Which topics: `+` stands for one level, `#` at the end for all that follow; by default all.
    filter: Option<String>,
    /// Only those after this topic.
    after: Option<String>,
    /// How many at most, 1 to 1,000; default 100.
    limit: Option<usize>,
}

/// Lists the last values of topics.
#[utoipa::path(
    get,
    path = "/api/v1/coordination/topics/retained",
    tag = "coordination",
    params(RetainedQuery),
    responses(
        (status = 200, description = "The last values", body = RetainedValues),
        (status = 422, description = "A parameter is not valid"),
        (status = 503, description = "A part of the node did not answer"),
    )
)]
pub(super) async fn retained(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<RetainedQuery>,
) -> Result<Answer<RetainedValues>, Problem> {
    let limit = bounded("limit", query.limit, PAGE)?;
    let filter = query.filter.unwrap_or_else(|| "#".to_owned());
    let question = ListRetained { filter, after: query.after, limit };
    let values = state.ask(PART, &state.post()?.topics, question, &caller).await?;
    let values = values.map_err(untaken)?.iter().map(|one| TopicValue::from(&**one)).collect();
    Ok(Answer(RetainedValues { values }))
}
