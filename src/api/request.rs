//! Path and query of a request, with problems where axum would answer in plain text.

use std::time::Duration;

use axum::extract::{FromRequestParts, Query as AxumQuery, RawPathParams};
use axum::http::request::Parts;
use axum::http::{HeaderName, Uri};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;
use uuid::Uuid;

use super::ApiState;
use super::json::{mismatch, quoted};
use super::problem::Problem;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The first parameter of a path, percent-decoded.
#[derive(Debug, Clone)]
pub(super) struct Segment(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|why| Problem::invalid("(path)", "percent-encoded UTF-8", why.body_text()))?;
        let value = params.iter().next().map(|(_, value)| value.to_owned());
        Ok(Self(value.unwrap_or_default()))
    }
}

/// The id of a task in the path.
#[derive(Debug, Clone, Copy)]
pub(super) struct TaskId(pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for TaskId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Segment(text) = Segment::from_request_parts(parts, state).await?;
        // What can't be an id names nothing: 404, so that a client has one answer to look for.
        text.parse().map(Self).map_err(|_| {
            Problem::not_found(
                "task",
                &text,
                "task ids are UUIDs, as answered when a task is accepted",
            )
            .field("task_id")
            .expected("a UUID", text.clone())
        })
    }
}

/// How long to wait for the end of a task or of a run.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WaitQuery {
    /// Seconds to wait for the end before answering how it stands; at most `http.max_wait_s`.
    wait: Option<u64>,
}

impl WaitQuery {
    /// The time to wait, if any.
    pub(super) fn within(&self, state: &ApiState) -> Result<Option<Duration>, Problem> {
        wait_within(self.wait, state)
    }
}

/// The time to wait, within the limit of the node; none for 0.
pub(super) fn wait_within(
    wait: Option<u64>,
    state: &ApiState,
) -> Result<Option<Duration>, Problem> {
    let most = state.config.max_wait_s;
    match wait.filter(|seconds| *seconds > 0) {
        Some(seconds) if seconds > most => {
            Err(Problem::invalid("wait", format!("0 to {most} seconds"), seconds.to_string()))
        }
        seconds => Ok(seconds.map(Duration::from_secs)),
    }
}

/// The header `Idempotency-Key`, if it is there.
#[derive(Debug, Clone)]
pub(super) struct KeyHeader(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for KeyHeader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(IDEMPOTENCY_KEY) else { return Ok(Self(None)) };
        let wrong = |got: String| {
            Problem::invalid("idempotency-key", "1 to 255 visible ASCII characters", got)
        };
        let text = value.to_str().map_err(|_| wrong("other characters".to_owned()))?;
        // The draft of the header writes it as a quoted string; both forms name the same key.
        let key = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
        let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
        if !visible || !(1..=255).contains(&key.len()) {
            return Err(wrong(quoted(key)));
        }
        Ok(Self(Some(key.to_owned())))
    }
}

impl KeyHeader {
    /// The key of the header or of the body's field, which must not contradict each other.
    pub(super) fn or(self, field: Option<String>) -> Result<Option<String>, Problem> {
        match (self.0, field) {
            (Some(key), Some(field)) if field != key => Err(Problem::invalid(
                "idempotency_key",
                "the same key as in the header Idempotency-Key, or none",
                format!("{field:?}"),
            )),
            (key, field) => Ok(key.or(field)),
        }
    }
}

/// The query of a request; an unknown or wrong parameter is a 422 that names it.
#[derive(Debug, Clone)]
pub(super) struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match AxumQuery::<T>::try_from_uri(&parts.uri) {
            Ok(AxumQuery(query)) => Ok(Self(query)),
            Err(rejection) => Err(query_problem(&rejection.body_text(), &parts.uri)),
        }
    }
}

/// `Failed to deserialize query string: limit: invalid digit found in string`.
fn query_problem(text: &str, uri: &Uri) -> Problem {
    let reason = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(text);
    let one_word = |s: &&str| !s.contains([' ', '`']);
    match reason.split_once(": ").filter(|(path, _)| one_word(path)) {
        Some((path, reason)) => {
            let given = AxumQuery::<Vec<(String, String)>>::try_from_uri(uri).ok();
            let mut given = given.into_iter().flat_map(|AxumQuery(pairs)| pairs);
            let got = given.find(|(name, _)| name == path).map(|(_, value)| value);
            mismatch(path, reason, got.as_deref())
        }
        None => mismatch("", reason, None),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{Request, StatusCode};
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Page {
        #[serde(rename = "limit")]
        _limit: Option<u32>,
    }

    async fn query(uri: &str) -> Result<Query<Page>, Problem> {
        let (mut parts, ()) = Request::get(uri).body(()).unwrap().into_parts();
        Query::from_request_parts(&mut parts, &()).await
    }

    #[tokio::test]
    async fn a_wrong_parameter_is_named() {
        let problem = query("/tasks?limit=ten").await.unwrap_err();
        assert_eq!(problem.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let members = problem.members();
        assert_eq!(members.field.as_deref(), Some("limit"));
        assert_eq!(members.got.as_deref(), Some("`ten`"));
        assert!(members.expected.as_ref().unwrap().starts_with("a whole number"), "{members:?}");
    }

    #[tokio::test]
    async fn an_unknown_parameter_is_named_with_those_that_exist() {
        let problem = query("/tasks?colour=red").await.unwrap_err();
        assert_eq!(problem.members().field.as_deref(), Some("colour"));
        assert_eq!(problem.members().expected.as_deref(), Some("`limit`"));
        assert!(query("/tasks?limit=10").await.is_ok());
    }
}
