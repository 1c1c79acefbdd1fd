//! What can be wrong with a configuration, told so that it can be mended at once.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::path::KeyPath;

/// Why a configuration was refused. Nothing of it has been applied.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is missing, or may not be read, or is not UTF-8.
    #[error("{}: the configuration can't be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no TOML.
    #[error("{}", listed(faults.iter().map(|fault| fault.told(path))))]
    Syntax {
        /// The file.
        path: PathBuf,
        /// All that the parser found.
        faults: Vec<SyntaxFault>,
    },
    /// Keys that are unknown or whose values are not allowed; all that were found.
    #[error("{}", listed(.0))]
    Invalid(Vec<KeyFault>),
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// What is wrong with a file's text as TOML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxFault {
    /// Where.
    pub place: Place,
    /// What the parser expected.
    pub message: String,
}

impl SyntaxFault {
    fn told(&self, path: &Path) -> String {
        let Place { line, column } = self.place;
        format!("{}:{line}:{column}: not valid TOML: {}", path.display(), self.message)
    }
}

/// One key that is unknown, or whose value is not allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFault {
    /// The key, with its section.
    pub key: KeyPath,
    /// Where the value comes from.
    pub origin: Origin,
    /// The value that was found, as TOML; absent for an unknown key, and for what may be secret.
    pub found: Option<String>,
    /// What is wrong with it and what was expected.
    pub reason: String,
    /// What was probably meant, or what to do.
    pub advice: Option<String>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A place in the file.
    File {
        /// The file.
        path: PathBuf,
        /// Where the key begins.
        place: Place,
    },
    /// An environment variable.
    Environment {
        /// The variable's name.
        variable: String,
    },
}

impl Origin {
    /// The place in the file, which comes before every other origin.
    pub(super) fn place(&self) -> (bool, Option<Place>) {
        match self {
            Self::File { place, .. } => (false, Some(*place)),
            _ => (true, None),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, place: Place { line, column } } => {
                write!(f, "{}:{line}:{column}", path.display())
            }
            Self::Environment { variable } => write!(f, "environment {variable}"),
        }
    }
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: `{}`", self.origin, self.key)?;
        if let Some(found) = &self.found {
            write!(f, " is {found}")?;
        }
        write!(f, ": {}", self.reason)?;
        self.advice.iter().try_for_each(|advice| write!(f, "; {advice}"))
    }
}

/// Faults, one to a line.
fn listed(faults: impl IntoIterator<Item = impl ToString>) -> String {
    let lines: Vec<String> = faults.into_iter().map(|fault| fault.to_string()).collect();
    lines.join("\n")
}
