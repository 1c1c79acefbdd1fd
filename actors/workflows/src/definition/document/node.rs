//! A value with its place in the text.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::definition::fault::Fault;
use crate::expression::pointer_part;

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
}

impl Spot {
    /// Where a text begins.
    pub(crate) const START: Self = Self { line: 1, column: 1 };

    /// The place of the byte `at` of `text`.
    pub(crate) fn of(text: &str, at: usize) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() as u32 + 1;
        Self { line, column: before[start..].chars().count() as u32 + 1 }
    }

    /// A fault of the whole text that was found here.
    pub(crate) fn fault(self, message: impl Into<String>) -> Fault {
        Fault { line: self.line, column: self.column, ..Fault::error("", message) }
    }
}

/// A value of a text.
#[derive(Debug)]
pub(crate) struct Node {
    /// Where it begins.
    pub spot: Spot,
    /// How many characters after its beginning a text has its first one, when its characters stand
    /// one by one in the line: 0 for a plain text, 1 for a quoted one. `None` otherwise.
    pub shift: Option<u32>,
    /// What it is.
    pub content: Content,
}

/// What a value is.
#[derive(Debug)]
pub(crate) enum Content {
    /// Anything but a list and an object.
    Scalar(Value),
    /// A list.
    List(Vec<Node>),
    /// An object, in the order of the text; no key is there twice.
    Object(Vec<(Key, Node)>),
}

/// A key of an object.
#[derive(Debug)]
pub(crate) struct Key {
    /// Its text.
    pub name: String,
    /// Where it stands.
    pub spot: Spot,
}

impl Node {
    /// The value without the members at these JSON pointers; `None` when one of them is an element
    /// of a list, as the others would move.
    pub(crate) fn value_without(&self, pointers: &HashSet<&str>) -> Option<Value> {
        self.pruned(pointers, &mut String::new())
    }

    fn pruned(&self, without: &HashSet<&str>, path: &mut String) -> Option<Value> {
        let length = path.len();
        let mut inside = |key: &str, node: &Self| {
            path.push('/');
            path.push_str(&pointer_part(key));
            let kept = !without.contains(path.as_str());
            let value = kept.then(|| node.pruned(without, path));
            path.truncate(length);
            value
        };
        match &self.content {
            Content::Scalar(value) => Some(value.clone()),
            Content::List(items) => {
                let items = items.iter().enumerate();
                items.map(|(at, item)| inside(&at.to_string(), item).flatten()).collect()
            }
            Content::Object(members) => {
                let mut object = Map::new();
                for (key, node) in members {
                    if let Some(value) = inside(&key.name, node) {
                        object.insert(key.name.clone(), value?);
                    }
                }
                Some(Value::Object(object))
            }
        }
    }

    /// The whole value.
    #[cfg(test)]
    pub(crate) fn value(&self) -> Value {
        self.value_without(&HashSet::new()).unwrap_or_default()
    }

    /// A value without a text; its places are none.
    pub(crate) fn of(value: &Value) -> Self {
        let spot = Spot { line: 0, column: 0 };
        let content = match value {
            Value::Array(items) => Content::List(items.iter().map(Self::of).collect()),
            Value::Object(members) => {
                let key = |name: &String| Key { name: name.clone(), spot };
                let members = members.iter().map(|(name, value)| (key(name), Self::of(value)));
                Content::Object(members.collect())
            }
            scalar => Content::Scalar(scalar.clone()),
        };
        Self { spot, shift: None, content }
    }

    /// The node at a JSON pointer, or the innermost one on the way that there is.
    pub(crate) fn nearest(&self, pointer: &str) -> &Self {
        let mut node = self;
        for part in pointer.split('/').skip(1) {
            let next = match &node.content {
                Content::Scalar(_) => None,
                Content::List(items) => part.parse().ok().and_then(|at: usize| items.get(at)),
                Content::Object(members) => {
                    let key = part.replace("~1", "/").replace("~0", "~");
                    members.iter().find(|(known, _)| known.name == key).map(|(_, node)| node)
                }
            };
            let Some(next) = next else { break };
            node = next;
        }
        node
    }

    /// Gives a fault its line and column.
    pub(crate) fn place(&self, mut fault: Fault) -> Fault {
        let node = self.nearest(&fault.path);
        fault.line = node.spot.line;
        fault.column = node.spot.column;
        if let Some(shift) = node.shift {
            let offset = u32::try_from(fault.offset).unwrap_or(0);
            fault.column += if offset > 0 { shift + offset } else { 0 };
        }
        fault
    }
}
