//! The outermost layer: one trace per request, from the client's `traceparent` to the journal.
//!
//! It starts the span, answers with the trace's id, fills it into problems, counts, and turns a
//! panic of a handler into a 500 instead of a closed connection.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use synod_runtime::{Correlation, Principal, SendOptions, System};
use tracing::Instrument;
use tracing::field::Empty;

use super::problem::{Problem, ProblemType};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// Who asks, and in which trace: goes along with every message that the request causes.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The principal; anonymous, since only loopback reaches a node without authentication.
    pub principal: Principal,
    /// The span of this request.
    pub correlation: Option<Correlation>,
}

impl Caller {
    /// Options for the messages that this request causes.
    pub fn options(&self) -> SendOptions {
        let options = SendOptions::new().principal(self.principal.clone());
        match self.correlation {
            Some(correlation) => options.correlation(correlation),
            None => options,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let known = parts.extensions.get::<Self>().cloned();
        Ok(known.unwrap_or_else(|| Self { principal: Principal::default(), correlation: None }))
    }
}

/// Starts traces, from the randomness of its node.
#[derive(Clone)]
pub(super) struct Tracer(pub System);

impl Tracer {
    /// A child of the client's span, or a new trace when it sent none or no valid one.
    fn correlate(&self, headers: &HeaderMap) -> Correlation {
        let given = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()?.parse().ok());
        let parent: Option<Correlation> = given;
        let entropy = self.0.entropy();
        parent.map_or_else(|| Correlation::new(entropy), |parent| parent.child(entropy))
    }
}

/// The layer.
pub(super) async fn trace(
    State(tracer): State<Tracer>,
    mut request: Request,
    next: Next,
) -> Response {
    let correlation = tracer.correlate(request.headers());
    let caller = Caller { principal: Principal::default(), correlation: Some(correlation) };
    request.extensions_mut().insert(caller);
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let trace_id = correlation.trace_hex();
    let span = tracing::info_span!("http_request", %method, path, trace_id, status = Empty);
    let started = Instant::now();
    let mut response = run(next, request).instrument(span.clone()).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = retell(response, problem.occurred(&path, trace_id));
    }
    let status = response.status();
    span.record("status", status.as_u16());
    span.in_scope(|| tracing::debug!(elapsed = ?started.elapsed(), "request answered"));
    sign(response.headers_mut(), correlation);
    let route = route.as_ref().map_or("(none)", MatchedPath::as_str);
    count(known(&method), route, status.as_u16(), started);
    response
}

async fn run(next: Next, request: Request) -> Response {
    AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!("a request handler panicked");
        Problem::new(ProblemType::Internal, "the request could not be handled").into_response()
    })
}

/// Renders a problem again, now that path and trace are known; headers set further in are kept.
fn retell(inner: Response, problem: Problem) -> Response {
    let mut outer = problem.into_response();
    outer.extensions_mut().remove::<Problem>();
    for (name, value) in inner.headers() {
        if name != axum::http::header::CONTENT_LENGTH {
            outer.headers_mut().insert(name, value.clone());
        }
    }
    outer
}

fn sign(headers: &mut HeaderMap, correlation: Correlation) {
    let text = |text: String| HeaderValue::try_from(text).ok();
    if let (Some(parent), Some(id)) =
        (text(correlation.traceparent()), text(correlation.trace_hex()))
    {
        headers.insert(TRACEPARENT, parent);
        headers.insert(CORRELATION_ID, id);
    }
}

/// A client may invent methods; a metric must not grow by them.
fn known(method: &Method) -> &str {
    match *method {
        Method::GET | Method::HEAD | Method::POST | Method::PATCH | Method::DELETE => {
            method.as_str()
        }
        _ => "other",
    }
}

fn count(method: &str, route: &str, status: u16, started: Instant) {
    let labels = [
        ("method", method.to_owned()),
        ("route", route.to_owned()),
        ("status", status.to_string()),
    ];
    metrics::counter!("synod_http_requests_total", &labels).increment(1);
    metrics::histogram!("synod_http_request_seconds", "route" => route.to_owned())
        .record(started.elapsed());
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use synod_runtime::SeededEntropy;
    use tower::ServiceExt;

    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    async fn refuse() -> Problem {
        Problem::not_found("task", "x", "list them")
    }

    async fn fall() {
        panic!("on purpose");
    }

    async fn answer(path: &str) -> (Response, serde_json::Value) {
        let tracer = Tracer(System::builder().entropy(SeededEntropy::new(1)).build());
        let app: Router = Router::new()
            .route("/refuse", get(refuse))
            .route("/fall", get(fall))
            .layer(from_fn_with_state(tracer, trace));
        let request = Request::get(path).header("traceparent", PARENT).body(Body::empty());
        let response = app.oneshot(request.unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 10_000).await.unwrap();
        let json = serde_json::from_slice(&bytes).unwrap_or_default();
        (Response::from_parts(parts, Body::empty()), json)
    }

    #[tokio::test]
    async fn a_problem_carries_the_clients_trace_and_the_path() {
        let (response, problem) = answer("/refuse").await;
        assert_eq!(problem["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(problem["instance"], "/refuse");
        let parent = response.headers()["traceparent"].to_str().unwrap();
        assert!(parent.starts_with(&PARENT[..36]) && parent != PARENT, "{parent}");
    }

    #[tokio::test]
    async fn a_panic_is_answered_with_a_problem() {
        let (response, problem) = answer("/fall").await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(problem["type"], "urn:synod:problem:internal");
        assert!(problem["trace_id"].is_string());
    }
}
