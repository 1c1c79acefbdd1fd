//! What is wrong with a definition, and where.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whether a fault keeps the definition from being run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It can't be run.
    Error,
    /// It can be run, and is hardly what its author wants.
    Warning,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Fault {
    /// Whether it keeps the definition from being run.
    #[schema(value_type = String)]
    pub severity: Severity,
    /// The place as a JSON pointer (RFC 6901): `/steps/2/when`; empty for the whole.
    pub path: String,
    /// The line in the text, from 1; 0 when there is no text.
    pub line: u32,
    /// The column in the line in characters, from 1; 0 when there is no text.
    pub column: u32,
    /// What was found, and what was expected.
    pub message: String,
    /// What is probably meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
    /// Characters into the text at `path`; told in `column` when the fault is placed.
    #[serde(skip)]
    pub(crate) offset: usize,
}

impl Fault {
    /// A fault that keeps the definition at `path` from being run.
    #[must_use]
    pub fn error(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            path: path.into(),
            line: 0,
            column: 0,
            message: message.into(),
            suggestion: None,
            offset: 0,
        }
    }

    /// Something at `path` that is hardly meant.
    #[must_use]
    pub fn warning(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(path, message) }
    }

    /// Adds what is probably meant.
    #[must_use]
    pub fn suggest(mut self, suggestion: impl Into<Option<String>>) -> Self {
        self.suggestion = suggestion.into();
        self
    }

    /// Moves it into the text at its path.
    pub(crate) fn at_offset(mut self, offset: usize) -> Self {
        self.offset = offset;
        self
    }

    /// Whether it keeps the definition from being run.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// `3:9: error: /steps/0/depends_on/0: no step 'reed' (did you mean 'read'?)`
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "{}:{}: ", self.line, self.column)?;
        }
        f.write_str(if self.is_error() { "error: " } else { "warning: " })?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        self.suggestion.as_ref().map_or(Ok(()), |meant| write!(f, " ({meant})"))
    }
}
