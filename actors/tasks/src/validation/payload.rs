//! The input of a task: from a JSON value to the bytes an agent gets.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use synod_agents::{JSON, Payload};

use super::{invalid, quoted};
use crate::config::TasksConfig;
use crate::error::SubmitError;

/// Makes the payload of what was submitted. JSON is kept as it was written.
pub(super) fn input(
    given: Option<Box<RawValue>>,
    named: Option<String>,
    config: &TasksConfig,
) -> Result<Payload, SubmitError> {
    let limit = config.max_payload_bytes;
    let bytes = given.as_ref().map_or(0, |raw| raw.get().len() as u64);
    if bytes > limit {
        return Err(SubmitError::PayloadTooLarge { bytes, limit });
    }
    let Some(named) = named else {
        return given.map_or_else(|| Ok(Payload::empty()), |raw| json(JSON, raw));
    };
    if named.len() > 255 || !named.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return Err(invalid("content_type", "a media type of at most 255 bytes", quoted(&named)));
    }
    let empty = Payload::new(named.clone(), "");
    let text_like = named.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("text/"));
    match given {
        _ if !text_like && !empty.is_json() => {
            let expected = "application/json, another type that ends in +json, or text/…";
            Err(invalid("content_type", expected, quoted(&named)))
        }
        None => Ok(empty),
        Some(raw) if text_like => match serde_json::from_str::<String>(raw.get()) {
            Ok(text) => Ok(Payload::new(named, text)),
            Err(error) if of_characters(&error) => Err(unreadable(&error)),
            Err(_) => Err(invalid("payload", format!("a string, as it is {named}"), raw.get())),
        },
        Some(raw) => json(&named, raw),
    }
}

fn json(content_type: &str, raw: Box<RawValue>) -> Result<Payload, SubmitError> {
    if let Err(error) = serde_json::from_str::<Readable>(raw.get()) {
        return Err(unreadable(&error));
    }
    let text: Box<str> = raw.into();
    Ok(Payload::new(content_type, String::from(text).into_bytes()))
}

/// Why an input is refused that no parser makes a value of.
pub(super) fn unreadable(error: &serde_json::Error) -> SubmitError {
    if of_characters(error) {
        return SubmitError::MalformedPayload { reason: error.to_string() };
    }
    invalid("payload", "JSON of finite numbers and at most 127 levels", error)
}

/// Whether an escape in a string stands for no character: half of a surrogate pair.
fn of_characters(error: &serde_json::Error) -> bool {
    let text = error.to_string();
    text.contains("surrogate") || text.contains("hex escape")
}

/// JSON that a parser can make a value of; raw JSON has been looked at for its brackets alone.
/// Keeps nothing of what it reads.
struct Readable;

impl<'de> Deserialize<'de> for Readable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Readable {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        while members.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}
