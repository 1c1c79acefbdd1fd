//! The functions of expressions.
//!
//! | function | what it yields |
//! |---|---|
//! | `size(x)`, `x.size()` | characters of a text, elements of a list, members of a map |
//! | `x.contains(t)`, `x.startsWith(t)`, `x.endsWith(t)` | whether a text has another in it |
//! | `x.lowerAscii()`, `x.upperAscii()`, `x.trim()` | the text changed |
//! | `x.split(t)`, `x.join()`, `x.join(t)`, `x.replace(t, u)` | texts apart, together, exchanged |
//! | `int(x)`, `uint(x)`, `double(x)`, `string(x)`, `bool(x)` | the value as another kind |
//! | `timestamp(x)`, `duration(x)` | a moment (RFC 3339, or Unix seconds), a span (`1h30m`) |
//! | `x.getFullYear()` … `x.getMilliseconds()` | a part of a moment in UTC, a span in a unit |
//! | `type(x)` | the name of the value's kind, as a text |
//! | `has(x.y)` | whether a member is there |
//! | `x.all(i, c)`, `x.exists(i, c)`, `x.exists_one(i, c)` | for how many elements `c` holds |
//! | `x.map(i, e)`, `x.map(i, c, e)`, `x.filter(i, c)` | a list made of another |
//!
//! There is no `matches`: what a regular expression may take can't be charged before it is done.

use super::super::scope::{Unknown, shown};
use super::evaluate::{Evaluated, Evaluation, Stop};
use super::moments;
use super::value::Val;
use crate::definition::nearest;

/// How a function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// `f(x)`
    Global,
    /// `x.f()`
    Method,
    /// Either.
    Both,
}

/// A function, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Function(&'static str);

/// Names, styles, and how many arguments at least and at most, the target included.
const FUNCTIONS: &[(&str, Style, usize, usize)] = &[
    ("size", Style::Both, 1, 1),
    ("contains", Style::Method, 2, 2),
    ("startsWith", Style::Method, 2, 2),
    ("endsWith", Style::Method, 2, 2),
    ("lowerAscii", Style::Method, 1, 1),
    ("upperAscii", Style::Method, 1, 1),
    ("trim", Style::Method, 1, 1),
    ("split", Style::Method, 2, 2),
    ("join", Style::Method, 1, 2),
    ("replace", Style::Method, 3, 3),
    ("int", Style::Global, 1, 1),
    ("uint", Style::Global, 1, 1),
    ("double", Style::Global, 1, 1),
    ("string", Style::Global, 1, 1),
    ("bool", Style::Global, 1, 1),
    ("type", Style::Global, 1, 1),
    ("timestamp", Style::Global, 1, 1),
    ("duration", Style::Global, 1, 1),
    ("getFullYear", Style::Method, 1, 1),
    ("getMonth", Style::Method, 1, 1),
    ("getDate", Style::Method, 1, 1),
    ("getDayOfMonth", Style::Method, 1, 1),
    ("getDayOfWeek", Style::Method, 1, 1),
    ("getDayOfYear", Style::Method, 1, 1),
    ("getHours", Style::Method, 1, 1),
    ("getMinutes", Style::Method, 1, 1),
    ("getSeconds", Style::Method, 1, 1),
    ("getMilliseconds", Style::Method, 1, 1),
];

/// Macros: known names, but with arguments of a form of their own.
const MACROS: &[&str] = &["has", "all", "exists", "exists_one", "map", "filter"];

impl Function {
    /// The function of this name for `given` arguments, a target included.
    pub(super) fn find(name: &str, method: bool, given: usize) -> Result<Self, Unknown> {
        let Some((name, style, least, most)) =
            FUNCTIONS.iter().find(|(known, ..)| *known == name).copied()
        else {
            if MACROS.contains(&name) {
                let message = format!("'{name}' is called as x.{name}(variable, expression)");
                let has = "'has' is called as has(a.b)".to_owned();
                return Err((if name == "has" { has } else { message }, None));
            }
            let names = FUNCTIONS.iter().map(|(known, ..)| *known).chain(MACROS.iter().copied());
            return Err((format!("there is no function '{}'", shown(name)), nearest(name, names)));
        };
        if (style == Style::Method && !method) || (style == Style::Global && method) {
            let form = if method { format!("{name}(x)") } else { format!("x.{name}(…)") };
            return Err((format!("'{name}' is called as {form}"), None));
        }
        if !(least..=most).contains(&given) {
            let message = format!(
                "'{name}' has {given} arguments, the value in front included: \
                expected {least}"
            );
            return Err((message, None));
        }
        Ok(Self(name))
    }
}

/// Calls it; [`Function::find`] has counted the arguments.
pub(super) fn call<'a>(
    evaluation: &mut Evaluation<'a>,
    Function(name): Function,
    args: &[Val<'a>],
) -> Evaluated<'a> {
    for arg in args {
        if let Val::Text(text) = arg {
            evaluation.charge_text(text.len())?;
        }
    }
    let wrong = || {
        let kinds: Vec<_> = args.iter().map(Val::kind).collect();
        Stop::new(format!("there is no {name}({})", kinds.join(", ")))
    };
    let value = match args {
        [one] => match converted(name, one)? {
            Some(value) => Some(value),
            None => plain(name, one),
        },
        [Val::Text(one), Val::Text(other)] => texts(evaluation, name, one, other)?,
        [Val::Text(text), Val::Text(from), Val::Text(to)] => {
            Some(replace(evaluation, text, from, to)?)
        }
        _ => None,
    };
    if name == "join" && value.is_none() {
        return join(evaluation, args)?.ok_or_else(wrong);
    }
    value.ok_or_else(wrong)
}

/// Functions of one value that never fail.
fn plain<'a>(name: &str, value: &Val<'a>) -> Option<Val<'a>> {
    Some(match (name, value) {
        ("size", Val::Text(text)) => Val::Int(text.chars().count() as i64),
        ("size", Val::List(items)) => Val::Int(items.len() as i64),
        ("size", Val::Map(entries)) => Val::Int(entries.len() as i64),
        ("lowerAscii", Val::Text(text)) => Val::from(text.to_ascii_lowercase()),
        ("upperAscii", Val::Text(text)) => Val::from(text.to_ascii_uppercase()),
        ("trim", Val::Text(text)) => Val::from(text.trim().to_owned()),
        ("type", value) => Val::from(value.kind().to_owned()),
        (name, Val::Moment(moment)) if name.starts_with("get") => {
            Val::Int(moments::part(*moment, name))
        }
        (name, Val::Span(span)) => Val::Int(moments::whole(*span, name)?),
        _ => return None,
    })
}

/// Conversions; `None` when `name` is none of them, or not one of this kind of value.
fn converted<'a>(name: &str, value: &Val<'a>) -> Result<Option<Val<'a>>, Stop> {
    match name {
        "int" | "uint" | "double" => number(name, value),
        "string" => Ok(text(value)),
        "bool" | "timestamp" | "duration" => other(name, value),
        _ => Ok(None),
    }
}

fn no(name: &str) -> Stop {
    Stop::new(format!("the value is no {name}"))
}

fn number<'a>(name: &str, value: &Val<'a>) -> Result<Option<Val<'a>>, Stop> {
    const BEYOND_INT: f64 = 9_223_372_036_854_775_808.0;
    const BEYOND_UINT: f64 = 18_446_744_073_709_551_616.0;
    let converted = match (name, value) {
        ("int", Val::Int(_)) | ("uint", Val::Uint(_)) | ("double", Val::Double(_)) => {
            Some(value.clone())
        }
        ("int", Val::Uint(uint)) => i64::try_from(*uint).ok().map(Val::Int),
        ("int", Val::Double(double)) => {
            whole(*double, -BEYOND_INT, BEYOND_INT).map(|int| Val::Int(int as i64))
        }
        ("int", Val::Text(text)) => text.parse().ok().map(Val::Int),
        ("int", Val::Moment(moment)) => Some(Val::Int(moment.as_second())),
        ("uint", Val::Int(int)) => u64::try_from(*int).ok().map(Val::Uint),
        ("uint", Val::Double(double)) => {
            whole(*double, 0.0, BEYOND_UINT).map(|uint| Val::Uint(uint as u64))
        }
        ("uint", Val::Text(text)) => text.parse().ok().map(Val::Uint),
        ("double", Val::Int(int)) => Some(Val::Double(*int as f64)),
        ("double", Val::Uint(uint)) => Some(Val::Double(*uint as f64)),
        ("double", Val::Text(text)) => text.parse().ok().map(Val::Double),
        _ => return Ok(None),
    };
    converted.map(Some).ok_or_else(|| no(name))
}

fn text<'a>(value: &Val<'a>) -> Option<Val<'a>> {
    Some(match value {
        Val::Text(_) => value.clone(),
        Val::Int(int) => Val::from(int.to_string()),
        Val::Uint(uint) => Val::from(uint.to_string()),
        Val::Double(double) => Val::from(double.to_string()),
        Val::Bool(flag) => Val::from(flag.to_string()),
        Val::Moment(moment) => Val::from(moment.to_string()),
        Val::Span(span) => Val::from(moments::written(*span)),
        Val::Null | Val::List(_) | Val::Map(_) => return None,
    })
}

fn other<'a>(name: &str, value: &Val<'a>) -> Result<Option<Val<'a>>, Stop> {
    Ok(Some(match (name, value) {
        ("bool", Val::Bool(_)) | ("timestamp", Val::Moment(_)) | ("duration", Val::Span(_)) => {
            value.clone()
        }
        ("bool", Val::Text(text)) => match &**text {
            "true" | "True" | "TRUE" | "t" | "1" => Val::Bool(true),
            "false" | "False" | "FALSE" | "f" | "0" => Val::Bool(false),
            _ => return Err(no(name)),
        },
        ("timestamp", Val::Text(text)) => Val::Moment(moments::moment(text)?),
        ("timestamp", Val::Int(second)) => {
            Val::Moment(jiff::Timestamp::from_second(*second).map_err(|_| no(name))?)
        }
        ("duration", Val::Text(text)) => Val::Span(moments::span(text)?),
        _ => return Ok(None),
    }))
}

/// A double without its fraction, when it is above `least` or it, and below `below`.
fn whole(double: f64, least: f64, below: f64) -> Option<f64> {
    let whole = double.trunc();
    (whole >= least && whole < below).then_some(whole)
}

/// Functions of two texts.
fn texts<'a>(
    evaluation: &mut Evaluation<'a>,
    name: &str,
    one: &str,
    other: &str,
) -> Result<Option<Val<'a>>, Stop> {
    // A search may look at the text again for each character that it wants.
    evaluation.charge_text(one.len())?;
    Ok(Some(match name {
        "contains" => Val::Bool(one.contains(other)),
        "startsWith" => Val::Bool(one.starts_with(other)),
        "endsWith" => Val::Bool(one.ends_with(other)),
        "split" => {
            // Without a separator each character is a part.
            let parts: Vec<String> = if other.is_empty() {
                evaluation.charge(one.len())?;
                one.chars().map(String::from).collect()
            } else {
                evaluation.charge(one.len() / other.len())?;
                one.split(other).map(str::to_owned).collect()
            };
            Val::from(parts.into_iter().map(Val::from).collect::<Vec<_>>())
        }
        _ => return Ok(None),
    }))
}

fn replace<'a>(evaluation: &mut Evaluation<'a>, text: &str, from: &str, to: &str) -> Evaluated<'a> {
    let most = text.len() / from.len().max(1) + 1;
    evaluation.charge_text(text.len().saturating_add(most.saturating_mul(to.len())))?;
    Ok(Val::from(text.replace(from, to)))
}

/// `["a", "b"].join(", ")`
fn join<'a>(evaluation: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Option<Val<'a>>, Stop> {
    let (items, separator) = match args {
        [Val::List(items)] => (items, ""),
        [Val::List(items), Val::Text(separator)] => (items, &**separator),
        _ => return Ok(None),
    };
    let mut joined = String::new();
    for (at, item) in items.iter().enumerate() {
        let Val::Text(item) = item else {
            return Err(Stop::new(format!("join expects strings, found {}", item.kind())));
        };
        evaluation.charge_text(separator.len() + item.len())?;
        evaluation.allow_text(joined.len() + separator.len() + item.len())?;
        if at > 0 {
            joined.push_str(separator);
        }
        joined.push_str(&item);
    }
    Ok(Some(Val::from(joined)))
}
