//! Constants, members and elements.

use super::evaluate::{Evaluated, Stop};
use super::node::Literal;
use super::value::{Text, Val};

pub(super) fn constant<'a>(literal: &'a Literal) -> Val<'a> {
    match literal {
        Literal::Null => Val::Null,
        Literal::Bool(flag) => Val::Bool(*flag),
        Literal::Int(int) => Val::Int(*int),
        Literal::Uint(uint) => Val::Uint(*uint),
        Literal::Double(double) => Val::Double(*double),
        Literal::Text(text) => Val::Text(Text::Borrowed(text)),
    }
}

pub(super) fn select<'a>(value: &Val<'a>, key: &str) -> Evaluated<'a> {
    match value {
        Val::Map(entries) => {
            entries.get(key).ok_or_else(|| Stop::new(format!("there is no member '{key}'")))
        }
        other => Err(Stop::new(format!("'.{key}' expects a map, found {}", other.kind()))),
    }
}

pub(super) fn has<'a>(value: &Val<'a>, key: &str) -> Evaluated<'a> {
    match value {
        Val::Map(entries) => Ok(Val::Bool(entries.get(key).is_some())),
        other => Err(Stop::new(format!("has(…) expects a map, found {}", other.kind()))),
    }
}

pub(super) fn index<'a>(value: &Val<'a>, index: &Val<'a>) -> Evaluated<'a> {
    let missing = |at: &dyn std::fmt::Display| Stop::new(format!("there is no element {at}"));
    match (value, index) {
        (Val::List(items), Val::Int(at)) => {
            let found = usize::try_from(*at).ok().and_then(|at| items.get(at));
            found.ok_or_else(|| missing(at))
        }
        (Val::List(items), Val::Uint(at)) => {
            let found = usize::try_from(*at).ok().and_then(|at| items.get(at));
            found.ok_or_else(|| missing(at))
        }
        (Val::Map(_), Val::Text(key)) => select(value, key),
        (value, index) => {
            Err(Stop::new(format!("{} can't be indexed with {}", value.kind(), index.kind())))
        }
    }
}
