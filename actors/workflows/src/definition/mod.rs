//! Definitions of workflows: their model, and what is wrong with one.

mod fault;
mod hash;
pub mod model;
mod nearest;

pub use fault::{Fault, Severity};
pub use hash::DefinitionHash;

pub(crate) use nearest::nearest;
