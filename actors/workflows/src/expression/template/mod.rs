//! Templates and conditions, compiled.

mod condition;
mod reading;
mod split;
#[cfg(test)]
mod tests;

pub use condition::Condition;

use std::sync::Arc;

use serde_json::{Map, Value};

use super::error::{CompileError, ExpressionError};
use super::formula::Formula;
use super::scope::{Names, Place, Root, Scope};
use crate::json::Json;

/// Deepest nesting of a value; what is deeper could not be read back from its text.
const MAX_VALUE_DEPTH: usize = 120;

/// Any JSON with expressions in its texts: `${expression}` is the value of the expression,
/// `a ${expression} b` the text with it put in, `$${` a plain `${`.
#[derive(Debug, Clone)]
pub struct Template(Node);

#[derive(Debug, Clone)]
enum Node {
    Constant(Json),
    Formula(Formula),
    Text(Vec<Piece>),
    List(Vec<Node>),
    Object(Vec<(Arc<str>, Node)>),
}

#[derive(Debug, Clone)]
enum Piece {
    Plain(Arc<str>),
    Formula(Formula),
}

impl Template {
    /// A template without expressions.
    #[must_use]
    pub fn constant(value: Json) -> Self {
        Self(Node::Constant(value))
    }

    /// Compiles a template that stands at `place`.
    ///
    /// # Errors
    /// One for each expression that is none, or that names what does not exist there.
    pub fn compile(value: &Value, names: &Names, place: Place) -> Result<Self, Vec<CompileError>> {
        reading::read(value, names, place).map(Self)
    }

    /// Its value, at most `max_bytes` of JSON text.
    ///
    /// # Errors
    /// What could not be evaluated, or that the value is larger.
    pub fn evaluate(&self, scope: &dyn Scope, max_bytes: usize) -> Result<Json, ExpressionError> {
        let value = match &self.0 {
            Node::Constant(value) => value.clone(),
            Node::Formula(formula) => formula.evaluate(scope, max_bytes)?,
            node => Json::from(node.value(scope, &mut { max_bytes })?),
        };
        if !matches!(self.0, Node::Constant(_)) && deeper(value.value(), MAX_VALUE_DEPTH) {
            let message = format!("the result is nested deeper than {MAX_VALUE_DEPTH}");
            return Err(ExpressionError::new(message));
        }
        let size = value.size();
        if size > max_bytes {
            return Err(ExpressionError::oversize(size, max_bytes));
        }
        Ok(value)
    }

    /// Its value, when it has no expressions.
    #[must_use]
    pub fn as_constant(&self) -> Option<&Json> {
        match &self.0 {
            Node::Constant(value) => Some(value),
            _ => None,
        }
    }

    /// What its expressions look at.
    #[must_use]
    pub fn roots(&self) -> Vec<&Root> {
        let mut roots = Vec::new();
        self.0.roots(&mut roots);
        roots
    }
}

impl Node {
    /// The value; `left` is how many bytes it may still have, and is lowered by them.
    fn value(&self, scope: &dyn Scope, left: &mut usize) -> Result<Value, ExpressionError> {
        let taken = |value: Json, left: &mut usize| {
            spend(left, value.size())?;
            Ok(value.value().clone())
        };
        match self {
            Self::Constant(value) => taken(value.clone(), left),
            Self::Formula(formula) => taken(formula.evaluate(scope, *left)?, left),
            Self::Text(pieces) => text(pieces, scope, left).map(Value::String),
            Self::List(nodes) => {
                nodes.iter().map(|node| node.value(scope, left)).collect::<Result<_, _>>()
            }
            Self::Object(members) => {
                let mut object = Map::new();
                for (key, node) in members {
                    object.insert(key.to_string(), node.value(scope, left)?);
                }
                Ok(Value::Object(object))
            }
        }
    }

    fn roots<'a>(&'a self, into: &mut Vec<&'a Root>) {
        match self {
            Self::Constant(_) => {}
            Self::Formula(formula) => into.extend(formula.roots()),
            Self::Text(pieces) => {
                for piece in pieces {
                    if let Piece::Formula(formula) = piece {
                        into.extend(formula.roots());
                    }
                }
            }
            Self::List(nodes) => nodes.iter().for_each(|node| node.roots(into)),
            Self::Object(members) => members.iter().for_each(|(_, node)| node.roots(into)),
        }
    }
}

/// Whether `value` is nested deeper than `depth`.
fn deeper(value: &Value, depth: usize) -> bool {
    let Some(inside) = depth.checked_sub(1) else { return true };
    match value {
        Value::Array(items) => items.iter().any(|item| deeper(item, inside)),
        Value::Object(members) => members.values().any(|member| deeper(member, inside)),
        _ => false,
    }
}

/// Lowers what is `left` by `size`.
fn spend(left: &mut usize, size: usize) -> Result<(), ExpressionError> {
    *left = left.checked_sub(size).ok_or_else(|| ExpressionError::oversize(size, *left))?;
    Ok(())
}

/// Puts the values into the text: texts as they are, everything else as JSON.
fn text(pieces: &[Piece], scope: &dyn Scope, left: &mut usize) -> Result<String, ExpressionError> {
    let mut text = String::new();
    for piece in pieces {
        let before = text.len();
        match piece {
            Piece::Plain(plain) => text.push_str(plain),
            Piece::Formula(formula) => match formula.evaluate(scope, *left)?.value() {
                Value::String(inner) => text.push_str(inner),
                value => text.push_str(&value.to_string()),
            },
        }
        spend(left, text.len() - before)?;
    }
    Ok(text)
}

/// A key as a part of a JSON pointer (RFC 6901).
pub(crate) fn pointer_part(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
