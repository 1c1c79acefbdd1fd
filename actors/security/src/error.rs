//! What keys, tokens and certificates could not be made of.

use std::io;
use std::path::PathBuf;

/// A file of the security folder could not be read, written or understood.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refused; the file is as it was.
    #[error("{}: {source}", .path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds something else; it is as it was.
    #[error("{}: expected {expected}, got {got}", .path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What should be in it.
        expected: &'static str,
        /// What is.
        got: String,
    },
    /// Another process held the folder for too long; nothing was changed.
    #[error("{}: another process has held the lock for {} s", .path.display(), .within_s)]
    Busy {
        /// The lock file.
        path: PathBuf,
        /// How long was waited.
        within_s: u64,
    },
}

impl FileError {
    /// The system's refusal to do something with `path`.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    /// Whether the file is not there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}
