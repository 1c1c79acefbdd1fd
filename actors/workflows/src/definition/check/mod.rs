//! Everything that is wrong with the text of a definition, told at once.
//!
//! ```text
//!  text ── document ──▶ tree with places ── shape ──▶ Definition ── Plan::compile ──▶ Plan
//!                                │                        │                             │
//!                                └──────── faults ◀── known agents ◀── doubts ◀─────────┘
//! ```

mod doubts;
mod known;
#[cfg(test)]
mod tests;

use super::document;
use super::fault::Fault;
use super::model::Definition;
use super::shape;
use crate::plan::Plan;

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
    let read: Result<Definition, _> = serde_json::from_value(node.value());
    let definition = match read {
        Ok(definition) if faults.is_empty() => definition,
        Ok(_) => return Checked { definition: None, plan: None, faults },
        Err(error) => {
            // The shape says more, and where; what it does not say is said by the reader.
            if faults.is_empty() {
                faults.push(node.place(Fault::error("", error.to_string())));
            }
            return Checked { definition: None, plan: None, faults };
        }
    };
    let Checked { definition, plan, faults } = check_definition(definition, known);
    let mut faults: Vec<_> = faults.into_iter().map(|fault| node.place(fault)).collect();
    faults.sort_by_key(|fault| (fault.line, fault.column, fault.severity));
    Checked { definition, plan, faults }
}

/// Checks a definition that has no text; its faults have no lines.
#[must_use]
pub fn check_definition(definition: Definition, known: &Known) -> Checked {
    let (plan, mut faults) = match Plan::compile(&definition) {
        Ok(plan) => {
            let doubts = doubts::of(&definition, &plan);
            (Some(plan), doubts)
        }
        Err(faults) => (None, faults),
    };
    faults.extend(known.unknown(&definition));
    Checked { definition: Some(definition), plan, faults }
}
