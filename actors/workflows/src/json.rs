//! A JSON value that costs nothing to clone: its text, its parsed form, whichever is asked for.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A JSON value as text, as a tree, or both; a clone shares both.
///
/// What comes from outside is checked once, when it is taken ([`Json::parse`]); the tree is built
/// when somebody looks into the value. What is only passed on is never parsed again.
#[derive(Clone)]
pub struct Json(Arc<Forms>);

/// At least one of the two is there.
#[derive(Default)]
struct Forms {
    text: OnceLock<Bytes>,
    value: OnceLock<Value>,
}

impl Json {
    /// Takes the text of one JSON value.
    ///
    /// # Errors
    /// What is wrong with the text, and where; also when it is nested deeper than 128.
    pub fn parse(text: impl Into<Bytes>) -> Result<Self, serde_json::Error> {
        let text = text.into();
        let value: Value = serde_json::from_slice(&text)?;
        Ok(Self(Arc::new(Forms { text: OnceLock::from(text), value: OnceLock::from(value) })))
    }

    /// Takes the text of one JSON value as it was stored; the tree is built when it is asked for.
    ///
    /// # Errors
    /// What is wrong with the text, and where.
    pub(crate) fn stored(text: Bytes) -> Result<Self, serde_json::Error> {
        serde_json::from_slice::<serde::de::IgnoredAny>(&text)?;
        Ok(Self(Arc::new(Forms { text: OnceLock::from(text), ..Forms::default() })))
    }

    /// The JSON value `null`.
    #[must_use]
    pub fn null() -> Self {
        Self::from(Value::Null)
    }

    /// The value as a tree; built on the first call.
    #[must_use]
    pub fn value(&self) -> &Value {
        self.0.value.get_or_init(|| {
            let text = self.0.text.get().map_or(&b"null"[..], |text| text);
            // Only checked text is ever stored.
            serde_json::from_slice(text).unwrap_or(Value::Null)
        })
    }

    /// The value as compact text; written on the first call.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        self.0.text.get_or_init(|| {
            let value = self.0.value.get().unwrap_or(&Value::Null);
            Bytes::from(value.to_string())
        })
    }

    /// Bytes of the text.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes().len()
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        match self.0.value.get() {
            Some(value) => value.is_null(),
            None => self.bytes().as_ref() == b"null",
        }
    }

    /// The same value without the tree: for what is kept long and looked at seldom.
    #[must_use]
    pub fn compact(&self) -> Self {
        Self(Arc::new(Forms { text: OnceLock::from(self.bytes().clone()), ..Forms::default() }))
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        Self(Arc::new(Forms { value: OnceLock::from(value), ..Forms::default() }))
    }
}

impl Default for Json {
    fn default() -> Self {
        Self::null()
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.value() == other.value()
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 256;
        let text = self.bytes();
        let shown = String::from_utf8_lossy(&text[..text.len().min(SHOWN)]);
        let rest = text.len().saturating_sub(SHOWN);
        if rest == 0 { f.write_str(&shown) } else { write!(f, "{shown}… ({rest} bytes more)") }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.bytes()))
    }
}

/// In JSON as the value itself; in binary codecs as the bytes of its text.
impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            self.value().serialize(serializer)
        } else {
            serializer.serialize_bytes(self.bytes())
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return Ok(Self::from(Value::deserialize(deserializer)?));
        }
        let bytes = deserializer.deserialize_byte_buf(TextVisitor)?;
        serde_json::from_slice::<serde::de::IgnoredAny>(&bytes)
            .map_err(|error| serde::de::Error::custom(format!("not JSON: {error}")))?;
        Ok(Self(Arc::new(Forms { text: OnceLock::from(Bytes::from(bytes)), ..Forms::default() })))
    }
}

/// Takes the bytes of a text.
struct TextVisitor;

impl serde::de::Visitor<'_> for TextVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes of a JSON text")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn text_and_tree_are_two_forms_of_one_value() {
        let text = Json::parse(&b"{\"a\": [1, 2]}"[..]).unwrap();
        assert_eq!(text.value(), &json!({"a": [1, 2]}));
        assert_eq!(text.bytes().as_ref(), b"{\"a\": [1, 2]}");
        let tree = Json::from(json!({"a": [1, 2]}));
        assert_eq!(tree.bytes().as_ref(), b"{\"a\":[1,2]}");
        assert_eq!(text, tree);
        assert_eq!(text.compact(), tree);
        assert!(Json::null().is_null() && Json::null().compact().is_null());
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for bad in ["", "{", "[1,]", "nul", &"[".repeat(100_000)] {
            assert!(Json::parse(bad.to_owned()).is_err());
        }
    }

    #[test]
    fn in_json_it_is_the_value_itself() {
        let value = Json::parse(&b" [true] "[..]).unwrap();
        assert_eq!(serde_json::to_string(&value).unwrap(), "[true]");
        assert_eq!(serde_json::from_str::<Json>("[true]").unwrap(), value);
    }
}
