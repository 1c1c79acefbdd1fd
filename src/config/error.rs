//! What can be wrong with a configuration, told so that it can be mended at once.

use std::fmt;
use std::io;
use std::path::PathBuf;

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
    #[error("{}:{line}:{column}: not valid TOML: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What the parser expected.
        message: String,
    },
    /// Keys that are unknown or whose values are not allowed; all that were found.
    #[error("{}", Listed(.0))]
    Invalid(Vec<KeyFault>),
}

/// One key that is unknown, or whose value is not allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFault {
    /// The key, with its section.
    pub key: KeyPath,
    /// Where the value comes from.
    pub origin: Origin,
    /// The value that was found, as TOML; absent for an unknown key.
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
    /// A line of the file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1, when it is known.
        line: Option<usize>,
    },
    /// An environment variable.
    Environment {
        /// The variable's name.
        variable: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line: Some(line) } => write!(f, "{}:{line}", path.display()),
            Self::File { path, line: None } => write!(f, "{}", path.display()),
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
struct Listed<'f>(&'f [KeyFault]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}
