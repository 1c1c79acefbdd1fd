//! Durable subscriptions: kept, read, acknowledged, ended.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use synod_agents::AgentId;
use synod_coordination::messaging::topics::{
    Acknowledge, Fetch, KeepSubscription, ListSubscriptions, ListTopicLetters, Reject,
    RemoveSubscription, ShowSubscription, SubscriptionView, TopicError, TopicsMessage,
};
use synod_runtime::{Ask, Request};
use utoipa::IntoParams;

use super::PAGE;
use super::refusal::{invalid, unknown, untaken};
use super::shapes::{
    AcknowledgeRequest, FetchedMessage, FetchedMessages, RejectRequest, SubscriptionRequest,
    Subscriptions, TopicLetters,
};
use super::topics::PART;
use crate::api::ApiState;
use crate::api::coordination::bounded;
use crate::api::correlation::Caller;
use crate::api::json::Json;
use crate::api::problem::Problem;
use crate::api::request::{Query, Segment, wait_within};

/// Asks topics for something that changes a subscription.
async fn change<Q>(state: &ApiState, question: Q, caller: &Caller) -> Result<(), Problem>
where
    TopicsMessage: From<Request<Q>>,
    Q: Ask<Reply = Result<(), TopicError>>,
{
    let (topics, within) = (state.post()?.topics, state.config.ask_timeout());
    let changed = topics.ask_with(question, within, caller.options()).await;
    let changed = changed.map_err(|why| {
        let again = "it may have been done; the same again does no harm";
        Problem::perhaps_accepted(PART, &why).next(again)
    });
    changed?.map_err(untaken)
}

async fn shown(
    state: &ApiState,
    name: String,
    caller: &Caller,
) -> Result<Answer<SubscriptionView>, Problem> {
    let question = ShowSubscription { name: name.clone() };
    let shown = state.ask(PART, &state.post()?.topics, question, caller).await?;
    shown.map(Answer).ok_or_else(|| unknown(&name))
}

/// Keeps a durable subscription: all that is published to its topics from now on is kept for it
/// until it is acknowledged. The same again changes nothing.
#[utoipa::path(
    post,
    path = "/api/v1/coordination/subscriptions",
    tag = "coordination",
    request_body = SubscriptionRequest,
    responses(
        (status = 200, description = "It is kept", body = SubscriptionView),
        (status = 400, description = "The body is not JSON"),
        (status = 408, description = "The body came too slowly"),
        (status = 409, description = "Its name is there with other terms"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is not `application/json`"),
        (status = 422, description = "A field is not valid"),
        (status = 429, description = "As many are kept as the node allows"),
        (status = 503, description = "The journal does not accept"),
    )
)]
pub(super) async fn subscribe(
    State(state): State<ApiState>,
    caller: Caller,
    Json(request): Json<SubscriptionRequest>,
) -> Result<Answer<SubscriptionView>, Problem> {
    let SubscriptionRequest { name, filter, agent, terms } = request;
    let agent = agent.map(AgentId::new).transpose();
    let agent = agent.map_err(|why| invalid("agent", &why.to_string()))?;
    let question = KeepSubscription { name: name.clone(), filter, agent, terms };
    change(&state, question, &caller).await?;
    shown(&state, name, &caller).await
}

/// Which subscriptions to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SubscriptionsQuery {
    /// Only those after this name.
    after: Option<String>,
    /// How many at most, 1 to 1,000; default 100.
    limit: Option<usize>,
}

/// Lists durable subscriptions, in the order of their names.
#[utoipa::path(
    get,
    path = "/api/v1/coordination/subscriptions",
    tag = "coordination",
    params(SubscriptionsQuery),
    responses(
        (status = 200, description = "Some of them", body = Subscriptions),
        (status = 422, description = "A parameter is not valid"),
        (status = 503, description = "A part of the node did not answer"),
    )
)]
pub(super) async fn subscriptions(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<SubscriptionsQuery>,
) -> Result<Answer<Subscriptions>, Problem> {
    let limit = bounded("limit", query.limit, PAGE)?;
    let question = ListSubscriptions { after: query.after, limit };
    let subscriptions = state.ask(PART, &state.post()?.topics, question, &caller).await?;
    Ok(Answer(Subscriptions { subscriptions }))
}

/// Shows how a durable subscription stands.
#[utoipa::path(
    get,
    path = "/api/v1/coordination/subscriptions/{name}",
    tag = "coordination",
    params(("name" = String, Path, description = "The subscription")),
    responses(
        (status = 200, description = "The subscription", body = SubscriptionView),
        (status = 404, description = "There is none of this name"),
        (status = 503, description = "A part of the node did not answer"),
    )
)]
pub(super) async fn subscription(
    State(state): State<ApiState>,
    caller: Caller,
    Segment(name): Segment,
) -> Result<Answer<SubscriptionView>, Problem> {
    shown(&state, name, &caller).await
}

/// Ends a durable subscription, and forgets what it had to read.
#[utoipa::path(
    delete,
    path = "/api/v1/coordination/subscriptions/{name}",
    tag = "coordination",
    params(("name" = String, Path, description = "The subscription")),
    responses(
        (status = 204, description = "It is forgotten"),
        (status = 404, description = "There is none of this name"),
        (status = 503, description = "The journal does not accept"),
    )
)]
pub(super) async fn unsubscribe(
    State(state): State<ApiState>,
    caller: Caller,
    Segment(name): Segment,
) -> Result<StatusCode, Problem> {
    change(&state, RemoveSubscription { name }, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How much to fetch.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FetchQuery {
    /// How many at most, 1 to 1,000; default 100.
    most: Option<usize>,
    /// Seconds to wait when there is nothing yet; at most 60 and `http.max_wait_s`.
    wait: Option<u64>,
}

/// Fetches what a durable subscription has to read next. It is given again unless it is
/// acknowledged in time.
#[utoipa::path(
    post,
    path = "/api/v1/coordination/subscriptions/{name}/fetch",
    tag = "coordination",
    params(("name" = String, Path, description = "The subscription"), FetchQuery),
    responses(
        (status = 200, description = "The next messages, if any", body = FetchedMessages),
        (status = 404, description = "There is none of this name"),
        (status = 409, description = "What it has to read is given to an agent"),
        (status = 422, description = "A parameter is not valid"),
        (status = 503, description = "A part of the node did not answer"),
    )
)]
pub(super) async fn fetch(
    State(state): State<ApiState>,
    caller: Caller,
    Segment(name): Segment,
    Query(query): Query<FetchQuery>,
) -> Result<Answer<FetchedMessages>, Problem> {
    let most = bounded("most", query.most, PAGE)?;
    let within = wait_within(query.wait, &state)?.unwrap_or_default();
    let longest = within.saturating_add(state.config.ask_timeout());
    let topics = state.post()?.topics;
    let given = topics.ask_with(Fetch { name, most, within }, longest, caller.options()).await;
    let given = given.map_err(|why| Problem::unanswered(PART, &why))?.map_err(untaken)?;
    Ok(Answer(FetchedMessages { messages: given.iter().map(FetchedMessage::from).collect() }))
}

/// Acknowledges what was fetched: it is done with, up to this message.
#[utoipa::path(
    post,
    path = "/api/v1/coordination/subscriptions/{name}/acknowledge",
    tag = "coordination",
    params(("name" = String, Path, description = "The subscription")),
    request_body = AcknowledgeRequest,
    responses(
        (status = 204, description = "It is not given again"),
        (status = 400, description = "The body is not JSON"),
        (status = 404, description = "There is none of this name"),
        (status = 408, description = "The body came too slowly"),
        (status = 409, description = "It is not in hand: not fetched, or not acknowledged in time"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is not `application/json`"),
        (status = 422, description = "A field is not valid"),
        (status = 503, description = "The journal does not accept"),
    )
)]
pub(super) async fn acknowledge(
    State(state): State<ApiState>,
    caller: Caller,
    Segment(name): Segment,
    Json(AcknowledgeRequest { up_to }): Json<AcknowledgeRequest>,
) -> Result<StatusCode, Problem> {
    change(&state, Acknowledge { name, up_to }, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Rejects the first message that was fetched and is not acknowledged: it is given again later,
/// or becomes a dead letter when that was its last attempt.
#[utoipa::path(
    post,
    path = "/api/v1/coordination/subscriptions/{name}/reject",
    tag = "coordination",
    params(("name" = String, Path, description = "The subscription")),
    request_body = RejectRequest,
    responses(
        (status = 204, description = "It was noted"),
        (status = 400, description = "The body is not JSON"),
        (status = 404, description = "There is none of this name"),
        (status = 408, description = "The body came too slowly"),
        (status = 409, description = "Nothing is in hand"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is not `application/json`"),
        (status = 422, description = "A field is not valid"),
        (status = 503, description = "The journal does not accept"),
    )
)]
pub(super) async fn reject(
    State(state): State<ApiState>,
    caller: Caller,
    Segment(name): Segment,
    Json(RejectRequest { reason }): Json<RejectRequest>,
) -> Result<StatusCode, Problem> {
    change(&state, Reject { name, reason }, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which dead letters to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LettersQuery {
    /// Only those after this number.
    after: Option<u64>,
    /// How many at most, 1 to 1,000; default 100.
    limit: Option<usize>,
}

/// Lists the dead letters of a subscription, the oldest first. They outlive it.
#[utoipa::path(
    get,
    path = "/api/v1/coordination/subscriptions/{name}/letters",
    tag = "coordination",
    params(("name" = String, Path, description = "The subscription"), LettersQuery),
    responses(
        (status = 200, description = "What could not be worked on", body = TopicLetters),
        (status = 422, description = "A parameter is not valid"),
        (status = 503, description = "A part of the node did not answer"),
    )
)]
pub(super) async fn letters(
    State(state): State<ApiState>,
    caller: Caller,
    Segment(name): Segment,
    Query(query): Query<LettersQuery>,
) -> Result<Answer<TopicLetters>, Problem> {
    let limit = bounded("limit", query.limit, PAGE)?;
    let after = query.after.unwrap_or(0);
    let question = ListTopicLetters { subscription: Some(name), after, limit };
    let letters = state.ask(PART, &state.post()?.topics, question, &caller).await?;
    Ok(Answer(TopicLetters { letters }))
}
