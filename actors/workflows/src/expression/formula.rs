//! One expression, compiled: a plain path or a formula.

use super::error::{CompileError, ExpressionError};
use super::path::{self, Path};
use super::scope::{Names, Place, Root, Scope};
use crate::json::Json;

/// One compiled expression.
#[derive(Debug, Clone)]
pub(crate) enum Formula {
    /// A value's place.
    Path(Path),
}

impl Formula {
    /// Compiles `text`.
    pub(crate) fn compile(text: &str, names: &Names, place: Place) -> Result<Self, CompileError> {
        let segments = path::parse(text)
            .ok_or_else(|| CompileError::new(0, format!("'{text}' is not a path")))?;
        path::rooted(&segments, text.trim(), names, place).map(Self::Path).map_err(
            |(message, suggestion)| CompileError { suggestion, ..CompileError::new(0, message) },
        )
    }

    /// Its value.
    pub(crate) fn evaluate(&self, scope: &dyn Scope) -> Result<Json, ExpressionError> {
        match self {
            Self::Path(path) => path.resolve(scope),
        }
    }

    /// What it looks at.
    pub(crate) fn roots(&self) -> impl Iterator<Item = &Root> {
        match self {
            Self::Path(path) => std::iter::once(&path.root),
        }
    }
}
