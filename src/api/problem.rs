//! Errors as RFC 9457 problems: what went wrong, which field, what was expected, what to do next.

use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use synod_runtime::AskError;
use utoipa::ToSchema;

/// The media type of a problem (RFC 9457, section 3).
pub const PROBLEM_JSON: &str = "application/problem+json";

/// The closed set of problems this API answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemType {
    /// The body is not JSON.
    MalformedJson,
    /// The request can't be understood at the HTTP level.
    BadRequest,
    /// A field, parameter or value is not one that this route takes.
    InvalidField,
    /// The node's configuration has faults.
    InvalidConfig,
    /// No agent has what the task requires.
    NoCapableAgent,
    /// The body is not `application/json`.
    UnsupportedMediaType,
    /// The body is larger than the limit.
    BodyTooLarge,
    /// The body did not arrive in time.
    BodyTooSlow,
    /// A foreign Host or Origin.
    Forbidden,
    /// Nothing has this id or path.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// What was asked for contradicts the present state.
    Conflict,
    /// The idempotency key was used with another body.
    IdempotencyConflict,
    /// The first request with this idempotency key is not yet answered.
    IdempotencyInFlight,
    /// The queue is full.
    QueueFull,
    /// As many streams are open as the node allows.
    TooManyStreams,
    /// The node can't take this now: the journal does not accept, or it drains, or a part is
    /// restarting.
    Unavailable,
    /// A part of the node did not answer within its deadline.
    Overloaded,
    /// A fault of the node.
    Internal,
}

impl ProblemType {
    /// Every problem, for the document that describes them.
    pub const ALL: [Self; 19] = [
        Self::MalformedJson,
        Self::BadRequest,
        Self::InvalidField,
        Self::InvalidConfig,
        Self::NoCapableAgent,
        Self::UnsupportedMediaType,
        Self::BodyTooLarge,
        Self::BodyTooSlow,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::IdempotencyConflict,
        Self::IdempotencyInFlight,
        Self::QueueFull,
        Self::TooManyStreams,
        Self::Unavailable,
        Self::Overloaded,
        Self::Internal,
    ];

    /// The last part of the problem's URN, its status and its title.
    #[must_use]
    pub const fn facts(self) -> (&'static str, StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::MalformedJson => ("malformed-json", S::BAD_REQUEST, "The body is not valid JSON"),
            Self::BadRequest => ("bad-request", S::BAD_REQUEST, "The request is malformed"),
            Self::InvalidField => {
                ("invalid-field", S::UNPROCESSABLE_ENTITY, "A field is not valid")
            }
            Self::InvalidConfig => {
                ("invalid-config", S::UNPROCESSABLE_ENTITY, "The configuration is not valid")
            }
            Self::NoCapableAgent => {
                ("no-capable-agent", S::UNPROCESSABLE_ENTITY, "No agent can do this task")
            }
            Self::UnsupportedMediaType => {
                ("unsupported-media-type", S::UNSUPPORTED_MEDIA_TYPE, "Only JSON is taken")
            }
            Self::BodyTooLarge => ("body-too-large", S::PAYLOAD_TOO_LARGE, "The body is too large"),
            Self::BodyTooSlow => ("body-too-slow", S::REQUEST_TIMEOUT, "The body came too slowly"),
            Self::Forbidden => ("forbidden", S::FORBIDDEN, "The request is refused"),
            Self::NotFound => ("not-found", S::NOT_FOUND, "There is nothing here"),
            Self::MethodNotAllowed => {
                ("method-not-allowed", S::METHOD_NOT_ALLOWED, "The method is not supported here")
            }
            Self::Conflict => ("conflict", S::CONFLICT, "The present state does not allow this"),
            Self::IdempotencyConflict => (
                "idempotency-conflict",
                S::UNPROCESSABLE_ENTITY,
                "The idempotency key was used with another body",
            ),
            Self::IdempotencyInFlight => (
                "idempotency-in-flight",
                S::CONFLICT,
                "The first request with this idempotency key is still in flight",
            ),
            Self::QueueFull => ("queue-full", S::TOO_MANY_REQUESTS, "The queue is full"),
            Self::TooManyStreams => {
                ("too-many-streams", S::SERVICE_UNAVAILABLE, "Too many streams are open")
            }
            Self::Unavailable => ("unavailable", S::SERVICE_UNAVAILABLE, "Not available now"),
            Self::Overloaded => {
                ("overloaded", S::SERVICE_UNAVAILABLE, "The node did not answer in time")
            }
            Self::Internal => ("internal", S::INTERNAL_SERVER_ERROR, "The node made a mistake"),
        }
    }
}

/// A problem as it is sent: RFC 9457's members and five of our own.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemMembers {
    /// A URN that names the kind of problem, such as `urn:synod:problem:queue-full`.
    #[serde(rename = "type")]
    pub urn: String,
    /// The same sentence for each problem of this type.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// The path that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The field, parameter or header that is wrong, such as `retry.max_attempts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What was expected there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What came instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub got: Option<String>,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_step: Option<String>,
    /// The trace this request belongs to: the same id is in the node's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Seconds after which a retry makes sense; also sent as `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
}

/// A problem on its way to the client. Boxed: results that carry it stay small.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    members: Box<ProblemMembers>,
}

impl Problem {
    /// A problem of this type, with what happened this time.
    #[must_use]
    pub fn new(kind: ProblemType, detail: impl Into<String>) -> Self {
        let (slug, status, title) = kind.facts();
        let members = ProblemMembers {
            urn: format!("urn:synod:problem:{slug}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            instance: None,
            field: None,
            expected: None,
            got: None,
            next_step: None,
            trace_id: None,
            retry_after_s: None,
        };
        Self { status, members: Box::new(members) }
    }

    /// A field that holds something else than was expected.
    #[must_use]
    pub fn invalid(
        field: impl Into<String>,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> Self {
        let (field, expected, got) = (field.into(), expected.into(), got.into());
        let detail = format!("`{field}`: expected {expected}, got {got}");
        Self::new(ProblemType::InvalidField, detail).field(field).expected(expected, got)
    }

    /// Nothing of this sort has this id.
    #[must_use]
    pub fn not_found(what: &str, id: &str, next_step: &str) -> Self {
        Self::new(ProblemType::NotFound, format!("there is no {what} {id:?}")).next(next_step)
    }

    /// An ask to a part of the node that was not answered.
    #[must_use]
    pub fn unanswered(part: &str, why: &AskError) -> Self {
        let kind = match why {
            AskError::Full | AskError::Deadline => ProblemType::Overloaded,
            AskError::SelfAsk => ProblemType::Internal,
            _ => ProblemType::Unavailable,
        };
        Self::new(kind, format!("the {part} did not answer: {why}"))
            .retry_after(Duration::from_secs(1))
            .next("try again; if it lasts, GET /api/v1/status shows the part and its last error")
    }

    /// Names the field, parameter or header that is wrong.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.members.field = Some(field.into());
        self
    }

    /// Says what was expected and what came.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>, got: impl Into<String>) -> Self {
        self.members.expected = Some(expected.into());
        self.members.got = Some(got.into());
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn next(mut self, step: impl Into<String>) -> Self {
        self.members.next_step = Some(step.into());
        self
    }

    /// Says when a retry makes sense, rounded up to a second.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.members.retry_after_s = Some(after.as_millis().div_ceil(1_000).max(1) as u64);
        self
    }

    /// Marks the occurrence: the path that was asked for and the trace it belongs to.
    #[must_use]
    pub(super) fn occurred(mut self, path: &str, trace_id: String) -> Self {
        self.members.instance = Some(path.to_owned());
        self.members.trace_id = Some(trace_id);
        self
    }

    /// The HTTP status of this problem.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What is sent.
    #[must_use]
    pub fn members(&self) -> &ProblemMembers {
        &self.members
    }
}

impl IntoResponse for Problem {
    /// Renders the problem, and leaves it in the response's extensions, so that the outermost layer
    /// can add path and trace id once for all.
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.members).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = self.members.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_problem_has_a_urn_of_its_own() {
        let mut slugs: Vec<_> = ProblemType::ALL.iter().map(|kind| kind.facts().0).collect();
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), ProblemType::ALL.len());
    }

    #[tokio::test]
    async fn a_problem_names_field_expectation_and_next_step() {
        let problem = Problem::invalid("priority", "one of `low`, `high`", "`urgent`")
            .next("see /openapi.json");
        let response = problem.into_response();
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(response.headers()[CONTENT_TYPE], PROBLEM_JSON);
        let bytes = axum::body::to_bytes(response.into_body(), 4_096).await.unwrap();
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(json["type"], "urn:synod:problem:invalid-field");
        assert_eq!(json["field"], "priority");
        assert_eq!(json["expected"], "one of `low`, `high`");
        assert_eq!(json["next_step"], "see /openapi.json");
        assert!(json.get("retry_after_s").is_none());
    }

    #[test]
    fn a_full_mailbox_and_a_missed_deadline_ask_the_client_to_come_back() {
        for why in [AskError::Full, AskError::Deadline, AskError::Closed] {
            let response = Problem::unanswered("task engine", &why).into_response();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(response.headers()[RETRY_AFTER], "1");
        }
    }

    #[test]
    fn a_retry_time_is_rounded_up_to_a_whole_second() {
        let problem = Problem::new(ProblemType::QueueFull, "full");
        assert_eq!(
            problem.clone().retry_after(Duration::from_millis(1_001)).members.retry_after_s,
            Some(2)
        );
        assert_eq!(problem.retry_after(Duration::ZERO).members.retry_after_s, Some(1));
    }
}
