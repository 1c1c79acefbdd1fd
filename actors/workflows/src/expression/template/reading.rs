//! From JSON to a template: each text is taken apart, what has no expression is folded.

use std::sync::Arc;

use serde_json::Value;

use super::split::{Split, split};
use super::{Node, Piece, pointer_part};
use crate::expression::error::CompileError;
use crate::expression::formula::Formula;
use crate::expression::scope::{Names, Place};
use crate::json::Json;

/// Deepest nesting of a template.
const MAX_DEPTH: usize = 64;

/// Compiles a template that stands at `place`.
pub(super) fn read(value: &Value, names: &Names, place: Place) -> Result<Node, Vec<CompileError>> {
    let mut reading = Reading { names, place, faults: Vec::new(), path: String::new() };
    let node = reading.node(value, 0);
    if reading.faults.is_empty() { Ok(node) } else { Err(reading.faults) }
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
