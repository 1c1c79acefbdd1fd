//! What a rule found, and how it is told.

use std::fmt;

/// One breach of one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Path from the root of the repository, with `/`.
    pub(crate) file: String,
    /// Line from 1; 0 when the whole file is meant.
    pub(crate) line: usize,
    /// What was found and what the rule says.
    pub(crate) rule: String,
    /// What to do about it.
    pub(crate) remedy: String,
}

impl Finding {
    /// A finding in `file` at `line`.
    pub(crate) fn new(
        file: impl Into<String>,
        line: usize,
        rule: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { file: file.into(), line, rule: rule.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}; {}", self.file, self.line, self.rule, self.remedy)
    }
}

/// Fails the test that calls it when there is any finding, and prints them all.
#[track_caller]
pub(crate) fn demand_none(findings: Vec<Finding>) {
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert!(findings.is_empty(), "{} finding(s):\n{}", lines.len(), lines.join("\n"));
}
