//! Definitions of workflows: their model, and what is wrong with one.

mod fault;
pub mod model;
mod nearest;

pub use fault::{Fault, Severity};

pub(crate) use nearest::nearest;
