//! Definitions in bodies: their text as YAML or JSON, or a part of a JSON document.

use axum::extract::{FromRef, FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use semver::VersionReq;
use serde_json::value::RawValue;
use synod_workflows::RunSource;

use crate::api::BodyLimits;
use crate::api::guard::{is_json, is_yaml, not_a_document};
use crate::api::json::read;
use crate::api::problem::Problem;

/// A body that is a definition, in YAML or JSON. What is wrong with it says the engine.
#[derive(Debug)]
pub(super) struct DefinitionText(pub String);

impl<S> FromRequest<S> for DefinitionText
where
    S: Send + Sync,
    BodyLimits: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let kind = parts.headers.get(CONTENT_TYPE);
        if !kind.is_some_and(|kind| is_json(kind) || is_yaml(kind)) {
            return Err(not_a_document(kind));
        }
        let bytes = read(&parts.headers, body, BodyLimits::from_ref(state)).await?;
        text(bytes).map(Self)
    }
}

/// Bytes as text.
fn text(bytes: Vec<u8>) -> Result<String, Problem> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Problem::invalid("(body)", "UTF-8", format!("something else after {at} bytes"))
    })
}

/// The definition of a request: inline (an object, or a string of YAML or JSON), or one that the
/// node keeps.
///
/// # Errors
/// Both, none, or something else.
pub(super) fn source(
    definition: Option<&RawValue>,
    workflow: Option<String>,
    version: Option<VersionReq>,
) -> Result<Option<RunSource>, Problem> {
    match (definition, workflow) {
        (Some(_), Some(name)) => {
            let got = format!("also `definition`, and {name:?}");
            Err(Problem::invalid("workflow", "either `definition` or `workflow`", got))
        }
        (Some(raw), None) => inline(raw).map(|text| Some(RunSource::Text(text))),
        (None, Some(name)) => Ok(Some(RunSource::Named { name, version })),
        (None, None) => Ok(None),
    }
}

/// The text of a definition that stands in a JSON document: an object as it was written, so that
/// keys that come twice are seen; or a string that holds it.
pub(super) fn inline(raw: &RawValue) -> Result<String, Problem> {
    let text = raw.get();
    if text.starts_with('{') {
        return Ok(text.to_owned());
    }
    serde_json::from_str(text).map_err(|_| {
        let kind = match text.as_bytes().first() {
            Some(b'[') => "an array",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            _ => "a number",
        };
        Problem::invalid("definition", "an object, or a string of YAML or JSON", kind)
    })
}
