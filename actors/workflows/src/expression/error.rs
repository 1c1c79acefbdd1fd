//! What can go wrong with an expression: when it is compiled, and when it is evaluated.

use crate::definition::model::ErrorKind;

/// An expression could not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionError {
    /// What went wrong.
    pub message: String,
    /// `expression_error`, or `oversize` when the result is larger than allowed.
    pub kind: ErrorKind,
}

impl ExpressionError {
    /// An evaluation that failed.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), kind: ErrorKind::ExpressionError }
    }

    /// A result of `size` bytes or more where `limit` are allowed.
    pub(crate) fn oversize(size: usize, limit: usize) -> Self {
        let message = format!("the result has {size} bytes, and {limit} are allowed");
        Self { message, kind: ErrorKind::Oversize }
    }
}

/// An expression or template that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CompileError {
    /// Where in the template, as a JSON pointer; empty for a single text.
    pub path: String,
    /// Characters into the text at that place.
    pub offset: usize,
    /// What was found, and what was expected.
    pub message: String,
    /// What is probably meant.
    pub suggestion: Option<String>,
}

impl CompileError {
    /// A fault `offset` characters into a text.
    pub(crate) fn new(offset: usize, message: impl Into<String>) -> Self {
        let (path, suggestion) = (String::new(), None);
        Self { path, offset, message: message.into(), suggestion }
    }
}
