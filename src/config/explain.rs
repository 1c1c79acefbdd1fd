//! What serde says about a wrong value, in words for the person who wrote it.

use serde_json::Value;

use super::nearest::nearest;
use super::path::KeyPath;

/// A refusal of a value or a key, explained.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Explained {
    /// The key itself is unknown.
    pub(super) unknown: bool,
    /// What was expected.
    pub(super) reason: String,
    /// What was probably meant.
    pub(super) advice: Option<String>,
}

/// Explains serde's `message` about `key`.
///
/// serde's messages end in `expected ...`; unknown fields and variants list what there is
/// between backticks. Anything else is a type's own message and is passed on.
pub(super) fn explain(message: &str, key: &KeyPath) -> Explained {
    let unknown = unknown_key(message).is_some();
    let advice = || {
        let mut quoted = message.split('`').skip(1).step_by(2);
        let wrong = quoted.next()?;
        nearest(wrong, quoted).map(meant)
    };
    if unknown || message.starts_with("unknown variant") {
        let expected = message.split_once("expected ").map_or("nothing here", |(_, rest)| rest);
        let what = if unknown { "there is no such key; expected" } else { "expected" };
        return Explained { unknown, reason: format!("{what} {expected}"), advice: advice() };
    }
    if missing_key(message).is_some() {
        let reason = "expected a value; the key is missing".to_owned();
        return Explained { unknown: false, reason, advice: None };
    }
    let is_type_fault = message.starts_with("invalid ");
    let reason = if message.contains("socket address") {
        "expected an IP address and a port, such as 127.0.0.1:7966 or [::1]:7966".to_owned()
    } else {
        told(message, is_type_fault)
    };
    let advice = seconds_written_as_text(message, key);
    Explained { unknown, reason, advice }
}

/// serde's sentence about a type; another one as it is.
fn told(message: &str, is_type_fault: bool) -> String {
    match message.rsplit_once("expected ") {
        Some((_, expected)) if is_type_fault => format!("expected {}", plain(expected)),
        _ => message.to_owned(),
    }
}

/// The advice to one who probably meant this key.
pub(super) fn meant(known: &str) -> String {
    format!("did you mean `{known}`?")
}

/// The key that serde's message says is missing.
pub(super) fn missing_key(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.split('`').next()
}

/// The key that serde's message says is unknown.
pub(super) fn unknown_key(message: &str) -> Option<&str> {
    message.strip_prefix("unknown field `")?.split('`').next()
}

/// Rust's names of types in words.
fn plain(expected: &str) -> &str {
    match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list in [ ]",
        "a map" => "a table",
        other => other.strip_prefix("struct ").map_or(other, |_| "a section of keys"),
    }
}

/// Durations are numbers whose unit stands in the key.
fn seconds_written_as_text(message: &str, key: &KeyPath) -> Option<String> {
    let units =
        [("_us", "microseconds"), ("_ms", "milliseconds"), ("_s", "seconds"), ("_bytes", "bytes")];
    let text = message.contains("invalid type: string");
    let (_, unit) = units.iter().find(|(suffix, _)| text && key.last().ends_with(suffix))?;
    Some(format!("write the number of {unit}"))
}

/// A value as one would write it in the file.
#[must_use]
pub fn toml_text(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(toml_text).collect::<Vec<_>>().join(", "))
        }
        Value::Object(table) => {
            let pairs = table.iter().map(|(key, value)| format!("{key} = {}", toml_text(value)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serde_is_put_into_words() {
        let key = KeyPath::parse("tasks.timeout_s");
        let explained = explain("invalid type: string \"5m\", expected u64", &key);
        assert_eq!(explained.reason, "expected a whole number, 0 or more");
        assert_eq!(explained.advice.unwrap(), "write the number of seconds");
        let explained = explain("unknown field `lisetn`, expected `listen` or `tls`", &key);
        assert!(explained.unknown);
        assert_eq!(explained.advice.unwrap(), "did you mean `listen`?");
        let explained = explain("unknown variant `jsn`, expected one of `auto`, `json`", &key);
        assert_eq!(explained.reason, "expected one of `auto`, `json`");
        assert_eq!(explained.advice.unwrap(), "did you mean `json`?");
        assert_eq!(explain("no such host", &key).reason, "no such host");
    }

    #[test]
    fn values_are_shown_as_toml() {
        let value = serde_json::json!({"a": [1, "x"], "b": true});
        assert_eq!(toml_text(&value), "{ a = [1, \"x\"], b = true }");
    }
}
