//! What serde says about a value that does not fit, in words for who sent it: which field, what was
//! expected there, and what came.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::api::problem::Problem;

/// A string that is no variant of any enum.
const NO_VARIANT: &str = "\u{fffd}";

/// Characters of a value that are repeated to who sent it.
const SHOWN: usize = 80;

const WHOLE: &str = "a whole number, 0 to 18446744073709551615";
const SEMVER: &str = "a version such as 1.0.0 (Semantic Versioning 2.0.0)";

/// What types that are read from text say, and what they expect.
const OWN_WORDS: [(&str, &str); 14] = [
    ("invalid digit found in string", WHOLE),
    ("cannot parse integer from empty string", WHOLE),
    ("number too large to fit in target type", WHOLE),
    ("invalid float literal", "a number"),
    ("cannot parse float from empty string", "a number"),
    ("provided string was not `true` or `false`", "`true` or `false`"),
    ("UUID parsing failed", "a UUID such as 0198c0de-0000-7000-8000-000000000000"),
    ("semver version", SEMVER),
    ("version number", SEMVER),
    ("identifier segment in", SEMVER),
    ("leading zero in", SEMVER),
    ("build metadata", SEMVER),
    ("exceeds u64::MAX", SEMVER),
    ("timestamp", "a time such as 2030-01-31T12:00:00Z (RFC 3339)"),
];

/// Turns serde's sentence into field, expectation and what came.
///
/// Its forms are fixed by `serde::de::Error`: `unknown field`, `unknown variant`, `missing field`,
/// `duplicate field`, `invalid type`, `invalid value`, `invalid length`; all but two go on with
/// `, expected ..`. A sentence of another form is a type's own, about the text `got`.
pub(in crate::api) fn mismatch(path: &str, reason: &str, got: Option<&str>) -> Problem {
    let at = |name: &str| join(path, name);
    if let Some((expected, own)) = in_own_words(reason) {
        let got = own.or_else(|| got.map(quoted)).unwrap_or_else(|| "another text".to_owned());
        return Problem::invalid(at(""), expected, got);
    }
    let (what, expected) = match reason.split_once(", expected ") {
        Some((what, expected)) => (what, expected),
        None => (reason.split(", there are no").next().unwrap_or(reason), ""),
    };
    let named = || what.split('`').nth(1).unwrap_or_default();
    if what.starts_with("unknown field") {
        let expected = if expected.is_empty() { "no such field" } else { expected };
        Problem::invalid(at(named()), expected, format!("the unknown field `{}`", named()))
    } else if what.starts_with("missing field") {
        Problem::invalid(at(named()), "a value", "none")
    } else if what.starts_with("duplicate field") {
        Problem::invalid(at(named()), "the field once", "it twice")
    } else if expected.is_empty() {
        Problem::invalid(at(""), reason, got.map_or_else(|| "another value".to_owned(), quoted))
    } else {
        let got = what.split_once(": ").map_or(what, |(_, got)| got);
        let got = got.strip_prefix("unknown variant ").unwrap_or(got);
        Problem::invalid(at(""), in_words(expected), got)
    }
}

/// What a type that reads text expects, and what it was given, by the sentence it refuses with.
fn in_own_words(reason: &str) -> Option<(String, Option<String>)> {
    if let Some((got, names)) = reason.split_once(" is not one of ") {
        // How the families' own enums say it; any case is taken.
        return Some((format!("one of {names}"), Some(got.to_owned())));
    }
    if let Some((got, rest)) = reason.split_once(" is not an agent id: ") {
        return Some((format!("an agent id: {rest}"), Some(cut(got))));
    }
    // serde's own sentences may hold any word, of who sent them.
    let of_serde =
        ["invalid type", "invalid value", "invalid length", "unknown ", "missing ", "dup"];
    if of_serde.iter().any(|beginning| reason.starts_with(beginning)) {
        return None;
    }
    let (_, expected) = OWN_WORDS.iter().find(|(words, _)| reason.contains(words))?;
    Some(((*expected).to_owned(), None))
}

/// What serde calls by the name of a Rust type.
fn in_words(expected: &str) -> &str {
    match expected {
        "u8" => "a whole number, 0 to 255",
        "u16" => "a whole number, 0 to 65535",
        "u32" => "a whole number, 0 to 4294967295",
        "u64" | "usize" => WHOLE,
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        other if other.starts_with("struct ") => "a JSON object",
        other => other,
    }
}

/// A body that is JSON and does not fit `T` at `path`: like [`mismatch`], and where a name was
/// expected and something else than text came, with the names there are.
pub(super) fn of_body<T: DeserializeOwned>(path: &str, reason: &str, body: &[u8]) -> Problem {
    let written = written(body, path);
    let Ok(mut body) = serde_json::from_slice::<Value>(body) else {
        return out_of_range::<T>(path, reason, written);
    };
    let Some(place) = place(&mut body, path) else { return mismatch(path, reason, None) };
    // A number too large for a whole one is shown as it was written, not as it was read.
    if place.is_number()
        && reason.starts_with("invalid ")
        && let Some((number, _)) = written.filter(|(number, _)| !reason.contains(number.as_str()))
        && let Some((_, expected)) = reason.split_once(", expected ")
    {
        return Problem::invalid(join(path, ""), in_words(expected), cut(&number));
    }
    let is_text = place.is_string();
    let got = place.as_str().map_or_else(|| cut(&place.to_string()), str::to_owned);
    *place = Value::String(NO_VARIANT.to_owned());
    if !is_text && let Some(names) = names_at::<T>(path, body) {
        return Problem::invalid(join(path, ""), names, got);
    }
    // serde_json's words when no variant of an enum looks like the value.
    if reason == "expected value" {
        let expected = "a value of another form (GET /openapi.json describes it)";
        return Problem::invalid(join(path, ""), expected, got);
    }
    mismatch(path, reason, Some(&got))
}

/// A number beyond all that a computer counts with: what is expected there is what is said of
/// anything else that does not fit.
fn out_of_range<T: DeserializeOwned>(
    path: &str,
    reason: &str,
    written: Option<(String, Value)>,
) -> Problem {
    let Some((number, body)) = written else { return mismatch(path, reason, None) };
    let refused = serde_path_to_error::deserialize::<_, T>(body).err();
    let refused = refused.filter(|error| error.path().to_string() == path);
    let told = refused.map(|error| mismatch(path, &error.into_inner().to_string(), None));
    let expected = told.and_then(|told| told.members().expected.clone());
    let expected = expected.unwrap_or_else(|| "a number that is in range".to_owned());
    Problem::invalid(join(path, ""), expected, cut(&number))
}

/// What stands at a path as it was written, and the body with a text in its place.
fn written(body: &[u8], path: &str) -> Option<(String, Value)> {
    let steps: Vec<&str> = steps(path).collect();
    let mut found = String::new();
    let body = with_text_at(serde_json::from_slice(body).ok()?, &steps, &mut found)?;
    Some((found, body))
}

/// Descends no deeper than the path is long.
fn with_text_at(raw: &RawValue, steps: &[&str], found: &mut String) -> Option<Value> {
    let Some((step, rest)) = steps.split_first() else {
        raw.get().clone_into(found);
        return Some(Value::String(NO_VARIANT.to_owned()));
    };
    let mut other = |raw: &RawValue, is_on_path: bool| {
        let read = || serde_json::from_str(raw.get()).unwrap_or_default();
        if is_on_path { with_text_at(raw, rest, found) } else { Some(read()) }
    };
    if raw.get().starts_with('[') {
        let items: Vec<&RawValue> = serde_json::from_str(raw.get()).ok()?;
        let index = step.parse().ok();
        let items = items.into_iter().enumerate();
        return items.map(|(at, item)| other(item, Some(at) == index)).collect();
    }
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(raw.get()).ok()?;
    let members = members.into_iter();
    let members = members.map(|(name, raw)| {
        let on_path = name == *step;
        Some((name, other(raw, on_path)?))
    });
    members.collect::<Option<Map<_, _>>>().map(Value::Object)
}

/// The names that may stand at `path`, where `body` has one that is none of them.
fn names_at<T: DeserializeOwned>(path: &str, body: Value) -> Option<String> {
    let error = serde_path_to_error::deserialize::<_, T>(body).err()?;
    if error.path().to_string() != path {
        return None;
    }
    let reason = error.into_inner().to_string();
    let of_names = reason.starts_with("unknown variant") || reason.contains(" is not one of ");
    let problem = of_names.then(|| mismatch(path, &reason, None))?;
    problem.members().expected.clone()
}

/// The value at a path as serde writes it: `retry.max_attempts`, `agents[0]`.
fn place<'v>(body: &'v mut Value, path: &str) -> Option<&'v mut Value> {
    steps(path).try_fold(body, |value, step| match value {
        Value::Array(items) => items.get_mut(step.parse::<usize>().ok()?),
        value => value.get_mut(step),
    })
}

/// The keys and indices of a path as serde writes it.
fn steps(path: &str) -> impl Iterator<Item = &str> {
    path.split(['.', '[', ']']).filter(|step| !step.is_empty())
}

/// A text, as far as it is repeated to who sent it.
pub(in crate::api) fn quoted(text: &str) -> String {
    format!("`{}`", cut(text))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Joins a path and a name; `.` is how an empty path prints, and the name may end it already.
fn join(path: &str, name: &str) -> String {
    let path = if path == "." { "" } else { path };
    let ends_with_name =
        path.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    match (path, name) {
        ("", "") => "(body)".to_owned(),
        ("", name) => name.to_owned(),
        (path, "") => path.to_owned(),
        (path, _) if ends_with_name => path.to_owned(),
        (path, name) => format!("{path}.{name}"),
    }
}
