//! Faults of a configuration as a list for programs.

use std::path::Path;

use serde::Serialize;

use super::error::{ConfigError, KeyFault, Origin, Place};

/// One fault: where it is, what was found there and what was expected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FaultReport {
    /// The key, with its section; none when the file can't be read as a whole.
    pub key: Option<String>,
    /// The file it stands in.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The column in characters, from 1.
    pub column: Option<usize>,
    /// The environment variable that sets the key, instead of a file.
    pub variable: Option<String>,
    /// The value that was found, as TOML.
    pub found: Option<String>,
    /// What was expected.
    pub expected: String,
    /// What was probably meant, or what to do.
    pub advice: Option<String>,
}

impl FaultReport {
    /// The place in words: `node.toml:3:1`, or `environment SYNOD_HTTP__LISTEN`.
    #[must_use]
    pub fn at(&self) -> Option<String> {
        let variable = self.variable.as_ref().map(|name| format!("environment {name}"));
        let places = [self.line, self.column].into_iter().flatten();
        let file = || {
            let file = self.file.clone()?;
            Some(places.fold(file, |at, number| format!("{at}:{number}")))
        };
        variable.or_else(file)
    }

    fn in_file(path: &Path, place: Option<Place>) -> Self {
        Self {
            file: Some(path.display().to_string()),
            line: place.map(|place| place.line),
            column: place.map(|place| place.column),
            ..Self::default()
        }
    }
}

impl From<&KeyFault> for FaultReport {
    fn from(fault: &KeyFault) -> Self {
        let place = match &fault.origin {
            Origin::Default => Self::default(),
            Origin::File { path, place } => Self::in_file(path, Some(*place)),
            Origin::Environment { variable } => {
                Self { variable: Some(variable.clone()), ..Self::default() }
            }
        };
        Self {
            key: Some(fault.key.to_string()),
            found: fault.found.clone(),
            expected: fault.reason.clone(),
            advice: fault.advice.clone(),
            ..place
        }
    }
}

impl ConfigError {
    /// All faults, each with its place.
    #[must_use]
    pub fn report(&self) -> Vec<FaultReport> {
        match self {
            Self::Unreadable { path, source } => vec![FaultReport {
                found: Some(source.to_string()),
                expected: "a file that can be read".to_owned(),
                ..FaultReport::in_file(path, None)
            }],
            Self::Syntax { path, faults } => faults
                .iter()
                .map(|fault| FaultReport {
                    expected: format!("valid TOML: {}", fault.message),
                    ..FaultReport::in_file(path, Some(fault.place))
                })
                .collect(),
            Self::Invalid(faults) => faults.iter().map(FaultReport::from).collect(),
        }
    }
}
