//! What the commands print: tables for people, JSON for programs, colours by meaning.
//!
//! Standard output carries the answer alone, standard error carries everything else. Where
//! standard output is no terminal, text is plain and nothing is cut.

mod paint;
mod table;
mod text;
mod units;

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use ratatui::crossterm::terminal;
use serde::Serialize;

pub(crate) use paint::Paint;
pub(crate) use table::{Cell, Column, Table};
pub(crate) use text::{cut, cut_front, harmless, width, wrapped};
pub(crate) use units::{ago, count, counted, duration, percent, size};

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless NO_COLOR is set or the terminal is dumb.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Colour {
    pub(crate) fn on(self, is_terminal: bool) -> bool {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => is_terminal && !set("NO_COLOR") && !dumb(),
        }
    }
}

/// Where a command writes its answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    json: bool,
    coloured: bool,
    columns: Option<usize>,
}

impl Screen {
    /// The process's standard output.
    #[must_use]
    pub(crate) fn new(json: bool, colour: Colour) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let columns = if is_terminal { terminal::size().ok() } else { None };
        Self {
            json,
            coloured: colour.on(is_terminal),
            columns: columns.map(|(columns, _)| usize::from(columns)).filter(|width| *width > 0),
        }
    }

    /// Whether the answer is for programs.
    #[must_use]
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether there are colours.
    #[must_use]
    pub(crate) fn is_coloured(&self) -> bool {
        self.coloured
    }

    /// Columns of the terminal; none where there is no terminal.
    #[must_use]
    pub(crate) fn columns(&self) -> Option<usize> {
        self.columns
    }

    /// The text with its colour, if there are colours.
    #[must_use]
    pub(crate) fn paint(&self, paint: Paint, text: &str) -> String {
        if self.coloured { paint.apply(text) } else { text.to_owned() }
    }

    /// Writes one line.
    ///
    /// # Errors
    /// What the system says about standard output.
    pub(crate) fn line(&self, text: impl AsRef<str>) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", text.as_ref())
    }

    /// Writes text that is laid out already.
    ///
    /// # Errors
    /// What the system says about standard output.
    pub(crate) fn text(&self, text: &str) -> io::Result<()> {
        io::stdout().lock().write_all(text.as_bytes())
    }

    /// Writes `value` as JSON: indented on a terminal, one line elsewhere.
    ///
    /// # Errors
    /// What the system says about standard output.
    pub(crate) fn json(&self, value: &impl Serialize) -> io::Result<()> {
        let text = if self.columns.is_some() {
            serde_json::to_string_pretty(value)
        } else {
            serde_json::to_string(value)
        };
        self.line(text?)
    }

    /// Writes `value` as one line of JSON, for what comes piece by piece.
    ///
    /// # Errors
    /// What the system says about standard output.
    pub(crate) fn json_line(&self, value: &impl Serialize) -> io::Result<()> {
        self.line(serde_json::to_string(value)?)
    }

    /// Writes a document: JSON indented, other text as it is but harmless.
    ///
    /// # Errors
    /// What the system says about standard output.
    pub(crate) fn document(&self, text: &str) -> io::Result<()> {
        if let Ok(value) = serde_json::from_str::<serde_json::Value>(text) {
            return self.line(serde_json::to_string_pretty(&value)?);
        }
        text.lines().try_for_each(|line| self.line(harmless(line)))
    }

    /// Writes a table; `none` is said instead when it has no rows.
    ///
    /// # Errors
    /// What the system says about standard output.
    pub(crate) fn table(&self, table: &Table, none: &str) -> io::Result<()> {
        if table.is_empty() {
            return self.line(self.paint(Paint::Faint, none));
        }
        table.lines(self.columns, self.coloured).iter().try_for_each(|line| self.line(line))
    }

    /// Writes names and values under each other, aligned.
    ///
    /// # Errors
    /// What the system says about standard output.
    pub(crate) fn facts(&self, facts: &[(&str, Cell)]) -> io::Result<()> {
        let widest = facts.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
        for (name, value) in facts {
            let blanks = " ".repeat(widest - width(name) + 2);
            let name = self.paint(Paint::Faint, name);
            self.line(format!("{name}{blanks}{}", self.paint(value.paint(), value.text())))?;
        }
        Ok(())
    }
}
