//! Errors as RFC 9457 problems: what went wrong, which field, what was expected, what to do next.

mod types;

use std::borrow::Cow;
use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use synod_runtime::AskError;
use synod_workflows::DefinitionFault;
use utoipa::ToSchema;

pub use types::{ProblemFacts, ProblemType};

/// The media type of a problem (RFC 9457, section 3).
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Most characters of what a problem repeats of a request: a refusal is no echo of a megabyte.
const REPEATED: usize = 2_000;

/// A problem as it is sent: RFC 9457's members and six of our own.
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
    /// All that is wrong, where it may be more than one thing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<OneError>,
    /// What to do next.
    #[schema(value_type = String)]
    pub next_step: Cow<'static, str>,
    /// The trace this request belongs to: the same id is in the node's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Seconds after which a retry makes sense; also sent as `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
}

/// One of several things that are wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The field or key.
    pub field: String,
    /// What was expected there.
    pub expected: String,
    /// What came instead; absent where nothing came, or what may not be repeated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub got: Option<String>,
    /// Where it stands, if not in the request: `node.toml:3:1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// One of several things that are wrong: with a field, or with the text of a definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum OneError {
    /// A field or a key.
    Field(FieldError),
    /// A place in the text of a definition.
    Definition(DefinitionFault),
}

impl From<FieldError> for OneError {
    fn from(error: FieldError) -> Self {
        Self::Field(error)
    }
}

impl From<DefinitionFault> for OneError {
    fn from(fault: DefinitionFault) -> Self {
        Self::Definition(fault)
    }
}

/// A problem on its way to the client. Boxed: results that carry it stay small.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    missed: Option<Missed>,
    members: Box<ProblemMembers>,
}

impl Problem {
    /// A problem of this type, with what happened this time.
    #[must_use]
    pub fn new(kind: ProblemType, detail: impl Into<String>) -> Self {
        let ProblemFacts { slug, status, title, next_step } = kind.facts();
        let members = ProblemMembers {
            urn: format!("urn:synod:problem:{slug}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            instance: None,
            field: None,
            expected: None,
            got: None,
            errors: Vec::new(),
            next_step: Cow::Borrowed(next_step),
            trace_id: None,
            retry_after_s: None,
        };
        Self { status, missed: None, members: Box::new(members) }
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
    pub fn not_found(what: &str, id: &str, next_step: &'static str) -> Self {
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
        let mut problem = Self::new(kind, format!("the {part} did not answer: {why}"))
            .retry_after(Duration::from_secs(1))
            .next("try again; if it lasts, GET /api/v1/status shows the part and its last error");
        problem.missed = match why {
            AskError::Closed => Some(Missed::Untouched),
            AskError::Unanswered => Some(Missed::Unanswered),
            _ => None,
        };
        problem
    }

    /// A submission that was not answered: it may have been accepted all the same.
    #[must_use]
    pub fn perhaps_accepted(part: &str, why: &AskError) -> Self {
        let problem = Self::unanswered(part, why);
        if !matches!(why, AskError::Deadline | AskError::Unanswered) {
            return problem.untouched();
        }
        problem.next("it may have been accepted; send it again with the same Idempotency-Key")
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

    /// Names all that is wrong.
    #[must_use]
    pub fn errors<E: Into<OneError>>(mut self, errors: impl IntoIterator<Item = E>) -> Self {
        self.members.errors = errors.into_iter().map(Into::into).collect();
        self
    }

    /// Says that it is certain that nothing was done: another node may be asked.
    #[must_use]
    pub fn untouched(mut self) -> Self {
        self.missed = Some(Missed::Untouched);
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn next(mut self, step: impl Into<Cow<'static, str>>) -> Self {
        self.members.next_step = step.into();
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

/// What a refusal says of the request, in the extensions of the response: the work may have been on
/// its way to another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Missed {
    /// It is certain that nothing was done: it can be asked again.
    Untouched,
    /// Who had it ended before it answered: a question can be asked again.
    Unanswered,
}

impl Missed {
    /// Whether the same request can be sent again.
    #[must_use]
    pub fn may_be_repeated(self, is_question: bool) -> bool {
        self == Self::Untouched || is_question
    }
}

impl IntoResponse for Problem {
    /// Renders the problem, and leaves it in the response's extensions, so that the outermost layer
    /// can add path and trace id once for all.
    fn into_response(mut self) -> Response {
        clip(&mut self.members.detail);
        for text in [&mut self.members.field, &mut self.members.got].into_iter().flatten() {
            clip(text);
        }
        let body = serde_json::to_vec(&self.members).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = self.members.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(missed) = self.missed {
            response.extensions_mut().insert(missed);
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Cuts a text that is too long to be repeated.
fn clip(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(REPEATED) {
        text.truncate(end);
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_problem_has_a_urn_of_its_own() {
        let mut slugs: Vec<_> = ProblemType::ALL.iter().map(|kind| kind.facts().slug).collect();
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

    #[tokio::test]
    async fn a_problem_repeats_no_megabyte_of_the_request() {
        let long = "é".repeat(1_000_000);
        let response = Problem::invalid(long.clone(), "a name", long).into_response();
        let bytes = axum::body::to_bytes(response.into_body(), 20_000).await.unwrap();
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        for member in ["detail", "field", "got"] {
            assert_eq!(json[member].as_str().unwrap().chars().count(), REPEATED + 1);
        }
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
