//! The input of a task: from a JSON value to the bytes an agent gets.

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
        return Ok(given.map_or_else(Payload::empty, |raw| json(JSON, raw)));
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
            Err(_) => Err(invalid("payload", format!("a string, as it is {named}"), raw.get())),
        },
        Some(raw) => Ok(json(&named, raw)),
    }
}

fn json(content_type: &str, raw: Box<RawValue>) -> Payload {
    let text: Box<str> = raw.into();
    Payload::new(content_type, String::from(text).into_bytes())
}
