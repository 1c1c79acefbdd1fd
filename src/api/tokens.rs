//! `/api/v1/tokens`: issue, list and take back tokens; for administrators.

use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use synod_runtime::{Ask, PrincipalKind, Request};
use synod_security::{
    IssueToken, ListTokens, RevokeToken, Role, TokenError, TokenRecord, TokenRequest, TokensMessage,
};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::ApiState;
use super::correlation::Caller;
use super::json::Json;
use super::problem::{Problem, ProblemType};
use super::request::Segment;

/// What is asked, for problems.
const PART: &str = "actor of tokens";

/// Who is to get a token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TokenIssueRequest {
    /// Whose it is: the name that decisions and records carry. 1 to 200 characters.
    subject: String,
    /// `user` or `agent`; default `user`.
    #[schema(value_type = Option<String>)]
    kind: Option<PrincipalKind>,
    /// One or more of `viewer`, `submitter`, `approver`, `operator`, `admin`, `agent`.
    #[schema(value_type = Vec<String>)]
    roles: Vec<Role>,
    /// Names that definitions use as roles of approvals. At most 32.
    #[serde(default)]
    groups: Vec<String>,
    /// The only node that takes it, by name; absent: every node of the audience.
    node: Option<String>,
    /// Seconds for which it is valid; absent: `security.token_s`.
    valid_s: Option<u64>,
    /// From when on it is valid; absent: at once.
    #[schema(value_type = Option<String>)]
    not_before: Option<Timestamp>,
}

/// A token without its text, which nobody keeps.
#[derive(Debug, Serialize, ToSchema)]
struct TokenView {
    /// Its id.
    #[schema(value_type = String)]
    token_id: Uuid,
    /// Whose it is.
    subject: String,
    /// `user` or `agent`.
    #[schema(value_type = String)]
    kind: PrincipalKind,
    /// What it may do.
    #[schema(value_type = Vec<String>)]
    roles: Vec<Role>,
    /// Names that definitions use as roles of approvals.
    groups: Vec<String>,
    /// The only node that takes it.
    node: Option<String>,
    /// When it was issued.
    #[schema(value_type = String)]
    issued_at: Timestamp,
    /// From when on it is valid.
    #[schema(value_type = String)]
    not_before: Timestamp,
    /// From when on it is no longer valid.
    #[schema(value_type = String)]
    expires_at: Timestamp,
    /// When it was taken back.
    #[schema(value_type = Option<String>)]
    revoked_at: Option<Timestamp>,
}

/// A new token.
#[derive(Debug, Serialize, ToSchema)]
struct TokenIssued {
    /// What to send as `Authorization: Bearer …`. It is told this once.
    token: String,
    #[serde(flatten)]
    about: TokenView,
}

/// The tokens that have not expired.
#[derive(Debug, Serialize, ToSchema)]
struct TokenList {
    /// The one issued last first.
    tokens: Vec<TokenView>,
}

impl From<TokenRecord> for TokenView {
    fn from(record: TokenRecord) -> Self {
        Self {
            token_id: record.id,
            subject: record.subject,
            kind: record.kind,
            roles: record.roles.iter().collect(),
            groups: record.groups,
            node: record.node,
            issued_at: record.issued_at,
            not_before: record.not_before,
            expires_at: record.expires_at,
            revoked_at: record.revoked_at,
        }
    }
}

/// Issues a token. Its text is in the answer and nowhere else.
#[utoipa::path(
    post,
    path = "/api/v1/tokens",
    tag = "node",
    request_body = TokenIssueRequest,
    responses(
        (status = 201, description = "The token", body = TokenIssued),
        (status = 400, description = "The body is not JSON"),
        (status = 409, description = "The node takes no tokens: `http.auth` is `none`"),
        (status = 415, description = "The body is not `application/json`"),
        (status = 422, description = "A field is not valid"),
        (status = 429, description = "As many tokens are valid as may be"),
        (status = 503, description = "The security folder can't be written"),
    )
)]
async fn issue(
    State(state): State<ApiState>,
    caller: Caller,
    Json(request): Json<TokenIssueRequest>,
) -> Result<(StatusCode, Answer<TokenIssued>), Problem> {
    let wanted = TokenRequest {
        subject: request.subject,
        kind: request.kind.unwrap_or(PrincipalKind::User),
        roles: request.roles.into_iter().collect(),
        groups: request.groups,
        node: request.node,
        valid: request.valid_s.map(Duration::from_secs),
        not_before: request.not_before,
    };
    let issued = ask(&state, IssueToken(wanted), &caller).await?.map_err(refused)?;
    let (by, token_id) = (&caller.principal, issued.record.id);
    let (subject, roles) = (&issued.record.subject, issued.record.roles);
    tracing::info!(target: "synod::audit", %by, %token_id, subject, %roles, "token issued");
    let about = issued.record.into();
    Ok((StatusCode::CREATED, Answer(TokenIssued { token: issued.token, about })))
}

/// Lists the tokens that have not expired, those that were taken back included.
#[utoipa::path(
    get,
    path = "/api/v1/tokens",
    tag = "node",
    responses(
        (status = 200, description = "The tokens", body = TokenList),
        (status = 409, description = "The node takes no tokens: `http.auth` is `none`"),
        (status = 503, description = "The security folder can't be read"),
    )
)]
async fn list(State(state): State<ApiState>, caller: Caller) -> Result<Answer<TokenList>, Problem> {
    let records = ask(&state, ListTokens, &caller).await?.map_err(refused)?;
    Ok(Answer(TokenList { tokens: records.into_iter().map(TokenView::from).collect() }))
}

/// Takes a token back: it is refused from now on, and streams that were opened with it end.
#[utoipa::path(
    delete,
    path = "/api/v1/tokens/{token_id}",
    tag = "node",
    params(("token_id" = String, Path, description = "The id of the token")),
    responses(
        (status = 200, description = "It is revoked, now or before", body = TokenView),
        (status = 404, description = "Unknown, or expired"),
        (status = 409, description = "The node takes no tokens: `http.auth` is `none`"),
        (status = 503, description = "The security folder can't be written"),
    )
)]
async fn revoke(
    State(state): State<ApiState>,
    caller: Caller,
    Segment(id): Segment,
) -> Result<Answer<TokenView>, Problem> {
    let next = "GET /api/v1/tokens lists them";
    let token_id: Uuid =
        id.parse().map_err(|_| Problem::not_found("token", &id, next).field("token_id"))?;
    let revoked = ask(&state, RevokeToken(token_id), &caller).await?.map_err(refused)?;
    let by = &caller.principal;
    tracing::info!(target: "synod::audit", %by, %token_id, "token revoked");
    Ok(Answer(revoked.into()))
}

async fn ask<Q>(state: &ApiState, question: Q, caller: &Caller) -> Result<Q::Reply, Problem>
where
    TokensMessage: From<Request<Q>>,
    Q: Ask,
{
    let access = state.access.as_ref().ok_or_else(|| {
        Problem::new(ProblemType::Conflict, "this node takes no tokens: http.auth is \"none\"")
            .next("set http.auth = \"tokens\" and start the node again")
    })?;
    state.ask(PART, &access.tokens, question, caller).await
}

fn refused(why: TokenError) -> Problem {
    match why {
        TokenError::Request(fault) => {
            // The configuration calls what is limited by another name than the request.
            Problem::invalid(fault.field, fault.expected, fault.got)
        }
        TokenError::TooMany { .. } => Problem::new(ProblemType::LimitReached, why.to_string())
            .next("wait until some expire, or raise security.max_tokens"),
        TokenError::Unknown(id) => {
            Problem::not_found("token", &id.to_string(), "GET /api/v1/tokens lists them")
        }
        TokenError::Unsigned | TokenError::Files(_) => {
            Problem::new(ProblemType::Unavailable, why.to_string())
                .next("look at the folder `security` in the node's data")
        }
    }
}

/// The routes of tokens.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(issue, list)).routes(routes!(revoke))
}
