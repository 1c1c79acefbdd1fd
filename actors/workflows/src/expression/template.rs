//! Templates and conditions, compiled.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::error::{CompileError, ExpressionError};
use super::formula::Formula;
use super::scope::{Names, Place, Root, Scope};
use crate::json::Json;

/// Deepest nesting of a template.
const MAX_DEPTH: usize = 64;

/// Deepest nesting of a value; what is deeper could not be read back from its text.
const MAX_VALUE_DEPTH: usize = 120;

/// Bytes that a condition's value may have, which are only looked at to be refused.
const MAX_FLAG: usize = 1_024;

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
        let mut reading = Reading { names, place, faults: Vec::new(), path: String::new() };
        let node = reading.node(value, 0);
        if reading.faults.is_empty() { Ok(Self(node)) } else { Err(reading.faults) }
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

/// A template while it is compiled.
struct Reading<'a> {
    names: &'a Names,
    place: Place,
    faults: Vec<CompileError>,
    path: String,
}

impl Reading<'_> {
    fn node(&mut self, value: &Value, depth: usize) -> Node {
        if depth > MAX_DEPTH {
            let message = format!("nested deeper than {MAX_DEPTH}");
            self.fault(CompileError::new(0, message));
            return Node::Constant(Json::null());
        }
        match value {
            Value::String(text) => self.text(text),
            Value::Array(items) => {
                let nodes = items.iter().enumerate();
                let nodes = nodes.map(|(at, item)| self.inside(&at.to_string(), item, depth));
                let nodes: Vec<_> = nodes.collect();
                self.folded(value, Node::List(nodes))
            }
            Value::Object(members) => {
                let nodes = members.iter();
                let nodes = nodes
                    .map(|(key, member)| (Arc::from(key.as_str()), self.inside(key, member, depth)))
                    .collect();
                self.folded(value, Node::Object(nodes))
            }
            plain => Node::Constant(Json::from(plain.clone())),
        }
    }

    /// A part without expressions is a constant as a whole.
    fn folded(&self, value: &Value, node: Node) -> Node {
        let constant = |node: &Node| matches!(node, Node::Constant(_));
        let all = match &node {
            Node::List(nodes) => nodes.iter().all(constant),
            Node::Object(members) => members.iter().all(|(_, node)| constant(node)),
            _ => false,
        };
        if all && !has_expression(value) { Node::Constant(Json::from(value.clone())) } else { node }
    }

    fn inside(&mut self, key: &str, value: &Value, depth: usize) -> Node {
        let length = self.path.len();
        self.path.push('/');
        self.path.push_str(&pointer_part(key));
        let node = self.node(value, depth + 1);
        self.path.truncate(length);
        node
    }

    fn text(&mut self, text: &str) -> Node {
        let pieces = match split(text) {
            Ok(pieces) => pieces,
            Err(fault) => {
                self.fault(fault);
                return Node::Constant(Json::null());
            }
        };
        if let [Split::Expression { text, offset }] = pieces[..] {
            return match self.formula(text, offset) {
                Some(Formula::Constant(value)) => Node::Constant(value),
                Some(formula) => Node::Formula(formula),
                None => Node::Constant(Json::null()),
            };
        }
        if !pieces.iter().any(|piece| matches!(piece, Split::Expression { .. })) {
            let plain: String = pieces.iter().map(Split::plain).collect();
            return Node::Constant(Json::from(Value::String(plain)));
        }
        let pieces = pieces.iter().filter_map(|piece| match *piece {
            Split::Plain(plain) => Some(Piece::Plain(Arc::from(plain))),
            Split::Expression { text, offset } => self.formula(text, offset).map(Piece::Formula),
        });
        Node::Text(pieces.collect())
    }

    fn formula(&mut self, text: &str, offset: usize) -> Option<Formula> {
        match Formula::compile(text, self.names, self.place) {
            Ok(formula) => Some(formula),
            Err(fault) => {
                self.fault(CompileError { offset: fault.offset + offset, ..fault });
                None
            }
        }
    }

    fn fault(&mut self, fault: CompileError) {
        self.faults.push(CompileError { path: self.path.clone(), ..fault });
    }
}

/// Whether a text in it has an expression or an escape, so that it is not its own value.
fn has_expression(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("${"),
        Value::Array(items) => items.iter().any(has_expression),
        Value::Object(members) => members.values().any(has_expression),
        _ => false,
    }
}

/// A key as a part of a JSON pointer (RFC 6901).
pub(crate) fn pointer_part(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// A part of a text.
enum Split<'a> {
    Plain(&'a str),
    /// `offset`: characters of the text before the expression.
    Expression {
        text: &'a str,
        offset: usize,
    },
}

impl<'a> Split<'a> {
    fn plain(&self) -> &'a str {
        match self {
            Self::Plain(plain) => plain,
            Self::Expression { .. } => "",
        }
    }
}

/// Splits a text at its expressions. Braces and quotes inside of an expression are its own.
fn split(text: &str) -> Result<Vec<Split<'_>>, CompileError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            pieces.push(Split::Plain(&rest[..at - 1]));
            pieces.push(Split::Plain("${"));
            rest = &rest[at + 2..];
            continue;
        }
        if at > 0 {
            pieces.push(Split::Plain(&rest[..at]));
        }
        let inside = &rest[at + 2..];
        let offset = text[..text.len() - inside.len()].chars().count();
        let end = end_of_expression(inside).ok_or_else(|| {
            CompileError::new(offset - 2, "'${' without its '}' (a plain '${' is written '$${')")
        })?;
        pieces.push(Split::Expression { text: &inside[..end], offset });
        rest = &inside[end + 1..];
    }
    if !rest.is_empty() {
        pieces.push(Split::Plain(rest));
    }
    Ok(pieces)
}

/// Where the closing brace of an expression is.
fn end_of_expression(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    let mut quote = None;
    let mut escape = false;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (Some(_), b'\\') if !escape => {
                escape = true;
                continue;
            }
            (Some(end), byte) if byte == end && !escape => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'{') => open += 1,
            (None, b'}') if open == 0 => return Some(at),
            (None, b'}') => open -= 1,
            (None, _) => {}
        }
        escape = false;
    }
    None
}

/// An expression that yields true or false.
#[derive(Debug, Clone)]
pub struct Condition {
    formula: Formula,
    text: Arc<str>,
}

impl Condition {
    /// Compiles a condition that stands at `place`; `${…}` around it may be written.
    ///
    /// # Errors
    /// That the text is no expression, or names what does not exist there.
    pub fn compile(text: &str, names: &Names, place: Place) -> Result<Self, CompileError> {
        let wrapped = text.trim().strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        let inside = wrapped.unwrap_or(text);
        let before = text.len() - text.trim_start().len();
        let offset = if wrapped.is_some() { before + 2 } else { 0 };
        let formula = Formula::compile(inside, names, place)
            .map_err(|fault| CompileError { offset: fault.offset + offset, ..fault })?;
        if let Formula::Constant(value) = &formula
            && !value.value().is_boolean()
        {
            let message = format!("expected true or false, found {value:?}");
            return Err(CompileError::new(offset, message));
        }
        Ok(Self { formula, text: Arc::from(text) })
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// What could not be evaluated, or that the value is neither true nor false.
    pub fn evaluate(&self, scope: &dyn Scope) -> Result<bool, ExpressionError> {
        let value = self.formula.evaluate(scope, MAX_FLAG)?;
        value.value().as_bool().ok_or_else(|| {
            let message = format!("{}: expected true or false, found {value:?}", self.text);
            ExpressionError::new(message)
        })
    }

    /// Whether it holds, when it looks at nothing.
    #[must_use]
    pub fn as_constant(&self) -> Option<bool> {
        match &self.formula {
            Formula::Constant(value) => value.value().as_bool(),
            _ => None,
        }
    }

    /// As written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it looks at.
    #[must_use]
    pub fn roots(&self) -> Vec<&Root> {
        self.formula.roots().iter().collect()
    }
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
