//! Everything that is wrong with the text of a definition, told at once.
//!
//! ```text
//!  text ── document ──▶ tree with places ── shape ──▶ Definition ── Plan::compile ──▶ Plan
//!                                │                        │                             │
//!                                └──────── faults ◀── known agents ◀── doubts ◀─────────┘
//! ```

mod bounds;
mod doubts;
mod known;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use super::document::{self, Node};
use super::fault::Fault;
use super::model::Definition;
use super::shape;
use crate::plan::Plan;

pub(crate) use bounds::MAX_LABELS;
pub use known::Known;

/// What there is to say of a text.
#[derive(Debug)]
pub struct Checked {
    /// The definition, when the text has the shape of one.
    pub definition: Option<Definition>,
    /// The plan, when there are no errors.
    pub plan: Option<Plan>,
    /// All faults, by place.
    pub faults: Vec<Fault>,
}

impl Checked {
    /// The faults that keep the definition from being run.
    pub fn errors(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter().filter(|fault| fault.is_error())
    }

    /// The faults that don't.
    pub fn warnings(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter().filter(|fault| !fault.is_error())
    }
}

/// Checks a text, YAML or JSON.
#[must_use]
pub fn check(text: &str, known: &Known) -> Checked {
    let node = match document::read(text) {
        Ok(node) => node,
        Err(fault) => return Checked { definition: None, plan: None, faults: vec![fault] },
    };
    let mut faults = shape::check(&node);
    let whole = faults.is_empty();
    let Some(definition) = read(&node, &mut faults) else {
        return Checked { definition: None, plan: None, faults };
    };
    let (plan, meant) = meaning(&definition, known);
    let meant = meant.into_iter().filter(|fault| whole || !follows(fault, &faults));
    let meant: Vec<_> = meant.map(|fault| node.place(fault)).collect();
    faults.extend(meant);
    faults.sort_by_key(|fault| (fault.line, fault.column, fault.severity));
    let (definition, plan) = if whole { (Some(definition), plan) } else { (None, None) };
    Checked { definition, plan, faults }
}

/// Checks a definition that has no text; its faults have no lines.
#[must_use]
pub fn check_definition(definition: Definition, known: &Known) -> Checked {
    let value = serde_json::to_value(&definition).unwrap_or_default();
    let mut faults = shape::check(&Node::of(&value));
    let (plan, meant) = meaning(&definition, known);
    let plan = if faults.is_empty() { plan } else { None };
    let meant: Vec<_> = meant.into_iter().filter(|fault| !follows(fault, &faults)).collect();
    faults.extend(meant);
    Checked { definition: Some(definition), plan, faults }
}

/// The definition that the text means, as far as it has the shape of one: so the faults of its
/// meaning are told together with those of its shape.
fn read(node: &Node, faults: &mut Vec<Fault>) -> Option<Definition> {
    let wrong: HashSet<_> = faults.iter().map(|fault| fault.path.as_str()).collect();
    let value = node.value_without(&wrong)?;
    match serde_json::from_value(value) {
        Ok(definition) => Some(definition),
        Err(error) => {
            // The shape says more, and where; what it does not say is said by the reader.
            if faults.is_empty() {
                faults.push(node.place(Fault::error("", error.to_string())));
            }
            None
        }
    }
}

/// Whether a fault of the meaning is about a place that, or in which something, is left out.
fn follows(fault: &Fault, shape: &[Fault]) -> bool {
    let within = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    shape.iter().any(|wrong| within(&wrong.path, &fault.path) || within(&fault.path, &wrong.path))
}

/// The plan, and what is wrong with the meaning.
fn meaning(definition: &Definition, known: &Known) -> (Option<Plan>, Vec<Fault>) {
    let (plan, mut faults) = match Plan::compile(definition) {
        Ok(plan) => {
            let beyond = bounds::of(definition);
            if !beyond.is_empty() {
                return (None, beyond);
            }
            let doubts = doubts::of(definition, &plan);
            (Some(plan), doubts)
        }
        Err(faults) => (None, faults),
    };
    faults.extend(known.unknown(definition));
    (plan, faults)
}
