//! Expressions: templates that yield values, and conditions that yield a yes or no.
//!
//! Constants and plain paths (`inputs.user.name`) are resolved on JSON; everything else is CEL.

mod cel;
mod error;
mod formula;
mod path;
mod scope;
mod template;

pub use error::{CompileError, ExpressionError};
pub use scope::{Names, Place, Root, Scope};
pub use template::{Condition, Template};

pub(crate) use scope::shown;
pub(crate) use template::pointer_part;
