//! What goes into an agent and comes out of it: bytes and what they are.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The content type of JSON.
pub const JSON: &str = "application/json";
/// The content type of plain text in UTF-8.
pub const TEXT: &str = "text/plain; charset=utf-8";

/// Bytes and their content type. The bytes are shared, so a clone copies none of them.
///
/// Nothing between the edges parses it; JSON is read where it enters and where an agent needs it.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Payload {
    /// A media type, such as `application/json`; empty when there is nothing.
    pub content_type: String,
    /// The content.
    pub bytes: Bytes,
}

/// The payload is not what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// The content type is another one.
    #[error("the payload is '{got}', expected {expected}")]
    ContentType {
        /// What the payload says it is.
        got: String,
        /// What was asked for.
        expected: &'static str,
    },
    /// The bytes are not what the content type says, or not of the expected form.
    #[error("the payload is malformed: {0}")]
    Malformed(String),
}

impl Payload {
    /// `bytes` of the given media type.
    #[must_use]
    pub fn new(content_type: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self { content_type: content_type.into(), bytes: bytes.into() }
    }

    /// Nothing: no type, no bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Plain text in UTF-8.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(TEXT, text.into())
    }

    /// `value` as JSON.
    ///
    /// # Errors
    /// [`PayloadError::Malformed`] when the value has no form in JSON (a map whose keys are not
    /// strings, a failing `Serialize`).
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, PayloadError> {
        let bytes = serde_json::to_vec(value).map_err(malformed)?;
        Ok(Self::new(JSON, bytes))
    }

    /// Reads the JSON.
    ///
    /// # Errors
    /// [`PayloadError`] when the payload is not JSON or not of the form of `T`.
    pub fn to_json<T: DeserializeOwned>(&self) -> Result<T, PayloadError> {
        if !self.is_json() {
            return Err(self.unexpected("JSON"));
        }
        serde_json::from_slice(&self.bytes).map_err(malformed)
    }

    /// The text of a `text/*` payload, or of a JSON string.
    ///
    /// # Errors
    /// [`PayloadError`] when it is neither, or not UTF-8.
    pub fn to_text(&self) -> Result<String, PayloadError> {
        if self.is_json() {
            return self.to_json();
        }
        if !self.is_text() {
            return Err(self.unexpected("text"));
        }
        String::from_utf8(self.bytes.to_vec()).map_err(malformed)
    }

    /// Whether it says to be JSON (`application/json` or `…+json`).
    #[must_use]
    pub fn is_json(&self) -> bool {
        let kind = self.media_type();
        kind.eq_ignore_ascii_case(JSON) || kind.to_ascii_lowercase().ends_with("+json")
    }

    fn is_text(&self) -> bool {
        self.media_type().get(..5).is_some_and(|start| start.eq_ignore_ascii_case("text/"))
    }

    /// The content type without its parameters.
    fn media_type(&self) -> &str {
        self.content_type.split(';').next().unwrap_or_default().trim()
    }

    fn unexpected(&self, expected: &'static str) -> PayloadError {
        PayloadError::ContentType { got: self.content_type.clone(), expected }
    }
}

fn malformed(error: impl fmt::Display) -> PayloadError {
    PayloadError::Malformed(error.to_string())
}

impl fmt::Debug for Payload {
    /// Type and size only: content belongs neither into logs nor into errors.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({:?}, {} bytes)", self.content_type, self.bytes.len())
    }
}

/// A payload inside a JSON document, as programs in other languages see it: exactly one of
/// `json`, `text` and `base64`.
///
/// `{"json": {"words": 3}}`, `{"text": "one two"}`,
/// `{"content_type": "image/png", "base64": "iVBORw0…"}`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PayloadDocument {
    /// A media type; by default the one that belongs to the field which is present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Any JSON value.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schema(value_type = Value)]
    pub json: Option<Value>,
    /// Text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Bytes in base64 (RFC 4648, section 4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
}

/// Keeps an explicit `null` apart from an absent field.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl PayloadDocument {
    /// Nothing: what an empty payload looks like.
    const EMPTY: Self = Self { content_type: None, json: None, text: None, base64: None };
}

impl From<&Payload> for PayloadDocument {
    /// JSON and text that are what they say to be stay readable; all else becomes base64.
    fn from(payload: &Payload) -> Self {
        let named =
            |usual: &str| (payload.content_type != usual).then(|| payload.content_type.clone());
        if payload.is_json()
            && let Ok(value) = serde_json::from_slice(&payload.bytes)
        {
            return Self { content_type: named(JSON), json: Some(value), ..Self::EMPTY };
        }
        if payload.is_text()
            && let Ok(text) = std::str::from_utf8(&payload.bytes)
        {
            return Self { content_type: named(TEXT), text: Some(text.to_owned()), ..Self::EMPTY };
        }
        if payload.content_type.is_empty() && payload.bytes.is_empty() {
            return Self::EMPTY;
        }
        let base64 = Some(BASE64.encode(&payload.bytes));
        Self { content_type: named(""), base64, ..Self::EMPTY }
    }
}

impl TryFrom<PayloadDocument> for Payload {
    type Error = PayloadError;

    fn try_from(document: PayloadDocument) -> Result<Self, PayloadError> {
        let PayloadDocument { content_type, json, text, base64 } = document;
        let typed = |usual: &str| content_type.clone().unwrap_or_else(|| usual.to_owned());
        match (json, text, base64) {
            (Some(value), None, None) => {
                let bytes = serde_json::to_vec(&value).map_err(malformed)?;
                Ok(Self::new(typed(JSON), bytes))
            }
            (None, Some(text), None) => Ok(Self::new(typed(TEXT), text)),
            (None, None, Some(base64)) => {
                let bytes = BASE64.decode(base64).map_err(malformed)?;
                Ok(Self::new(typed("application/octet-stream"), bytes))
            }
            (None, None, None) => Ok(Self::new(typed(""), Bytes::new())),
            _ => Err(malformed("more than one of 'json', 'text' and 'base64'")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through_a_document(payload: &Payload) -> Payload {
        let text = serde_json::to_string(&PayloadDocument::from(payload)).unwrap();
        let document: PayloadDocument = serde_json::from_str(&text).unwrap();
        document.try_into().unwrap()
    }

    #[test]
    fn a_document_gives_back_the_payload_it_was_made_from() {
        for payload in [
            Payload::empty(),
            Payload::text("two\nlines"),
            Payload::json(&serde_json::json!({"a": [1, null]})).unwrap(),
            Payload::json(&Value::Null).unwrap(),
            Payload::new("application/vnd.x+json", "[1]"),
            Payload::new("image/png", vec![0_u8, 255, 10]),
            Payload::new(TEXT, vec![0xff_u8, 0xfe]),
            Payload::new(JSON, "not json"),
        ] {
            assert_eq!(through_a_document(&payload), payload);
        }
    }

    #[test]
    fn two_forms_at_once_are_refused() {
        let document: PayloadDocument =
            serde_json::from_str(r#"{"json": 1, "text": "1"}"#).unwrap();
        assert!(matches!(Payload::try_from(document), Err(PayloadError::Malformed(_))));
    }

    #[test]
    fn text_is_not_read_as_json_and_bytes_not_as_text() {
        assert!(matches!(
            Payload::text("1").to_json::<u8>(),
            Err(PayloadError::ContentType { expected: "JSON", .. })
        ));
        assert!(Payload::new("image/png", "x").to_text().is_err());
        assert_eq!(Payload::json("x").unwrap().to_text().unwrap(), "x");
    }

    #[test]
    fn content_stays_out_of_debug_output() {
        let shown = format!("{:?}", Payload::text("a secret"));
        assert!(!shown.contains("secret"), "{shown}");
    }
}
