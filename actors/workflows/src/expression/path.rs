//! Plain paths: `inputs.user.name`, `outputs.read.lines[0]`, resolved on JSON without an evaluator.

use std::sync::Arc;

use serde_json::Value;

use super::error::ExpressionError;
use super::scope::{Names, Place, Root, Scope, Unknown, shown};
use crate::definition::nearest;
use crate::json::Json;

/// A step into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// A member of an object.
    Key(Arc<str>),
    /// An element of a list, from 0.
    Index(i64),
}

/// A value's place, from what the scope gives on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    /// Where it begins.
    pub root: Root,
    /// The steps from there.
    pub rest: Vec<Segment>,
    /// As written, for messages.
    pub text: Arc<str>,
}

impl Path {
    /// The value at the path.
    pub(crate) fn resolve(&self, scope: &dyn Scope) -> Result<Json, ExpressionError> {
        let root = scope.get(&self.root).ok_or_else(|| self.absent())?;
        if self.rest.is_empty() {
            return Ok(root);
        }
        Ok(Json::from(self.walk(root.value())?.clone()))
    }

    /// The place in `value`, which is what the scope gave for the root.
    pub(crate) fn walk<'a>(&self, value: &'a Value) -> Result<&'a Value, ExpressionError> {
        let step = |value: &'a Value, segment: &Segment| match segment {
            Segment::Key(key) => value.as_object()?.get(key.as_ref()),
            Segment::Index(at) => value.as_array()?.get(usize::try_from(*at).ok()?),
        };
        self.rest.iter().try_fold(value, |value, segment| {
            step(value, segment).ok_or_else(|| self.missing(value, segment))
        })
    }

    fn absent(&self) -> ExpressionError {
        ExpressionError::new(format!("{}: there is no such value here", self.text))
    }

    fn missing(&self, found: &Value, segment: &Segment) -> ExpressionError {
        let wanted = match segment {
            Segment::Key(key) => format!("member '{}'", shown(key)),
            Segment::Index(at) => format!("element {at}"),
        };
        let kind = match found {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        ExpressionError::new(format!("{}: found {kind} without {wanted}", self.text))
    }
}

/// Gives a written path its root: `segments` begin with the name as written.
///
/// # Errors
/// What is not known about it, with a suggestion.
pub(crate) fn rooted(
    segments: &[Segment],
    text: &str,
    names: &Names,
    place: Place,
) -> Result<Path, Unknown> {
    let Some(Segment::Key(first)) = segments.first() else {
        return Err((format!("'{text}' names no value"), None));
    };
    let named = |what: &str| match segments.get(1) {
        Some(Segment::Key(key)) => Ok(key.clone()),
        _ => Err((format!("'{first}' has to be followed by {what}, as in {first}.name"), None)),
    };
    let (root, used) = match first.as_ref() {
        "inputs" => (Root::Inputs, 1),
        "run" => (Root::Run, 1),
        "outputs" if place.steps => {
            (Root::Output(names.step_in_expression(&named("the id of a step")?)?), 2)
        }
        "steps" if place.steps => (state(segments, &named("the id of a step")?, names)?, 3),
        "variables" if place.variables => {
            (Root::Variable(names.variable(&named("the name of a variable")?)?), 2)
        }
        "item" if place.item => (Root::Item, 1),
        "item_index" if place.item => (Root::ItemIndex, 1),
        "error" if place.error => (Root::Error, 1),
        "message" if place.message => (Root::Message, 1),
        "primary" if place.primary => (Root::Primary, 1),
        other => return Err(unknown_root(other, place)),
    };
    let text = Arc::from(shown(text));
    Ok(Path { root, rest: segments[used..].to_vec(), text })
}

fn state(segments: &[Segment], id: &str, names: &Names) -> Result<Root, Unknown> {
    let step = names.step_in_expression(id)?;
    match segments.get(2) {
        Some(Segment::Key(key)) if key.as_ref() == "state" => Ok(Root::State(step)),
        _ => Err((format!("of a step only its state is known: expected steps.{id}.state"), None)),
    }
}

/// The names that exist in a place.
pub(crate) fn roots(place: Place) -> impl Iterator<Item = &'static str> {
    [
        ("inputs", true),
        ("run", true),
        ("outputs", place.steps),
        ("steps", place.steps),
        ("variables", place.variables),
        ("item", place.item),
        ("item_index", place.item),
        ("error", place.error),
        ("message", place.message),
        ("primary", place.primary),
    ]
    .into_iter()
    .filter_map(|(name, here)| here.then_some(name))
}

fn unknown_root(name: &str, place: Place) -> Unknown {
    let all =
        ["outputs", "steps", "variables", "item", "item_index", "error", "message", "primary"];
    let known: Vec<_> = roots(place).collect();
    let message = if all.contains(&name) {
        format!("'{name}' does not exist here: expected one of {}", known.join(", "))
    } else {
        let name = shown(name);
        format!("'{name}' is not known: expected one of {}", known.join(", "))
    };
    (message, nearest(name, known.into_iter()))
}

/// Reads a plain path; `None` when the text is anything else.
pub(crate) fn parse(text: &str) -> Option<Vec<Segment>> {
    let text = text.trim();
    let (first, mut rest) = identifier(text)?;
    if matches!(first, "true" | "false" | "null" | "in") {
        return None;
    }
    let mut segments = vec![Segment::Key(Arc::from(first))];
    while !rest.is_empty() {
        let (segment, left) = if let Some(member) = rest.strip_prefix('.') {
            let (key, left) = identifier(member)?;
            (Segment::Key(Arc::from(key)), left)
        } else {
            bracket(rest.strip_prefix('[')?)?
        };
        segments.push(segment);
        rest = left;
    }
    Some(segments)
}

fn identifier(text: &str) -> Option<(&str, &str)> {
    let end = text
        .bytes()
        .position(|byte| !byte.is_ascii_alphanumeric() && byte != b'_')
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let first = name.bytes().next()?;
    (!first.is_ascii_digit()).then_some((name, rest))
}

/// `0]` or `"key"]`; a key with escapes is left to the evaluator's parser.
fn bracket(text: &str) -> Option<(Segment, &str)> {
    let (inside, rest) = text.split_once(']')?;
    let quoted = |quote: char| inside.strip_prefix(quote)?.strip_suffix(quote);
    if let Some(key) = quoted('"').or_else(|| quoted('\'')) {
        let plain = !key.contains(['"', '\'', '\\', '\n', '\r', '[']);
        return plain.then(|| (Segment::Key(Arc::from(key)), rest));
    }
    let digits = !inside.is_empty() && inside.bytes().all(|byte| byte.is_ascii_digit());
    let index = digits.then(|| inside.parse().ok()).flatten()?;
    Some((Segment::Index(index), rest))
}
