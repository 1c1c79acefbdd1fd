//! CEL, parsed by the `cel` crate and evaluated here on JSON with a meter.
//!
//! ```text
//!  text ── outline (length, nesting) ── cel's parser ── lower (names, functions) ──▶ Node
//!  Node ── evaluate (on the run's JSON, every step and every byte charged) ──▶ Json
//! ```
//!
//! Why not its evaluator: it copies values between its own types at every use, and nothing can stop
//! an evaluation that has begun. Here each step is charged before it is done, so an evaluation
//! ends after at most [`MAX_COST`] of them, whatever the expression and the values are. Tests
//! compare the two evaluators.
//!
//! The language: CEL without bytes, protocol buffers, optional values and maps whose keys are not
//! texts. Functions: see [`functions`].

mod access;
mod arithmetic;
mod cost;
mod evaluate;
pub(crate) mod functions;
mod lower;
mod moments;
mod node;
pub(crate) mod outline;
mod result;
#[cfg(test)]
mod tests;
mod value;

use std::cell::OnceCell;

use super::error::{CompileError, ExpressionError};
use super::scope::{Names, Place, Root, Scope};
use crate::json::Json;
use evaluate::Evaluation;
use node::Node;

/// Most steps of one evaluation. A step is an operation on a scalar, 16 bytes of a text or one
/// element of a list; a million of them take well under a second.
pub(crate) const MAX_COST: u64 = 1_000_000;

/// Most bytes of a value on the way, and of the result of an expression without names.
const MAX_BYTES: usize = 16 << 20;

/// A compiled formula.
#[derive(Debug)]
pub(crate) struct Program {
    node: Node,
    /// What it looks at, each once.
    roots: Vec<Root>,
}

impl Program {
    /// Parses and checks `text`, which [`outline::check`] has let pass.
    pub(crate) fn compile(text: &str, names: &Names, place: Place) -> Result<Self, CompileError> {
        let parsed = outline::parse(text)?;
        let (node, roots) = lower::lower(&parsed, text, names, place)?;
        cost::check(&node)?;
        Ok(Self { node, roots })
    }

    /// What it looks at.
    pub(crate) fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// Its value, at most `max_bytes` of JSON text.
    pub(crate) fn evaluate(
        &self,
        scope: &dyn Scope,
        max_bytes: usize,
    ) -> Result<Json, ExpressionError> {
        let found: Vec<OnceCell<Option<Json>>> = vec![OnceCell::new(); self.roots.len()];
        let seen = evaluate::Seen { scope, roots: &self.roots, found: &found };
        let mut evaluation = Evaluation::new(seen, MAX_COST, MAX_BYTES.min(max_bytes.max(1_024)));
        evaluation.run(&self.node, max_bytes).map(Json::from)
    }
}
