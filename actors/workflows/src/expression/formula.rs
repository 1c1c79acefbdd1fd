//! One expression, compiled: a constant, a plain path, or a program of CEL.

use std::sync::Arc;

use super::cel::{Program, outline};
use super::error::{CompileError, ExpressionError};
use super::path::{self, Path};
use super::scope::{Names, Place, Root, Scope};
use crate::json::Json;

/// Most bytes of the value of an expression that looks at nothing.
const MAX_CONSTANT: usize = 1 << 20;

/// One compiled expression.
#[derive(Debug, Clone)]
pub(crate) enum Formula {
    /// It looks at nothing; evaluated when it was compiled.
    Constant(Json),
    /// A value's place.
    Path(Path),
    /// Anything else.
    Program(Arc<Program>),
}

impl Formula {
    /// Compiles `text`.
    pub(crate) fn compile(text: &str, names: &Names, place: Place) -> Result<Self, CompileError> {
        outline::check(text)?;
        if let Some(segments) = path::parse(text) {
            let path = path::rooted(&segments, text.trim(), names, place);
            return path.map(Self::Path).map_err(|(message, suggestion)| {
                let before = text.len() - text.trim_start().len();
                CompileError { suggestion, ..CompileError::new(before, message) }
            });
        }
        let program = Program::compile(text, names, place)?;
        if !program.roots().is_empty() {
            return Ok(Self::Program(Arc::new(program)));
        }
        let value = program.evaluate(&|_: &Root| None, MAX_CONSTANT);
        value.map(Self::Constant).map_err(|error| CompileError::new(0, error.message))
    }

    /// Its value, at most `max_bytes` of JSON text unless it is a plain path.
    pub(crate) fn evaluate(
        &self,
        scope: &dyn Scope,
        max_bytes: usize,
    ) -> Result<Json, ExpressionError> {
        match self {
            Self::Constant(value) => Ok(value.clone()),
            Self::Path(path) => path.resolve(scope),
            Self::Program(program) => program.evaluate(scope, max_bytes),
        }
    }

    /// What it looks at.
    pub(crate) fn roots(&self) -> &[Root] {
        match self {
            Self::Constant(_) => &[],
            Self::Path(path) => std::slice::from_ref(&path.root),
            Self::Program(program) => program.roots(),
        }
    }
}
