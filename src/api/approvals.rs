//! `/api/v1/approvals`: what people are asked, and what they decide.

use axum::Json as Answer;
use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;
use synod_runtime::Principal;
use synod_workflows::{
    ApprovalPage, ApprovalResponse, Decide, ListApprovals, RunId, ShowApproval, Verdict,
};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ApiState;
use super::access::Groups;
use super::correlation::Caller;
use super::json::{Json, quoted};
use super::problem::{Problem, ProblemType};
use super::request::{Query, Segment};
use super::workflows::{PART, refusal, runs};

/// Approvals on a page, unless the request says otherwise, and at most.
const PAGE: usize = 50;
const MAX_PAGE: usize = 1_000;

/// Most characters of the name of who decides.
const MAX_NAME: usize = 200;

/// Which approvals.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only those of this run.
    #[param(value_type = Option<String>)]
    run: Option<RunId>,
    /// Those that are no longer open, the last asked first, instead of the open ones.
    #[serde(default)]
    decided: bool,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Most approvals on the page, 1 to 1,000; default 50.
    limit: Option<usize>,
}

/// Lists open approvals in the order in which they were asked, or those that are decided.
#[utoipa::path(
    get,
    path = "/api/v1/approvals",
    tag = "approvals",
    params(ListQuery),
    responses(
        (status = 200, description = "A page of approvals", body = ApprovalPage),
        (status = 422, description = "A parameter or the cursor is not valid"),
        (status = 503, description = "The workflow engine did not answer"),
    )
)]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Answer<ApprovalPage>, Problem> {
    let limit = runs::within(query.limit, PAGE, MAX_PAGE)?;
    let given = query.cursor.clone().unwrap_or_default();
    let question =
        ListApprovals { run: query.run, decided: query.decided, cursor: query.cursor, limit };
    let page = state.ask(PART, &state.workflows, question, &caller).await?;
    page.map(Answer).map_err(|_| runs::wrong_cursor("approvals", &given))
}

/// What is asked, of whom, and how it stands.
#[utoipa::path(
    get,
    path = "/api/v1/approvals/{approval_id}",
    tag = "approvals",
    params(("approval_id" = String, Path, description = "The approval")),
    responses(
        (status = 200, description = "The approval", body = ApprovalResponse),
        (status = 404, description = "Unknown, or its run is forgotten"),
        (status = 503, description = "The workflow engine did not answer"),
    )
)]
async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    Segment(id): Segment,
) -> Result<Answer<ApprovalResponse>, Problem> {
    let question = ShowApproval { id: id.clone() };
    let found = state.ask(PART, &state.workflows, question, &caller).await?;
    let next = "GET /api/v1/approvals lists those that are open";
    found.map(Answer).ok_or_else(|| Problem::not_found("approval", &id, next))
}

/// What is decided.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DecisionRequest {
    /// `approve` or `reject`.
    verdict: Verdict,
    /// Who decides, by the name under which the definition knows them: 1 to 200 characters;
    /// absent: who asks. Without tokens the node takes the word of who asks, as for `role`; with
    /// tokens it can only be the token's own subject.
    by: Option<String>,
    /// The payload in another form, where it may be edited.
    #[schema(value_type = Option<Value>)]
    payload: Option<Value>,
    /// Why, for people.
    reason: Option<String>,
    /// The role in which it is decided, where roles may decide: with tokens one of the token's
    /// groups.
    role: Option<String>,
}

/// Who decides: the one that is named, or else who asks.
fn decider(by: Option<String>, caller: &Caller) -> Result<Principal, Problem> {
    let Some(by) = by else { return Ok(caller.principal.clone()) };
    let name = by.trim();
    let own = &caller.principal;
    if !own.is_anonymous() {
        if *own.name == *name {
            return Ok(own.clone());
        }
        let detail = format!("the token is of {own}, and decides for nobody else");
        return Err(Problem::new(ProblemType::Forbidden, detail)
            .field("by")
            .expected(format!("`{}`, or nothing", own.name), quoted(&by))
            .next("leave `by` out, or send the token of who decides"));
    }
    let told = name.chars().take(MAX_NAME + 1).count();
    if told == 0 || told > MAX_NAME || name.chars().any(char::is_control) {
        let expected = format!("a name of 1 to {MAX_NAME} characters");
        return Err(Problem::invalid("by", expected, quoted(&by)));
    }
    Ok(Principal::user(name))
}

/// The role in which it is decided: of a caller with a token, one of its groups.
fn own_role(
    role: Option<String>,
    caller: &Caller,
    Groups(groups): &Groups,
) -> Result<Option<String>, Problem> {
    let role = match role {
        Some(role) if !caller.principal.is_anonymous() => role,
        taken_on_trust => return Ok(taken_on_trust),
    };
    if groups.iter().any(|group| **group == *role) {
        return Ok(Some(role));
    }
    let names: Vec<&str> = groups.iter().map(|group| &**group).collect();
    let expected = if names.is_empty() { "no role".to_owned() } else { names.join(", ") };
    let detail = format!("the token of {} has no such group", caller.principal);
    Err(Problem::new(ProblemType::Forbidden, detail)
        .field("role")
        .expected(expected, quoted(&role))
        .next("leave `role` out, or ask an administrator for a token with this group"))
}

/// Decides. A decision after the deadline, by the wrong person or twice is refused.
#[utoipa::path(
    post,
    path = "/api/v1/approvals/{approval_id}/decide",
    tag = "approvals",
    params(("approval_id" = String, Path, description = "The approval")),
    request_body = DecisionRequest,
    responses(
        (status = 200, description = "The decision is taken; durable", body = ApprovalResponse),
        (status = 400, description = "The body is not JSON"),
        (status = 403, description = "Who decides may not"),
        (status = 404, description = "Unknown, or its run is forgotten"),
        (status = 409, description = "It is decided, its deadline has passed, or you have decided"),
        (status = 415, description = "The body is not `application/json`"),
        (status = 422, description = "A field is not valid, or the payload may not be changed"),
        (status = 503, description = "The journal does not accept"),
    )
)]
async fn decide(
    State(state): State<ApiState>,
    caller: Caller,
    groups: Groups,
    Segment(id): Segment,
    Json(request): Json<DecisionRequest>,
) -> Result<Answer<ApprovalResponse>, Problem> {
    let DecisionRequest { verdict, by, payload, reason, role } = request;
    let principal = decider(by, &caller)?;
    let role = own_role(role, &caller, &groups)?;
    let question = Decide { id: id.clone(), verdict, payload, reason, role, principal };
    let outcome = state.ask(PART, &state.workflows, question, &caller).await?;
    outcome.map(Answer).map_err(|why| refusal::decide(&id, why))
}

/// The routes of approvals.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).routes(routes!(decide))
}
