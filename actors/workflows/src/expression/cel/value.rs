//! Values on the way: what comes from JSON is borrowed, what is made is shared.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Number, Value};

/// A value; a clone copies no contents.
#[derive(Debug, Clone)]
pub(super) enum Val<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Text<'a>),
    List(List<'a>),
    Map(Entries<'a>),
    Moment(Timestamp),
    Span(SignedDuration),
}

/// A text.
#[derive(Debug, Clone)]
pub(super) enum Text<'a> {
    Borrowed(&'a str),
    Shared(Rc<str>),
}

/// A list.
#[derive(Debug, Clone)]
pub(super) enum List<'a> {
    Borrowed(&'a [Value]),
    Shared(Rc<Vec<Val<'a>>>),
}

/// A map.
#[derive(Debug, Clone)]
pub(super) enum Entries<'a> {
    Borrowed(&'a Map<String, Value>),
    Shared(Rc<BTreeMap<Rc<str>, Val<'a>>>),
}

impl<'a> From<&'a Value> for Val<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Number(number) => Self::from(number),
            Value::String(text) => Self::Text(Text::Borrowed(text)),
            Value::Array(items) => Self::List(List::Borrowed(items)),
            Value::Object(members) => Self::Map(Entries::Borrowed(members)),
        }
    }
}

impl From<&Number> for Val<'_> {
    fn from(number: &Number) -> Self {
        let int = number.as_i64().map(Self::Int);
        let uint = || number.as_u64().map(Self::Uint);
        int.or_else(uint).unwrap_or_else(|| Self::Double(number.as_f64().unwrap_or(f64::NAN)))
    }
}

impl From<String> for Val<'_> {
    fn from(text: String) -> Self {
        Self::Text(Text::Shared(Rc::from(text)))
    }
}

impl<'a> From<Vec<Val<'a>>> for Val<'a> {
    fn from(items: Vec<Val<'a>>) -> Self {
        Self::List(List::Shared(Rc::new(items)))
    }
}

impl Val<'_> {
    /// What it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::Text(_) => "string",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Moment(_) => "timestamp",
            Self::Span(_) => "duration",
        }
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Shared(text) => text,
        }
    }
}

impl<'a> List<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Borrowed(items) => items.len(),
            Self::Shared(items) => items.len(),
        }
    }

    pub(super) fn get(&self, at: usize) -> Option<Val<'a>> {
        match self {
            Self::Borrowed(items) => items.get(at).map(Val::from),
            Self::Shared(items) => items.get(at).cloned(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Val<'a>> + '_ {
        (0..self.len()).filter_map(|at| self.get(at))
    }
}

impl<'a> Entries<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Borrowed(members) => members.len(),
            Self::Shared(members) => members.len(),
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<Val<'a>> {
        match self {
            Self::Borrowed(members) => members.get(key).map(Val::from),
            Self::Shared(members) => members.get(key).cloned(),
        }
    }

    /// The keys, ascending.
    pub(super) fn keys(&self) -> Vec<Val<'a>> {
        match self {
            Self::Borrowed(members) => {
                members.keys().map(|key| Val::Text(Text::Borrowed(key))).collect()
            }
            Self::Shared(members) => {
                members.keys().map(|key| Val::Text(Text::Shared(key.clone()))).collect()
            }
        }
    }

    /// Keys and values, ascending by key.
    pub(super) fn entries(&self) -> Vec<(String, Val<'a>)> {
        match self {
            Self::Borrowed(members) => {
                members.iter().map(|(key, value)| (key.clone(), Val::from(value))).collect()
            }
            Self::Shared(members) => {
                members.iter().map(|(key, value)| (key.to_string(), value.clone())).collect()
            }
        }
    }
}
