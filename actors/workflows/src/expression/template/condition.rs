//! Expressions that yield true or false.

use std::sync::Arc;

use crate::expression::error::{CompileError, ExpressionError};
use crate::expression::formula::Formula;
use crate::expression::scope::{Names, Place, Root, Scope};

/// Bytes that a condition's value may have, which are only looked at to be refused.
const MAX_FLAG: usize = 1_024;

/// An expression that yields true or false.
#[derive(Debug, Clone)]
pub struct Condition {
    formula: Formula,
    text: Arc<str>,
}

impl Condition {
    /// Compiles a condition that stands at `place`; `${…}` around it may be written.
    ///
    /// # Errors
    /// That the text is no expression, or names what does not exist there.
    pub fn compile(text: &str, names: &Names, place: Place) -> Result<Self, CompileError> {
        let wrapped = text.trim().strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        let inside = wrapped.unwrap_or(text);
        let before = text.len() - text.trim_start().len();
        let offset = if wrapped.is_some() { before + 2 } else { 0 };
        let formula = Formula::compile(inside, names, place)
            .map_err(|fault| CompileError { offset: fault.offset + offset, ..fault })?;
        if let Formula::Constant(value) = &formula
            && !value.value().is_boolean()
        {
            let message = format!("expected true or false, found {value:?}");
            return Err(CompileError::new(offset, message));
        }
        Ok(Self { formula, text: Arc::from(text) })
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// What could not be evaluated, or that the value is neither true nor false.
    pub fn evaluate(&self, scope: &dyn Scope) -> Result<bool, ExpressionError> {
        let value = self.formula.evaluate(scope, MAX_FLAG)?;
        value.value().as_bool().ok_or_else(|| {
            let message = format!("{}: expected true or false, found {value:?}", self.text);
            ExpressionError::new(message)
        })
    }

    /// Whether it holds, when it looks at nothing.
    #[must_use]
    pub fn as_constant(&self) -> Option<bool> {
        match &self.formula {
            Formula::Constant(value) => value.value().as_bool(),
            _ => None,
        }
    }

    /// As written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it looks at.
    #[must_use]
    pub fn roots(&self) -> Vec<&Root> {
        self.formula.roots().iter().collect()
    }
}
