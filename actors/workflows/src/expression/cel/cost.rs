//! What an expression costs at least, when its lists are written in it: nested loops over them are
//! refused when the definition is checked, not when a run is under way.

use super::super::error::CompileError;
use super::MAX_COST;
use super::node::{Loop, Node, What};

/// Refuses loops that visit more than an evaluation may take.
pub(super) fn check(node: &Node) -> Result<(), CompileError> {
    let steps = steps(node);
    if steps > MAX_COST {
        let message =
            format!("it takes {steps} steps or more: expected at most {MAX_COST} (nested loops)");
        return Err(CompileError::new(0, message));
    }
    Ok(())
}

/// Steps of all parts together, with loops over written lists unrolled and others run once.
fn steps(node: &Node) -> u64 {
    let sum = |nodes: &mut dyn Iterator<Item = &Node>| {
        nodes.fold(1_u64, |sum, node| sum.saturating_add(steps(node)))
    };
    match node {
        Node::Literal(_) | Node::Path(..) | Node::Local(_) => 1,
        Node::Select(inner, _) | Node::Has(inner, _) | Node::Not(inner) | Node::Negate(inner) => {
            steps(inner).saturating_add(1)
        }
        Node::And(one, other) | Node::Or(one, other) | Node::Binary(_, one, other) => {
            sum(&mut [one.as_ref(), other.as_ref()].into_iter())
        }
        Node::If(parts) => sum(&mut parts.iter()),
        Node::List(nodes) | Node::Call(_, nodes) => sum(&mut nodes.iter()),
        Node::Map(entries) => sum(&mut entries.iter().flat_map(|(key, value)| [key, value])),
        Node::Loop(one) => {
            let body = match &one.what {
                What::All(test) | What::Exists(test) | What::ExistsOne(test) => steps(test),
                What::Collect { guard, item } => sum(&mut guard.iter().chain([item])),
            };
            steps(&one.range).saturating_add(visits(one).saturating_mul(body))
        }
    }
}

/// How many elements the loop visits.
fn visits(one: &Loop) -> u64 {
    let mut range = &one.range;
    // What `map` yields is as long as what it goes over.
    while let Node::Loop(inner) = range {
        match &inner.what {
            What::Collect { guard: None, .. } => range = &inner.range,
            _ => return 1,
        }
    }
    match range {
        Node::List(items) => items.len() as u64,
        Node::Map(entries) => entries.len() as u64,
        _ => 1,
    }
}
