//! A result as users see it: JSON as JSON, text as a string, anything else as a document that
//! carries its type.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use synod_agents::Payload;

/// What an agent gave. In JSON: the value itself when it is JSON, a string when it is text,
/// otherwise `{"content_type": …, "base64": …}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskOutput(pub Payload);

/// Bytes that are neither JSON nor text.
#[derive(Serialize)]
struct Binary<'a> {
    content_type: &'a str,
    base64: String,
}

impl Serialize for TaskOutput {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Payload { content_type, bytes } = &self.0;
        if self.0.is_json()
            && let Ok(raw) = serde_json::from_slice::<&RawValue>(bytes)
        {
            return raw.serialize(serializer);
        }
        if bytes.is_empty() {
            return serializer.serialize_unit();
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => Binary { content_type, base64: BASE64.encode(bytes) }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for TaskOutput {
    /// Reads any JSON value; what the output was before it was written is not told apart.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Payload::json(&value).map(Self).map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for TaskOutput {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::schema::Object::builder()
            .schema_type(utoipa::openapi::schema::SchemaType::AnyValue)
            .description(Some("the result, any JSON value"))
            .into()
    }
}

impl utoipa::ToSchema for TaskOutput {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_stays_json_text_becomes_a_string_and_bytes_a_document() {
        let write = |payload| serde_json::to_string(&TaskOutput(payload)).unwrap();
        assert_eq!(write(Payload::new("application/json", r#"{"n": 1}"#)), r#"{"n": 1}"#);
        assert_eq!(write(Payload::text("two\nlines")), r#""two\nlines""#);
        assert_eq!(
            write(Payload::new("image/png", vec![0xff_u8, 0])),
            r#"{"content_type":"image/png","base64":"/wA="}"#
        );
        assert_eq!(write(Payload::empty()), "null");
    }

    #[test]
    fn json_that_is_none_is_shown_as_the_text_it_is() {
        let lie = TaskOutput(Payload::new("application/json", "{oops"));
        assert_eq!(serde_json::to_string(&lie).unwrap(), r#""{oops""#);
    }
}
