//! What can go wrong in a triage, and what to do about it.

use std::io;
use std::path::PathBuf;

use synod_runtime::ConfigFault;

use crate::reader::Skipped;

/// The input can't be used. Nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The file or folder can't be opened, or the stream broke.
    #[error("{} can't be read: {source}; give another with --input FILE or --input FOLDER, or pipe \
             one into --input -", path.display())]
    Unreadable {
        /// What was to be read.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The file is no text.
    #[error("{} is {reason}; give a text log, or pipe one in: zcat FILE | synod demo --input -",
        path.display())]
    NotText {
        /// Which file.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// The folder holds no log.
    #[error("no log in {}: {} left out{}; give another with --input FILE or --input FOLDER",
        path.display(), skipped.len(), first(skipped))]
    NoLogs {
        /// Which folder.
        path: PathBuf,
        /// What is in it.
        skipped: Vec<Skipped>,
    },
    /// This machine has no log that can be read.
    #[error("found no log on this machine. Tried:\n  {}\nGive one with --input FILE or --input \
             FOLDER, pipe one into --input -, or run with the rights to read /var/log",
        tried.join("\n  "))]
    NothingToRead {
        /// What was tried, and what came of it.
        tried: Vec<String>,
    },
    /// The stream can't be spooled.
    #[error("{} can't be written: {source}", path.display())]
    Spool {
        /// The file in the spool folder.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// How many of the files that are left out an error names.
const NAMED: usize = 3;

fn first(skipped: &[Skipped]) -> String {
    let named = skipped.iter().take(NAMED).map(|s| format!("{}: {}", s.path, s.reason));
    let named: Vec<String> = named.collect();
    if named.is_empty() { String::new() } else { format!(" ({})", named.join("; ")) }
}

/// A chunk can't be read; another attempt reads it again, unless it is none of the input.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file is not what the team was given to read.
    #[error("{path} is not read: it is no part of the input that this team was given")]
    NotGiven {
        /// Which file.
        path: String,
    },
    /// The file can't be opened or read.
    #[error("{path} can't be read: {source}")]
    Unreadable {
        /// Which file.
        path: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The file became shorter since the chunk was planned.
    #[error("{path} was shortened while it was read: {got} of {expected} bytes are left")]
    Shortened {
        /// Which file.
        path: String,
        /// Bytes that the chunk had.
        expected: u64,
        /// Bytes that are left of it.
        got: u64,
    },
}

/// The triage could not be done. Tasks that were accepted go on in the node.
#[derive(Debug, thiserror::Error)]
pub enum TriageError {
    /// Values of the configuration are out of range.
    #[error("the configuration is wrong: {}", faults(.0))]
    Config(Vec<ConfigFault>),
    /// The input can't be used.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The task engine did not take a task, or did not answer.
    #[error("the task engine did not take the work: {0}")]
    Engine(String),
    /// A task failed for good.
    #[error("{step} failed: {reason}")]
    Task {
        /// Which step of the triage.
        step: &'static str,
        /// What the engine reported.
        reason: String,
    },
}

fn faults(faults: &[ConfigFault]) -> String {
    let each: Vec<String> = faults.iter().map(|f| format!("{} {}", f.key, f.reason)).collect();
    each.join("; ")
}
