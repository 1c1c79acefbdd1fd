//! `/api/v1/coordination/shared`: documents that agents share.
//!
//! The node that is asked answers with what it knows, be it cut off from all others: documents of
//! nodes that hear of each other come to the same state.

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use synod_coordination::sync::{
    Edit, ListShared, ReadShared, SharedHealth, SharedMessage, SharedSummary, SharedView,
    ShowShared, WriteShared, Written,
};
use synod_runtime::{Ask, AskError, Request};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shared_refusal::{not_written, refused};
use super::{MAX_PAGE, PAGE, bounded};
use crate::api::ApiState;
use crate::api::correlation::Caller;
use crate::api::json::Json;
use crate::api::problem::Problem;
use crate::api::request::{Query, Segment};

/// What does not answer when it does not.
const PART: &str = "shared state";

/// Documents that agents share, as the node that was asked knows them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SharedDocuments {
    /// Some of them, in the order of their names.
    documents: Vec<SharedSummary>,
    /// Where the next page begins; none on the last one.
    next: Option<String>,
    /// How this node's shared state does.
    health: SharedHealth,
}

/// Which documents to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// `next` of the page before.
    after: Option<String>,
    /// How many at most, 1 to 1,000; default 50.
    limit: Option<usize>,
}

/// Which part of a document to read.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ReadQuery {
    /// Only this key.
    key: Option<String>,
    /// `next` of the page before.
    after: Option<String>,
    /// How many keys at most, 1 to 1,000; default 1,000. A page has about 1 MiB at most.
    limit: Option<usize>,
}

/// What to change in a document.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SharedEdits {
    /// All of them are made, or none; 1 to 1,000.
    edits: Vec<Edit>,
}

impl ApiState {
    async fn ask_shared<Q>(&self, question: Q, caller: &Caller) -> Result<Q::Reply, AskError>
    where
        SharedMessage: From<Request<Q>>,
        Q: Ask,
    {
        self.shared.ask_with(question, self.config.ask_timeout(), caller.options()).await
    }
}

/// Lists the documents that agents share, as this node knows them.
#[utoipa::path(
    get,
    path = "/api/v1/coordination/shared",
    tag = "coordination",
    params(ListQuery),
    responses(
        (status = 200, description = "Some documents", body = SharedDocuments),
        (status = 422, description = "A parameter is not valid"),
        (status = 503, description = "Shared state did not answer"),
    )
)]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Answer<SharedDocuments>, Problem> {
    let limit = bounded("limit", query.limit, PAGE)?;
    let unanswered = |why: AskError| Problem::unanswered(PART, &why);
    // One more tells whether there are more.
    let list = ListShared { after: query.after.unwrap_or_default(), limit: limit + 1 };
    let mut documents = state.ask_shared(list, &caller).await.map_err(unanswered)?;
    let has_more = documents.len() > limit || limit == MAX_PAGE && documents.len() == limit;
    documents.truncate(limit);
    let next = documents.last().filter(|_| has_more).map(|last| last.document.clone());
    let health = state.ask_shared(ShowShared, &caller).await.map_err(unanswered)?;
    Ok(Answer(SharedDocuments { documents, next, health }))
}

/// Reads a document, as this node knows it.
#[utoipa::path(
    get,
    path = "/api/v1/coordination/shared/{document}",
    tag = "coordination",
    params(("document" = String, Path, description = "The document's name"), ReadQuery),
    responses(
        (status = 200, description = "The document, or a page of it", body = SharedView),
        (status = 404, description = "This node knows no such document, or no such key in it"),
        (status = 422, description = "A parameter is not valid"),
        (status = 503, description = "Shared state did not answer"),
    )
)]
async fn read(
    State(state): State<ApiState>,
    caller: Caller,
    Segment(document): Segment,
    Query(query): Query<ReadQuery>,
) -> Result<Answer<SharedView>, Problem> {
    let limit = bounded("limit", query.limit, MAX_PAGE)?;
    let after = query.after.unwrap_or_default();
    let read = ReadShared { document: document.clone(), key: query.key.clone(), after, limit };
    let view = state.ask_shared(read, &caller).await;
    let view = view.map_err(|why| Problem::unanswered(PART, &why))?.map_err(refused)?;
    let next = "a document begins with its first write; this node may not have heard of it yet";
    let view = view.ok_or_else(|| Problem::not_found("document", &document, next))?;
    if let Some(key) = query.key.filter(|key| !view.values.contains_key(key)) {
        let next = "read the document without `key` to see all that it has";
        return Err(Problem::not_found("key", &key, next).field("key"));
    }
    Ok(Answer(view))
}

/// Changes a document, which begins with its first write. The change is durable on this node when
/// this answers, and is told to the others; it needs none of them.
#[utoipa::path(
    post,
    path = "/api/v1/coordination/shared/{document}",
    tag = "coordination",
    params(("document" = String, Path, description = "The document's name")),
    request_body(content = SharedEdits, description = "What to change"),
    responses(
        (status = 200, description = "It is in the journal of this node", body = Written),
        (status = 400, description = "The body is not JSON"),
        (status = 408, description = "The body came too slowly"),
        (status = 409, description = "What is under a key is of another type"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is not `application/json`"),
        (status = 422, description = "The name or an edit is not valid"),
        (status = 429, description = "A limit is reached"),
        (status = 503, description = "The journal does not accept"),
    )
)]
async fn edit(
    State(state): State<ApiState>,
    caller: Caller,
    Segment(document): Segment,
    Json(SharedEdits { edits }): Json<SharedEdits>,
) -> Result<Answer<Written>, Problem> {
    let written = state.ask_shared(WriteShared { document, edits }, &caller).await;
    let written = written.map_err(|why| {
        let problem = Problem::unanswered(PART, &why);
        match why {
            AskError::Deadline | AskError::Unanswered => {
                problem.next("it may have been written: read the document before writing again")
            }
            _ => problem,
        }
    });
    written?.map(Answer).map_err(not_written)
}

/// The routes of shared documents.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(edit, read))
}
