//! Colour, and text laid out in a given width.

use std::fmt::Write as _;

use crate::digest::harmless;
use crate::severity::Severity;

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// With colour; for terminals that show it, unless `NO_COLOR` is set.
    pub color: bool,
    /// Columns to use; at least 72 and at most 160 are.
    pub width: usize,
}

impl Style {
    /// Without colour, in 100 columns: for files and pipes.
    pub const PLAIN: Self = Self { color: false, width: 100 };
}

/// The inks of a report, as SGR parameters (ECMA-48).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Plain,
    Bold,
    Dim,
    Red,
    Yellow,
    Green,
    Cyan,
    Alarm,
}

impl Ink {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "0",
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Red => "1;31",
            Self::Yellow => "33",
            Self::Green => "32",
            Self::Cyan => "36",
            Self::Alarm => "1;97;41",
        }
    }

    /// Plain in place of dim: for text that is read, not skipped.
    pub(super) fn unless_dim(self) -> Self {
        if self == Self::Dim { Self::Plain } else { self }
    }

    pub(super) fn of(severity: Severity) -> Self {
        match severity {
            Severity::Critical => Self::Alarm,
            Severity::Error => Self::Red,
            Severity::Warning => Self::Yellow,
            Severity::Notice => Self::Cyan,
            Severity::Info | Severity::Debug => Self::Dim,
        }
    }
}

/// Collects the text of a report.
pub(super) struct Page {
    style: Style,
    text: String,
}

impl Page {
    pub(super) fn new(style: Style) -> Self {
        let width = style.width.clamp(72, 160);
        Self { style: Style { width, ..style }, text: String::new() }
    }

    pub(super) fn width(&self) -> usize {
        self.style.width
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// Text in an ink; no line end. Names and messages come from logs: this is where all text
    /// of a report loses what could drive a terminal, character by character, so widths stay.
    pub(super) fn put(&mut self, ink: Ink, text: &str) -> &mut Self {
        let text: String = text.chars().map(harmless).collect();
        if self.style.color && ink != Ink::Plain {
            // Writing into a string does not fail.
            let _ = write!(self.text, "\x1b[{}m{text}\x1b[0m", ink.code());
        } else {
            self.text.push_str(&text);
        }
        self
    }

    pub(super) fn end(&mut self) {
        while self.text.ends_with(' ') {
            self.text.pop();
        }
        self.text.push('\n');
    }

    /// A heading with a rule below it.
    pub(super) fn heading(&mut self, title: &str, note: &str) {
        self.end();
        let rule = "─".repeat(self.width().saturating_sub(length(title) + length(note) + 3));
        self.put(Ink::Bold, title).put(Ink::Plain, " ").put(Ink::Dim, &rule);
        self.put(Ink::Plain, " ").put(Ink::Dim, note);
        self.end();
    }

    /// A paragraph, broken at words; each line is indented by `indent` columns.
    pub(super) fn paragraph(&mut self, ink: Ink, indent: usize, text: &str) {
        for line in wrap(text, self.width().saturating_sub(indent)) {
            self.put(Ink::Plain, &" ".repeat(indent)).put(ink, &line);
            self.end();
        }
    }
}

/// Columns of a text; every character counts as one.
pub(super) fn length(text: &str) -> usize {
    text.chars().count()
}

/// The text, or its start and `…`, in at most `width` columns.
pub(super) fn fit(text: &str, width: usize) -> String {
    if length(text) <= width {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// Lines of at most `width` columns, broken at spaces; longer words are broken as well.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(8);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let (used, needed) = (length(&line), length(word));
        if used > 0 && used + 1 + needed > width {
            lines.push(std::mem::take(&mut line));
        } else if used > 0 {
            line.push(' ');
        }
        for c in word.chars() {
            if length(&line) >= width {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}
