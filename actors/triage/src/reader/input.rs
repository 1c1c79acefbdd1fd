//! What is to be read: a file, a folder, standard input, or the logs of this machine.

mod walk;

use std::fmt;
use std::fs::{self, File, FileType};
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use self::walk::Walk;
use super::journal::{self, JournalStream};
use super::layout::Layout;
use super::probe::{Probed, probe};
use super::timestamp::WrittenAt;
use crate::config::TriageConfig;
use crate::error::InputError;

/// Where the logs of a machine lie.
const MACHINE_LOGS: &str = "/var/log";

/// The folder of the logs of a machine.
pub(super) fn machine_logs() -> &'static Path {
    Path::new(MACHINE_LOGS)
}

/// What is to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Input {
    /// The text logs of this machine under `/var/log`, or else its journal.
    #[default]
    Machine,
    /// A file, or a folder of which all logs are read.
    Path(PathBuf),
    /// Standard input.
    Standard,
}

impl FromStr for Input {
    type Err = std::convert::Infallible;

    /// `-` is standard input.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text == "-" { Self::Standard } else { Self::Path(text.into()) })
    }
}

/// A log file that will be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFile {
    /// Where it is; for a stream, its name.
    pub path: String,
    /// Bytes when it was found; 0 for a stream.
    pub bytes: u64,
    /// How its lines begin.
    pub layout: Layout,
    /// When it was written.
    pub written: WrittenAt,
}

/// A file that is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Where it is.
    pub path: String,
    /// Why it is left out.
    pub reason: String,
}

/// All that will be read.
#[derive(Default)]
pub struct Sources {
    /// Files, by path.
    pub files: Vec<LogFile>,
    /// What is left out, and why.
    pub skipped: Vec<Skipped>,
    /// Where those of the files lie that are links.
    pub linked: Vec<PathBuf>,
    /// A stream and its name, instead of files.
    pub stream: Option<(String, Box<dyn Read + Send>)>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stream = self.stream.as_ref().map(|(name, _)| name);
        let (files, skipped) = (self.files.len(), self.skipped.len());
        write!(f, "Sources {{ files: {files}, skipped: {skipped}, stream: {stream:?} }}")
    }
}

/// Finds out what there is to read. Blocking.
///
/// # Errors
/// Nothing to read; the error says what was tried and how to give some.
pub fn survey(input: &Input, config: &TriageConfig) -> Result<Sources, InputError> {
    match input {
        Input::Standard => survey_stream("<stdin>", io::stdin()),
        Input::Path(path) => survey_path(path, config),
        Input::Machine => survey_machine(config),
    }
}

fn stream(name: &str, reader: Box<dyn Read + Send>) -> Sources {
    Sources { stream: Some((name.to_owned(), reader)), ..Sources::default() }
}

/// A stream that has anything to say; the first byte tells.
fn survey_stream(
    name: &str,
    mut reader: impl Read + Send + 'static,
) -> Result<Sources, InputError> {
    let mut first = Vec::new();
    let read = reader.by_ref().take(1).read_to_end(&mut first);
    read.map_err(|source| InputError::Unreadable { path: name.into(), source })?;
    if first.is_empty() {
        return Err(InputError::NotText { path: name.into(), reason: "empty".into() });
    }
    Ok(stream(name, Box::new(io::Cursor::new(first).chain(reader))))
}

fn survey_path(path: &Path, config: &TriageConfig) -> Result<Sources, InputError> {
    let failed = |source| InputError::Unreadable { path: path.to_owned(), source };
    let kind = fs::metadata(path).map_err(failed)?.file_type();
    if kind.is_fifo() {
        return survey_stream(&path.to_string_lossy(), File::open(path).map_err(failed)?);
    }
    if let Some(reason) = no_file(kind) {
        return Err(InputError::NotText { path: path.to_owned(), reason: reason.into() });
    }
    if kind.is_dir() {
        let sources = Walk::below(path, config);
        return match sources.files.is_empty() {
            true => Err(InputError::NoLogs { path: path.to_owned(), skipped: sources.skipped }),
            false => Ok(sources),
        };
    }
    let mut sources = Sources::default();
    match look_at(path).map_err(failed)? {
        Looked::Log(file) => sources.files.push(file),
        Looked::Other(reason) => {
            return Err(InputError::NotText { path: path.to_owned(), reason: reason.into() });
        }
    }
    Ok(sources)
}

fn survey_machine(config: &TriageConfig) -> Result<Sources, InputError> {
    let found = Walk::below(machine_logs(), config);
    if !found.files.is_empty() {
        return Ok(found);
    }
    let mut tried = vec![format!("{MACHINE_LOGS}: no text log that can be read")];
    tried.extend(found.skipped.iter().take(5).map(|s| format!("  {}: {}", s.path, s.reason)));
    let mut journal = match JournalStream::open() {
        Ok(journal) => journal,
        Err(error) => {
            tried.push(format!("{}: {error}", journal::command_line()));
            return Err(InputError::NothingToRead { tried });
        }
    };
    let mut first = [0];
    match journal.read(&mut first) {
        Ok(1) => Ok(stream("<journal>", Box::new(io::Cursor::new(first).chain(journal)))),
        _ => {
            tried.push(format!("{}: it printed nothing", journal::command_line()));
            Err(InputError::NothingToRead { tried })
        }
    }
}

/// What can't be read from begin to end, if it is no file or folder.
fn no_file(kind: FileType) -> Option<&'static str> {
    match kind {
        kind if kind.is_fifo() => Some("a named pipe"),
        kind if kind.is_socket() => Some("a socket"),
        kind if kind.is_block_device() || kind.is_char_device() => Some("a device"),
        _ => None,
    }
}

enum Looked {
    Log(LogFile),
    Other(&'static str),
}

fn look_at(path: &Path) -> io::Result<Looked> {
    let metadata = fs::metadata(path)?;
    let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let written = WrittenAt::from_ms(i64::try_from(modified.as_millis()).unwrap_or(i64::MAX));
    let Some(name) = path.to_str() else {
        return Ok(Looked::Other("its name is not UTF-8"));
    };
    Ok(match probe(path, written)? {
        Probed::Other(reason) => Looked::Other(reason),
        Probed::Text(layout) => {
            let path = name.to_owned();
            Looked::Log(LogFile { path, bytes: metadata.len(), layout, written })
        }
    })
}

/// `x.log`, `x.log.1`, `x.out`, `syslog`: named like a log although no line is dated.
fn has_log_name(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches(['.', '-']);
    let endings = [".log", ".out", ".err", ".txt"];
    endings.iter().any(|ending| stem.ends_with(ending))
        || matches!(stem, "syslog" | "messages" | "dmesg" | "secure" | "maillog")
}

#[cfg(test)]
mod tests;
