//! The log of a process: text on a terminal, JSON elsewhere, on standard error.
//!
//! Standard output belongs to the commands. The level can be changed while the process runs.

mod json;
mod text;

use std::io::IsTerminal;

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

use crate::config::{LogFormat, LogSection};
use json::JsonLines;
use text::TextLines;

#[cfg(test)]
pub(crate) use json::tests::Written;

/// Changes the level of the running process.
#[derive(Debug, Clone)]
pub struct LogLevel {
    handle: reload::Handle<EnvFilter, Registry>,
}

/// Why logging could not be set up or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The level is none; the one before still holds.
    #[error("log.level: {0}")]
    Level(String),
    /// Another subscriber was installed in this process.
    #[error("this process already has a log: {0}")]
    Installed(String),
}

/// Installs the log for the whole process; call it once, before the first thread.
///
/// # Errors
/// [`LogError`]; nothing is installed then.
pub fn init(section: &LogSection) -> Result<LogLevel, LogError> {
    let filter = parse_level(&section.level).map_err(LogError::Level)?;
    let (filter, handle) = reload::Layer::new(filter);
    let terminal = std::io::stderr().is_terminal();
    let json = match section.format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let lines = if json {
        JsonLines::new(std::io::stderr).boxed()
    } else {
        let colours = terminal && colours();
        let writer = TextLines::new(std::io::stderr, colours);
        fmt::layer().with_writer(writer).with_ansi(colours).boxed()
    };
    let registry = tracing_subscriber::registry().with(filter).with(lines);
    registry.try_init().map_err(|error| LogError::Installed(error.to_string()))?;
    log_panics();
    Ok(LogLevel { handle })
}

/// Tells panics in the log, as everything else: an actor's panic is an event of the node, with the
/// node going on. One of the main thread ends the process, and is told whatever the level.
fn log_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if tracing::enabled!(tracing::Level::ERROR) {
            tracing::error!("{panic}");
        } else if std::thread::current().name() == Some("main") {
            before(panic);
        }
    }));
}

impl LogLevel {
    /// Takes over another level.
    ///
    /// # Errors
    /// [`LogError::Level`]; the level before still holds.
    pub fn set(&self, level: &str) -> Result<(), LogError> {
        let filter = parse_level(level).map_err(LogError::Level)?;
        self.handle.reload(filter).map_err(|error| LogError::Level(error.to_string()))
    }
}

/// Reads `info` or `info,synod_tasks=debug`; the error says what is wrong with it.
///
/// # Errors
/// What was expected.
pub fn parse_level(level: &str) -> Result<EnvFilter, String> {
    let expected = "expected off, error, warn, info, debug or trace, \
                    and with commas levels per module (info,synod_tasks=debug)";
    // `EnvFilter` takes any single word for the name of a module, and says nothing for "".
    let is_level = |word: &str| word.parse::<tracing::level_filters::LevelFilter>().is_ok();
    let words = || level.split(',').map(str::trim);
    if words().any(|word| !word.contains(['=', '[']) && !is_level(word) || word.is_empty()) {
        return Err(expected.to_owned());
    }
    // The actor loop under our kernel opens a span per actor, which would tag each line with its
    // numbers and cost every message. What consensus says to itself is told by our own events. Who
    // names either has it.
    let level = words().fold("ractor=off,openraft=error".to_owned(), |all, word| all + "," + word);
    EnvFilter::builder().parse(&level).map_err(|error| format!("{expected}: {error}"))
}

/// <https://no-color.org>: a variable that is set and not empty.
fn colours() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_read_whole_or_refused() {
        assert!(parse_level("info").is_ok());
        assert!(parse_level("warn, synod_tasks=debug").is_ok());
        for wrong in ["", "loud", "info,", "info,synod_tasks=loud"] {
            assert!(parse_level(wrong).is_err(), "{wrong:?} was taken");
        }
    }
}
