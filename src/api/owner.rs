//! Requests that another node has to answer: those about work, when its owner is elsewhere.
//!
//! ```text
//!  client ─▶ any node: trace, guard ─▶ to_owner ─┬─ it is here ─▶ routes
//!                                                └─ elsewhere ──▶ link ─▶ its routes, as asked
//! ```
//!
//! The node that was asked has judged who asks and passes that on; the owner answers, and the
//! answer goes back unchanged. Never: a request that may have been carried out is sent again.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use synod_runtime::Principal;
use tower::ServiceExt;

use super::ApiState;
use super::access::Groups;
use super::correlation::Caller;
use super::json::{BodyLimits, read};
use super::problem::{Missed, Problem, ProblemType};

/// Where the routes about work begin.
const OF_WORK: [&str; 6] = [
    "/api/v1/orchestration",
    "/api/v1/workflows",
    "/api/v1/plans",
    "/api/v1/approvals",
    "/api/v1/messages",
    "/api/v1/coordination",
];

/// What begins there and is answered by the node that is asked, whoever leads the work.
const OF_NODE: &str = "/api/v1/coordination/shared";

/// Headers that mean something to the owner.
const PASSED_ON: [HeaderName; 3] =
    [header::CONTENT_TYPE, header::ACCEPT, HeaderName::from_static("idempotency-key")];

/// The header that carries the trace.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Headers of an answer that stay between the two nodes.
const KEPT_BACK: [HeaderName; 3] =
    [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION];

/// A request on its way to the owner of what it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerRequest {
    /// The method.
    pub method: String,
    /// Path and query.
    pub uri: String,
    /// The headers that matter there.
    pub headers: Vec<(String, String)>,
    /// Who asks, as the node that was asked found.
    pub principal: Principal,
    /// The names that approvals know as roles, of who asks.
    pub groups: Vec<Arc<str>>,
    /// The body.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

/// What the owner answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerAnswer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
    /// What a refusal says of the request; none of any other answer.
    pub missed: Option<Missed>,
}

/// Why the owner gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OwnerError {
    /// There is none at the moment, or it can't be reached. It has not got the request.
    #[error("{0}")]
    Away(String),
    /// It may have got the request, and may have carried it out.
    #[error("{0}")]
    Unknown(String),
}

impl OwnerRequest {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_question(&self) -> bool {
        Method::from_bytes(self.method.as_bytes()).is_ok_and(|method| is_question(&method))
    }
}

/// Knows who owns the work; the cluster supplies it.
pub trait Owner: Send + Sync + 'static {
    /// Whether it is this node.
    fn is_here(&self) -> bool;

    /// Has the owner answer, in at most this time.
    fn ask(
        &self,
        request: OwnerRequest,
        within: Duration,
    ) -> BoxFuture<'_, Result<OwnerAnswer, OwnerError>>;
}

/// The layer: what is about work goes to its owner.
pub(super) async fn to_owner(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Response {
    let Some(owner) = state.owner.as_ref().filter(|_| is_of_work(request.uri().path())) else {
        return next.run(request).await;
    };
    if owner.is_here() {
        return here(&state, &**owner, request, next).await;
    }
    ask(&state, &**owner, request).await.unwrap_or_else(IntoResponse::into_response)
}

/// Answers here. What the work left behind on its way to another node goes after it: a question,
/// or what was refused before anything was done.
async fn here(state: &ApiState, owner: &dyn Owner, request: Request, next: Next) -> Response {
    let is_question = is_question(request.method());
    let (request, again) = match twice(state, request).await {
        Ok(both) => both,
        Err(problem) => return problem.into_response(),
    };
    let response = next.run(request).await;
    let missed = response.extensions().get::<Missed>();
    if !missed.is_some_and(|missed| missed.may_be_repeated(is_question)) {
        return response;
    }
    ask(state, owner, again).await.unwrap_or_else(IntoResponse::into_response)
}

/// Whether a request changes nothing (RFC 9110, section 9.2.1).
fn is_question(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// The request, and once more the same.
async fn twice(state: &ApiState, request: Request) -> Result<(Request, Request), Problem> {
    let (parts, body) = request.into_parts();
    let body = read(&parts.headers, body, state.config.body()).await?;
    let again = Request::from_parts(parts.clone(), Body::from(body.clone()));
    Ok((Request::from_parts(parts, Body::from(body)), again))
}

fn is_of_work(path: &str) -> bool {
    !is_below(OF_NODE, path) && OF_WORK.iter().any(|prefix| is_below(prefix, path))
}

fn is_below(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

async fn ask(state: &ApiState, owner: &dyn Owner, request: Request) -> Result<Response, Problem> {
    let within = state.config.ask_timeout() + Duration::from_secs(state.config.max_wait_s);
    let request = packed(request, state.config.body()).await?;
    let answer = owner.ask(request, within).await.map_err(|why| match why {
        OwnerError::Away(reason) => Problem::new(ProblemType::Unavailable, reason)
            .retry_after(Duration::from_secs(1))
            .next("try again: a new owner is chosen within seconds while most nodes are there"),
        OwnerError::Unknown(reason) => Problem::new(ProblemType::Unavailable, reason)
            .retry_after(Duration::from_secs(1))
            .next("it may have been carried out: look, or repeat it with its idempotency key"),
    })?;
    unpacked(answer)
}

async fn packed(request: Request, limits: BodyLimits) -> Result<OwnerRequest, Problem> {
    let (parts, body) = request.into_parts();
    let caller = parts.extensions.get::<Caller>();
    let principal = caller.map(|caller| caller.principal.clone()).unwrap_or_default();
    let Groups(groups) = parts.extensions.get().cloned().unwrap_or_default();
    let correlation = caller.and_then(|caller| caller.correlation);
    let text = |name: &HeaderName| {
        let value = parts.headers.get(name)?.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    };
    let traced = correlation.map(|span| (TRACEPARENT.as_str().to_owned(), span.to_string()));
    let body = read(&parts.headers, body, limits).await?;
    Ok(OwnerRequest {
        method: parts.method.as_str().to_owned(),
        uri: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
        headers: PASSED_ON.iter().filter_map(text).chain(traced).collect(),
        principal,
        groups: groups.to_vec(),
        body,
    })
}

fn unpacked(answer: OwnerAnswer) -> Result<Response, Problem> {
    let strange = || Problem::new(ProblemType::Internal, "the owner's answer is not HTTP");
    let status = StatusCode::from_u16(answer.status).map_err(|_| strange())?;
    let mut response = (status, answer.body).into_response();
    response.headers_mut().clear();
    for (name, value) in answer.headers {
        let name = HeaderName::try_from(name).map_err(|_| strange())?;
        let value = HeaderValue::try_from(value).map_err(|_| strange())?;
        response.headers_mut().append(name, value);
    }
    Ok(response)
}

/// Answers requests that other nodes pass on.
#[derive(Clone)]
pub struct OwnerDesk {
    routes: Router,
    most: usize,
}

impl OwnerDesk {
    /// A desk over the routes of this node, whose answers have at most `most` bytes.
    #[must_use]
    pub fn new(state: ApiState, most: usize) -> Self {
        Self { routes: super::passed_on(state), most }
    }

    /// Answers as this node would if it were asked itself.
    pub async fn answer(&self, request: OwnerRequest) -> OwnerAnswer {
        let response = match asked(request).and_then(of_work) {
            Ok(request) => match self.routes.clone().oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
            Err(problem) => problem.into_response(),
        };
        let (parts, body) = response.into_parts();
        let Ok(body) = to_bytes(body, self.most).await else {
            let detail = format!("the answer has more than {} bytes", self.most);
            return plain(Problem::new(ProblemType::Internal, detail).into_response()).await;
        };
        let missed = parts.extensions.get::<Missed>().copied();
        OwnerAnswer { missed, ..answer_of(parts.status, &parts.headers, &body) }
    }
}

async fn plain(response: Response) -> OwnerAnswer {
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    answer_of(parts.status, &parts.headers, &body)
}

fn answer_of(status: StatusCode, headers: &axum::http::HeaderMap, body: &Bytes) -> OwnerAnswer {
    let kept = headers.iter().filter(|(name, _)| !KEPT_BACK.contains(name));
    let text = kept.filter_map(|(name, value)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    });
    let (status, headers, body) = (status.as_u16(), text.collect(), body.to_vec());
    OwnerAnswer { status, headers, body, missed: None }
}

/// Nothing but work is answered for: all else belongs to the node that was asked.
fn of_work(request: Request) -> Result<Request, Problem> {
    let path = request.uri().path();
    if is_of_work(path) {
        return Ok(request);
    }
    Err(Problem::not_found("route for other nodes", path, "ask the node itself"))
}

fn asked(request: OwnerRequest) -> Result<Request, Problem> {
    let strange = |what| Problem::new(ProblemType::BadRequest, format!("{what} is not HTTP"));
    let method =
        Method::from_bytes(request.method.as_bytes()).map_err(|_| strange("the method"))?;
    let uri: Uri = request.uri.parse().map_err(|_| strange("the URI"))?;
    let mut asked = Request::new(Body::from(request.body));
    (*asked.method_mut(), *asked.uri_mut()) = (method, uri);
    for (name, value) in request.headers {
        let name = HeaderName::try_from(name).map_err(|_| strange("a header"))?;
        let value = HeaderValue::try_from(value).map_err(|_| strange("a header"))?;
        asked.headers_mut().append(name, value);
    }
    asked.extensions_mut().insert(Caller { principal: request.principal, correlation: None });
    asked.extensions_mut().insert(Groups(request.groups.into()));
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_state_is_asked_where_it_is_and_all_else_of_coordination_at_its_owner() {
        assert!(is_of_work("/api/v1/coordination"));
        assert!(is_of_work("/api/v1/coordination/ballot"));
        assert!(is_of_work("/api/v1/coordination/shared-ride"));
        assert!(!is_of_work("/api/v1/coordination/shared"));
        assert!(!is_of_work("/api/v1/coordination/shared/board"));
    }

    #[tokio::test]
    async fn who_asks_goes_along_and_no_header_can_say_so_instead() {
        let ada = Principal::user("ada");
        let mut request = Request::post("/api/v1/approvals/1/decide?x=1")
            .header("authorization", "Bearer secret")
            .header("content-type", "application/json")
            .body(Body::from("{}"))
            .unwrap();
        let boss = Groups(Arc::from([Arc::from("boss")]));
        request.extensions_mut().insert(Caller { principal: ada.clone(), correlation: None });
        request.extensions_mut().insert(boss);
        let limits = BodyLimits { max_bytes: 100, within: Duration::from_secs(1) };
        let packed = packed(request, limits).await.unwrap();
        assert_eq!(packed.uri, "/api/v1/approvals/1/decide?x=1");
        assert!(!packed.headers.iter().any(|(name, _)| name == "authorization"));
        let asked = asked(packed).unwrap();
        let Groups(groups) = asked.extensions().get().unwrap();
        assert_eq!(groups.join(","), "boss");
        assert_eq!(asked.extensions().get::<Caller>().unwrap().principal, ada);
    }
}
