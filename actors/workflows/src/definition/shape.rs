//! Whether a text has the shape of a definition: all faults at once, each with its place.
//!
//! The published schema is what is checked, so there is one source of what is allowed. Only the
//! part of JSON Schema that the model's schema uses is read; messages name what was found and what
//! was expected, and the nearest known name for one that is not known.

use serde_json::{Map, Value};

use super::document::{Content, Key, Node, Spot};
use super::fault::Fault;
use super::nearest::nearest;
use super::schema::schema;
use crate::expression::{pointer_part, shown};

/// Faults that are told; a text with more of them is hardly a definition at all.
const TOLD: usize = 100;

/// The faults of the shape of a whole definition.
pub(super) fn check(node: &Node) -> Vec<Fault> {
    let mut shape = Shape { root: schema(), faults: Vec::new(), path: String::new() };
    shape.check(node, schema());
    shape.faults
}

struct Shape<'a> {
    root: &'a Value,
    faults: Vec<Fault>,
    path: String,
}

impl<'a> Shape<'a> {
    fn check(&mut self, node: &Node, schema: &'a Value) {
        if self.faults.len() == TOLD {
            return;
        }
        let Some(schema) = self.resolved(schema) else { return };
        for key in ["anyOf", "oneOf"] {
            if let Some(branches) = schema.get(key).and_then(Value::as_array) {
                return self.branches(node, branches);
            }
        }
        let kinds = kinds(schema);
        if !kinds.is_empty() && !kinds.iter().any(|kind| is(&node.content, kind)) {
            return self.fault(node.spot, mismatch(&node.content, &kinds), None);
        }
        if let Some(names) = names(schema) {
            return self.name(node, &names);
        }
        self.fitting(node, schema);
    }

    /// What is of the right kind.
    fn fitting(&mut self, node: &Node, schema: &'a Map<String, Value>) {
        match &node.content {
            Content::Scalar(value) => self.range(node, value, schema),
            Content::List(items) => {
                let Some(each) = schema.get("items") else { return };
                for (at, item) in items.iter().enumerate() {
                    self.inside(&at.to_string(), |this| this.check(item, each));
                }
            }
            Content::Object(members) => self.object(node.spot, members, schema),
        }
    }

    /// What a reference stands for; the object itself otherwise. `None`: anything is allowed.
    fn resolved(&self, schema: &'a Value) -> Option<&'a Map<String, Value>> {
        let schema = schema.as_object()?;
        let Some(reference) = schema.get("$ref").and_then(Value::as_str) else {
            return Some(schema);
        };
        self.root.pointer(reference.strip_prefix('#')?)?.as_object()
    }

    /// The branches, and those inside of them.
    fn leaves(&self, branches: &'a [Value], into: &mut Vec<&'a Map<String, Value>>) {
        for branch in branches.iter().filter_map(|branch| self.resolved(branch)) {
            let inner = branch.get("anyOf").or_else(|| branch.get("oneOf"));
            match inner.and_then(Value::as_array) {
                Some(inner) => self.leaves(inner, into),
                None => into.push(branch),
            }
        }
    }

    /// The branch that takes what was found decides; names of all branches are one list.
    fn branches(&mut self, node: &Node, branches: &'a [Value]) {
        let mut leaves = Vec::new();
        self.leaves(branches, &mut leaves);
        let known: Vec<_> = leaves.iter().copied().filter_map(names).flatten().collect();
        if matches!(&node.content, Content::Scalar(Value::String(_))) && !known.is_empty() {
            return self.name(node, &known);
        }
        let fits = |leaf: &&&'a Map<String, Value>| {
            kinds(leaf).iter().any(|kind| is(&node.content, kind)) && names(leaf).is_none()
        };
        match leaves.iter().find(fits) {
            Some(leaf) => self.fitting(node, leaf),
            None => {
                let kinds: Vec<_> = leaves.iter().flat_map(|leaf| kinds(leaf)).collect();
                self.fault(node.spot, mismatch(&node.content, &kinds), None);
            }
        }
    }

    fn name(&mut self, node: &Node, names: &[&str]) {
        let Content::Scalar(Value::String(found)) = &node.content else {
            return self.fault(node.spot, mismatch(&node.content, &["string"]), None);
        };
        if !names.contains(&found.as_str()) {
            let message = format!("found '{}': expected one of {}", shown(found), names.join(", "));
            self.fault(node.spot, message, nearest(found, names.iter().copied()));
        }
    }

    fn range(&mut self, node: &Node, value: &Value, schema: &Map<String, Value>) {
        let Some(number) = value.as_f64() else { return };
        let bound = |key| schema.get(key).and_then(Value::as_f64);
        if let Some(least) = bound("minimum").filter(|least| number < *least) {
            self.fault(node.spot, format!("found {value}: expected {least} or more"), None);
        } else if let Some(most) = bound("maximum").filter(|most| number > *most) {
            self.fault(node.spot, format!("found {value}: expected {most} or less"), None);
        }
    }

    fn object(&mut self, spot: Spot, members: &[(Key, Node)], schema: &'a Map<String, Value>) {
        let properties = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties");
        for (key, member) in members {
            if self.faults.len() == TOLD {
                return;
            }
            match properties.and_then(|known| known.get(&key.name)).or(others) {
                Some(Value::Bool(false)) => {
                    let known = properties.into_iter().flat_map(Map::keys).map(String::as_str);
                    let meant = nearest(&key.name, known);
                    let message = format!("the key '{}' is not known here", shown(&key.name));
                    self.inside(&key.name, |this| this.fault(key.spot, message, meant));
                }
                Some(schema) => self.inside(&key.name, |this| this.check(member, schema)),
                None => {}
            }
        }
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        for key in required.filter_map(Value::as_str) {
            if !members.iter().any(|(known, _)| known.name == key) {
                self.fault(spot, format!("the key '{key}' is missing"), None);
            }
        }
    }

    fn inside(&mut self, key: &str, what: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path.push('/');
        self.path.push_str(&pointer_part(key));
        what(self);
        self.path.truncate(length);
    }

    fn fault(&mut self, spot: Spot, message: String, meant: Option<String>) {
        if self.faults.len() < TOLD {
            let fault = Fault { path: self.path.clone(), ..spot.fault(message) };
            self.faults.push(fault.suggest(meant));
        }
    }
}

/// The kinds that a schema takes; none when it says nothing about them.
fn kinds(schema: &Map<String, Value>) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The texts that a schema takes, when it lists them.
fn names(schema: &Map<String, Value>) -> Option<Vec<&str>> {
    if let Some(name) = schema.get("const") {
        return Some(name.as_str().into_iter().collect());
    }
    let names = schema.get("enum")?.as_array()?;
    Some(names.iter().filter_map(Value::as_str).collect())
}

/// Whether a value is of a kind of JSON Schema.
fn is(content: &Content, kind: &str) -> bool {
    match content {
        Content::List(_) => kind == "array",
        Content::Object(_) => kind == "object",
        Content::Scalar(Value::Null) => kind == "null",
        Content::Scalar(Value::Bool(_)) => kind == "boolean",
        Content::Scalar(Value::String(_)) => kind == "string",
        Content::Scalar(Value::Number(number)) => {
            kind == "number" || (kind == "integer" && !number.is_f64())
        }
        Content::Scalar(_) => false,
    }
}

fn mismatch(content: &Content, expected: &[&str]) -> String {
    let found = match content {
        Content::List(_) => "a list".to_owned(),
        Content::Object(_) => "an object".to_owned(),
        Content::Scalar(Value::String(text)) => format!("the text '{}'", shown(text)),
        Content::Scalar(Value::Null) => "nothing".to_owned(),
        Content::Scalar(value) => value.to_string(),
    };
    let mut expected: Vec<_> = expected.iter().filter(|kind| **kind != "null").map(named).collect();
    expected.dedup();
    let quotes = matches!(content, Content::Scalar(Value::Number(_) | Value::Bool(_)))
        && expected == ["a text"];
    let quotes = if quotes { " (in quotes)" } else { "" };
    format!("found {found}: expected {}{quotes}", expected.join(" or "))
}

fn named<'a>(kind: &&'a str) -> &'a str {
    match *kind {
        "string" => "a text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "an object",
        other => other,
    }
}
