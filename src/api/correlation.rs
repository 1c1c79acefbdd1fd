//! The outermost layer: one trace per request, from the client's `traceparent` to the journal.
//!
//! It opens the request's span, answers with the trace's id, fills it into problems, counts, and
//! turns a panic of a handler into a 500 instead of a closed connection.
//!
//! In: W3C Trace Context, `traceparent`; one that is not valid, or is sent twice, starts a new
//! trace. `tracestate` is dropped: nothing here reads it, and to pass it on it would have to stand
//! in every record of every task. Out: `traceresponse`, as the draft of level 3 has it, since
//! `traceparent` is a header of requests alone; and `X-Correlation-Id`, the trace by itself.
//!
//! The span covers a request until the head of its answer. What streams or is upgraded goes on
//! outside of it: a span of hours helps nobody.

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
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::problem::{Problem, ProblemType};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACERESPONSE: HeaderName = HeaderName::from_static("traceresponse");
const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// Who asks, and in which trace: goes along with every message that the request causes.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The principal: of the token, or anonymous where the node asks for none.
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
    fn correlate(&self, parent: Option<Correlation>) -> Correlation {
        let entropy = self.0.entropy();
        parent.map_or_else(|| Correlation::new(entropy), |parent| parent.child(entropy))
    }
}

/// The client's span, if it sent a valid one, once.
fn parent(headers: &HeaderMap) -> Option<Correlation> {
    let mut sent = headers.get_all(TRACEPARENT).iter();
    let (first, None) = (sent.next()?, sent.next()) else { return None };
    first.to_str().ok()?.parse().ok()
}

/// The layer.
pub(super) async fn trace(
    State(tracer): State<Tracer>,
    mut request: Request,
    next: Next,
) -> Response {
    let parent = parent(request.headers());
    let correlation = tracer.correlate(parent);
    // Known already when another node passes the request on.
    let passed_on = request.extensions().get::<Caller>();
    let principal = passed_on.map(|caller| caller.principal.clone()).unwrap_or_default();
    let caller = Caller { principal, correlation: Some(correlation) };
    request.extensions_mut().insert(caller);
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("(none)", MatchedPath::as_str);
    let span = span(&method, route, correlation, parent);
    let started = Instant::now();
    let mut response = run(next, request).instrument(span.clone()).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = retell(response, problem.occurred(uri.path(), correlation.trace_hex()));
    }
    let status = response.status().as_u16();
    span.record("status", status);
    span.in_scope(|| {
        tracing::debug!(path = uri.path(), elapsed = ?started.elapsed(), "request answered");
    });
    sign(response.headers_mut(), correlation);
    count(known(&method), route, status, started);
    response
}

/// The span of a request; where its level is off, nothing of it is even formatted.
fn span(
    method: &Method,
    route: &str,
    correlation: Correlation,
    parent: Option<Correlation>,
) -> Span {
    tracing::info_span!(
        "http.request",
        method = method.as_str(),
        route,
        status = Empty,
        trace_id = %correlation.trace_shown(),
        span_id = %correlation.span_shown(),
        parent_span_id = parent.map(|parent| tracing::field::display(parent.span_shown())),
    )
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
    if let (Some(context), Some(id)) =
        (text(correlation.traceparent()), text(correlation.trace_hex()))
    {
        headers.insert(TRACERESPONSE, context);
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
    use crate::logging::Written;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    async fn refuse() -> Problem {
        Problem::not_found("task", "x", "list them")
    }

    async fn fall() {
        panic!("on purpose");
    }

    async fn send(path: &str, parents: &[&str]) -> Response {
        let tracer = Tracer(System::builder().entropy(SeededEntropy::new(1)).build());
        let app: Router = Router::new()
            .route("/refuse", get(refuse))
            .route("/fall", get(fall))
            .layer(from_fn_with_state(tracer, trace));
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        for parent in parents {
            request.headers_mut().append(TRACEPARENT, parent.parse().unwrap());
        }
        app.oneshot(request).await.unwrap()
    }

    async fn answer(path: &str) -> (Response, serde_json::Value) {
        let (parts, body) = send(path, &[PARENT]).await.into_parts();
        let bytes = axum::body::to_bytes(body, 10_000).await.unwrap();
        let json = serde_json::from_slice(&bytes).unwrap_or_default();
        (Response::from_parts(parts, Body::empty()), json)
    }

    /// The trace and the span that an answer names.
    fn told(response: &Response) -> Correlation {
        let text = response.headers()[TRACERESPONSE].to_str().unwrap();
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn a_problem_carries_the_clients_trace_and_the_path() {
        let (response, problem) = answer("/refuse").await;
        assert_eq!(problem["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(problem["instance"], "/refuse");
        let (told, sent) = (told(&response), PARENT.parse::<Correlation>().unwrap());
        assert_eq!(told.trace_id(), sent.trace_id());
        assert_ne!(told.span_id(), sent.span_id(), "the node's span is its own");
        assert_eq!(response.headers()[CORRELATION_ID], told.trace_hex().as_str());
    }

    #[tokio::test]
    async fn a_traceparent_that_is_not_valid_or_sent_twice_starts_a_new_trace() {
        let upper = PARENT.to_uppercase();
        let sent = PARENT.parse::<Correlation>().unwrap();
        for parents in [&[][..], &["nonsense"], &[&upper], &[PARENT, PARENT]] {
            let told = told(&send("/refuse", parents).await);
            assert_ne!(told.trace_id(), sent.trace_id(), "{parents:?}");
        }
    }

    #[tokio::test]
    async fn the_span_says_what_was_asked_and_where_it_stands_in_the_trace() {
        let written = Written::default();
        let guard = written.listen();
        let told = told(&send("/refuse", &[PARENT]).await);
        send("/nowhere", &[]).await;
        drop(guard);
        let lines = written.lines();
        let answered = |line: &&String| line.contains("request answered");
        let answered: Vec<serde_json::Value> =
            lines.iter().filter(answered).map(|line| serde_json::from_str(line).unwrap()).collect();
        let [known, unknown] = &answered[..] else { panic!("two answers: {lines:?}") };
        assert_eq!(known["span"], "http.request");
        assert_eq!((&known["method"], &known["route"]), (&"GET".into(), &"/refuse".into()));
        assert_eq!(known["status"], 404);
        assert_eq!(known["trace_id"], told.trace_hex());
        assert_eq!(known["span_id"], told.span_shown().to_string());
        assert_eq!(known["parent_span_id"], "00f067aa0ba902b7");
        assert_eq!(unknown["route"], "(none)");
        assert!(unknown.get("parent_span_id").is_none(), "{unknown}");
    }

    #[tokio::test]
    async fn a_panic_is_answered_with_a_problem() {
        let (response, problem) = answer("/fall").await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(problem["type"], "urn:synod:problem:internal");
        assert!(problem["trace_id"].is_string());
    }
}
