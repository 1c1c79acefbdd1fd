//! Messages of a program that can't be taken: which work they are about, and how many may be about
//! none.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

/// Messages in a row that may be about no work that the program holds; with one more it is taken
/// for lost, and what it holds goes back.
pub const MAX_STRAYS: u32 = 16;

/// The value of `key` at the top level of a JSON object, as far as the text can be read: what comes
/// after it does not matter, nor what form the rest has.
pub(crate) fn named_in<'de, T: Deserialize<'de>>(text: &'de [u8], key: &str) -> Option<T> {
    let mut found = None;
    let mut reader = serde_json::Deserializer::from_slice(text);
    // An error is the usual end: the text could not be taken.
    let _ = reader.deserialize_map(Look { key, found: &mut found, of: PhantomData });
    found
}

struct Look<'a, 'de, T> {
    key: &'a str,
    found: &'a mut Option<T>,
    of: PhantomData<&'de ()>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Look<'_, 'de, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if key == self.key {
                *self.found = Some(map.next_value()?);
                return Ok(());
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(text: &str) -> Option<String> {
        named_in(text.as_bytes(), "work")
    }

    #[test]
    fn a_name_is_found_however_the_rest_looks() {
        for text in [
            r#"{"work":"w"}"#,
            r#"{"type":"result","payload":{"work":"x"},"work":"w","more":1}"#,
            r#"{"type":"result","work":"w","payload":{"json": tru"#,
            r#"{"work":"w"} and more"#,
        ] {
            assert_eq!(work(text).as_deref(), Some("w"), "{text}");
        }
    }

    #[test]
    fn no_name_is_made_up() {
        for text in ["", "{", "[1]", r#"{"work":7}"#, r#"{"a":{"work":"w"}}"#, r#"{a,"work":"w"}"#]
        {
            assert_eq!(work(text), None, "{text}");
        }
    }
}
