//! What shared state holds: text, whole numbers and bytes.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// One value: `{"text": "red"}`, `{"int": 7}`, `{"bytes": "AQID"}` (base64, RFC 4648).
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Scalar {
    /// Text in UTF-8.
    Text(String),
    /// A whole number of 64 bits.
    Int(i64),
    /// Bytes.
    #[schema(value_type = String)]
    Bytes(#[serde(with = "base64_in_text")] Bytes),
}

impl Scalar {
    /// Text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Int(_) => size_of::<i64>(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether it is a text of no letters, or no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Base64 where people read it, bytes where they don't.
mod base64_in_text {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use bytes::Bytes;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() {
            return to.serialize_str(&STANDARD.encode(bytes));
        }
        bytes.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        if from.is_human_readable() {
            let text = String::deserialize(from)?;
            return STANDARD.decode(&text).map(Bytes::from).map_err(D::Error::custom);
        }
        Bytes::deserialize(from)
    }
}

#[cfg(test)]
mod tests {
    use synod_journal::RecordCodec;

    use super::*;

    #[test]
    fn scalars_are_the_same_in_json_and_on_the_disk() {
        let all = [
            (Scalar::text("red"), r#"{"text":"red"}"#),
            (Scalar::Int(-7), r#"{"int":-7}"#),
            (Scalar::Bytes(Bytes::from_static(&[1, 2, 3])), r#"{"bytes":"AQID"}"#),
        ];
        for (scalar, json) in all {
            assert_eq!(serde_json::to_string(&scalar).unwrap(), json);
            assert_eq!(serde_json::from_str::<Scalar>(json).unwrap(), scalar);
            let stored = RecordCodec::encode(&scalar).unwrap();
            assert_eq!(RecordCodec::decode::<Scalar>(&stored).unwrap(), scalar);
        }
        assert!(serde_json::from_str::<Scalar>(r#"{"bytes":"A"}"#).is_err());
    }
}
