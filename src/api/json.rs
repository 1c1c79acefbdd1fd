//! Reads JSON bodies, and says exactly what is wrong with one.
//!
//! Not JSON at all is 400 with line and column; JSON that does not fit is 422 with the path of the
//! field, what was expected and what came; too large is 413 before it is read; too slow is 408.

mod mismatch;

use std::time::Duration;

use axum::body::{Body, BodyDataStream, HttpBody};
use axum::extract::{FromRef, FromRequest, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use axum::http::{HeaderMap, StatusCode};
use futures::StreamExt;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;

use super::connections::MadeRoom;
use super::guard::{is_json, not_json};
use super::problem::{Problem, ProblemType};

pub(super) use mismatch::{mismatch, quoted};

/// How many times its limit a body that is too large is taken in, to be forgotten.
const DISCARDED: usize = 16;

/// Time for that.
const DISCARDED_WITHIN: Duration = Duration::from_secs(1);

/// How large a body may be and how long it may take to arrive.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// The most bytes a body may have.
    pub max_bytes: usize,
    /// The time from the first look at the body to its last byte.
    pub within: Duration,
}

/// A JSON body, checked.
#[derive(Debug)]
pub(super) struct Json<T>(pub T);

impl<S, T> FromRequest<S> for Json<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
    BodyLimits: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let JsonBytes(bytes) = JsonBytes::from_request(request, state).await?;
        parse(&bytes).map(Self)
    }
}

/// The bytes of a body that says it is JSON, not yet looked at.
#[derive(Debug)]
pub(super) struct JsonBytes(pub Vec<u8>);

impl<S> FromRequest<S> for JsonBytes
where
    S: Send + Sync,
    BodyLimits: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let kind = parts.headers.get(CONTENT_TYPE);
        if !kind.is_some_and(is_json) {
            return Err(not_json(kind));
        }
        read(&parts.headers, body, BodyLimits::from_ref(state)).await.map(Self)
    }
}

/// A JSON body, or none.
#[derive(Debug)]
pub(super) struct MaybeJson<T>(pub Option<T>);

impl<S, T> FromRequest<S> for MaybeJson<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
    BodyLimits: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let empty = request.body().size_hint().exact() == Some(0);
        if empty {
            return Ok(Self(None));
        }
        Json::from_request(request, state).await.map(|Json(body)| Self(Some(body)))
    }
}

/// Reads a body within its limits.
///
/// # Errors
/// 413 when it is too large, 408 when it is too slow, 400 when the client went away in the middle.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    limits: BodyLimits,
) -> Result<Vec<u8>, Problem> {
    let mut pieces = body.into_data_stream();
    let collected = collect(headers, &mut pieces, limits.max_bytes);
    let read = tokio::time::timeout(limits.within, collected).await.unwrap_or_else(|_| {
        let seconds = limits.within.as_secs_f32();
        let detail = format!("the body was not complete after {seconds} s");
        Err(Problem::new(ProblemType::BodyTooSlow, detail))
    });
    if read.as_ref().is_err_and(|problem| problem.status() == StatusCode::PAYLOAD_TOO_LARGE) {
        // Who does not send what it announced waits for the answer already.
        let discarded = discard(headers, &mut pieces, limits.max_bytes);
        let _ = tokio::time::timeout(DISCARDED_WITHIN, discarded).await;
    }
    read
}

async fn collect(
    headers: &HeaderMap,
    pieces: &mut BodyDataStream,
    max_bytes: usize,
) -> Result<Vec<u8>, Problem> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > max_bytes as u64) {
        return Err(too_large(max_bytes));
    }
    let mut all = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|why| broken_off(&why))?;
        if all.len() + piece.len() > max_bytes {
            return Err(too_large(max_bytes));
        }
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

fn broken_off(why: &axum::Error) -> Problem {
    if MadeRoom::caused(why) {
        return Problem::new(ProblemType::BodyTooSlow, why.to_string());
    }
    Problem::new(ProblemType::BadRequest, format!("the body broke off: {why}"))
        .field("(body)")
        .expected("the whole of it", "a part of it")
}

/// Takes in and forgets what is left of a body that is too large, within bounds. Most clients read
/// no answer before they have sent all they have: closed under them, the connection would say
/// nothing but that it is gone.
async fn discard(headers: &HeaderMap, pieces: &mut BodyDataStream, max_bytes: usize) {
    // Who asks before sending is told not to.
    if headers.contains_key(EXPECT) {
        return;
    }
    let mut left = max_bytes.saturating_mul(DISCARDED);
    while let Some(Ok(piece)) = pieces.next().await {
        left = left.saturating_sub(piece.len());
        if left == 0 {
            return;
        }
    }
}

fn too_large(max_bytes: usize) -> Problem {
    Problem::new(ProblemType::BodyTooLarge, format!("a body may have {max_bytes} bytes"))
        .expected(format!("at most {max_bytes} bytes"), "more")
}

/// Parses one JSON object that fills the whole of `bytes`.
///
/// # Errors
/// 400 with line and column when it is not JSON, 422 with the field when it does not fit `T`.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let first = bytes.trim_ascii_start().first();
    if first != Some(&b'{') {
        return Err(no_object(first, bytes));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        describe::<T>(&path, error.inner(), bytes)
    })?;
    reader.end().map_err(|error| describe::<T>("", &error, bytes))?;
    Ok(value)
}

/// serde would take an array for the fields of a struct in their order; no client means that.
fn no_object(first: Option<&u8>, bytes: &[u8]) -> Problem {
    if let Err(error) = serde_json::from_slice::<IgnoredAny>(bytes) {
        return describe::<IgnoredAny>("", &error, bytes);
    }
    let got = match first {
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b'n') => "null",
        Some(b't' | b'f') => "a boolean",
        _ => "a number",
    };
    Problem::invalid("(body)", "a JSON object", got)
}

fn describe<T: DeserializeOwned>(path: &str, error: &serde_json::Error, bytes: &[u8]) -> Problem {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let reason = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text);
    // serde_json calls it a fault of syntax, too, when no variant of an enum looks like the value.
    // Passing over a string, it does not look whether its escapes are characters.
    let is_text = !reason.contains("surrogate") && !reason.contains("hex escape");
    let is_json = |text| is_text && serde_json::from_str::<IgnoredAny>(text).is_ok();
    if error.classify() == Category::Data || std::str::from_utf8(bytes).is_ok_and(is_json) {
        return mismatch::of_body::<T>(path, reason, bytes);
    }
    Problem::new(ProblemType::MalformedJson, format!("{reason} at line {line}, column {column}"))
        .field(format!("line {line}, column {column}"))
        .expected("one JSON document (RFC 8259)", reason)
}

#[cfg(test)]
mod tests;
