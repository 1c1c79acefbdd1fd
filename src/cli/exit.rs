//! How a command ends: one code for each kind of end, and one place that tells it.

use std::io;
use std::process::ExitCode;

use crate::config::ConfigError;

/// The exit codes of all commands, for `--help`.
pub(crate) const HELP: &str = "Exit codes:
  0    done
  1    the work was done and failed, or the node made a mistake
  2    wrong usage, input or configuration, or data that no node can run on before they are mended
  3    no node answers
  4    there is no such task, agent or actor
  5    the node refuses: the present state, a limit or a rule does not allow it
  130  interrupted";

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// The work was done and failed, or the node made a mistake.
    Failed = 1,
    /// Wrong usage, input or configuration, or data that have to be mended first.
    Usage = 2,
    /// No node answers.
    Unreachable = 3,
    /// There is no such thing.
    NotFound = 4,
    /// The node refuses.
    Refused = 5,
    /// Interrupted by SIGINT: 128 + 2, as shells have it.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The command line or its input is wrong.
    #[error("{0}")]
    Usage(String),
    /// The configuration is refused.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// No node answers at this address.
    #[error("no node answers at {url}: {reason}")]
    Unreachable {
        /// Where a node was expected.
        url: String,
        /// What happened instead.
        reason: String,
    },
    /// The node answered with a problem (RFC 9457).
    #[error("{0}")]
    Problem(Box<super::client::Problem>),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// The work was done and failed, or could not be done.
    #[error("{0}")]
    Failed(String),
    /// SIGINT.
    #[error("interrupted")]
    Interrupted,
    /// Standard output or input failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl CliError {
    /// The code the process ends with.
    #[must_use]
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Config(_) => Exit::Usage,
            Self::Unreachable { .. } => Exit::Unreachable,
            Self::Problem(problem) => problem.exit(),
            Self::NotFound(_) => Exit::NotFound,
            Self::Failed(_) => Exit::Failed,
            Self::Interrupted => Exit::Interrupted,
            // Whoever read our output has enough: `synod tasks list | head`.
            Self::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            Self::Io(_) => Exit::Failed,
        }
    }

    /// What to do next, if that is known.
    #[must_use]
    pub(crate) fn next_step(&self) -> Option<String> {
        match self {
            Self::Unreachable { .. } => Some(
                "is a node running? start one with `synod node`, or name one with --url".into(),
            ),
            Self::Problem(problem) => problem.next_step(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_in_the_help() {
        let codes = [
            Exit::Done,
            Exit::Failed,
            Exit::Usage,
            Exit::Unreachable,
            Exit::NotFound,
            Exit::Refused,
            Exit::Interrupted,
        ];
        for code in codes {
            assert!(HELP.contains(&format!("\n  {:<4}", code as u8)), "{code:?} is not told");
        }
    }

    #[test]
    fn a_reader_that_has_enough_is_no_failure() {
        let pipe = CliError::Io(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(pipe.exit(), Exit::Done);
    }
}
