//! Definitions of workflows: their model, their written forms, and what is wrong with one.

mod builder;
mod canonical;
mod check;
mod document;
mod fault;
mod hash;
pub mod model;
mod nearest;
mod plans;
mod schema;
mod shape;

pub use builder::Workflow;
pub use check::{Checked, Known, check, check_definition};
pub use fault::{Fault, Severity};
pub use hash::DefinitionHash;
pub use model::{Definition, ErrorKind};
pub use plans::{PLAN_STEP, PlanForm, PlanFormStep, PlanRetry};
pub use schema::schema;

pub(crate) use check::MAX_LABELS;
pub(crate) use nearest::{Suggestions, nearest};
