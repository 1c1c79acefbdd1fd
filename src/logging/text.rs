//! The log as text: one line for each event, of which nothing drives the terminal, begins another
//! line or reorders the text around it, whatever words of agents and callers are in it.

use std::io::{self, Write};

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

/// Writers whose lines do nothing but be read.
pub(super) struct TextLines<W> {
    writer: W,
    /// Whether colours are left in.
    colours: bool,
}

impl<W> TextLines<W> {
    pub(super) fn new(writer: W, colours: bool) -> Self {
        Self { writer, colours }
    }
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for TextLines<W> {
    type Writer = TextLine<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        TextLine { writer: self.writer.make_writer(), colours: self.colours }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Self::Writer {
        TextLine { writer: self.writer.make_writer_for(meta), colours: self.colours }
    }
}

/// Takes an event as a whole, which is how the format layer writes it.
pub(super) struct TextLine<W> {
    writer: W,
    colours: bool,
}

impl<W: Write> Write for TextLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        self.writer.write_all(escaped(&text, self.colours).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// The event with what does not print as its number; the end of its line stays.
fn escaped(event: &str, colours: bool) -> String {
    let (text, end) = event.strip_suffix('\n').map_or((event, ""), |text| (text, "\n"));
    let mut line = String::with_capacity(event.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let kept = if colours { colour(rest) } else { 0 };
        if kept > 0 {
            line.push_str(&rest[..kept]);
            rest = &rest[kept..];
            continue;
        }
        if c.is_control() || is_bidi_control(c) {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
        rest = &rest[c.len_utf8()..];
    }
    line.push_str(end);
    line
}

/// The bytes of the colour that the text begins with (ECMA-48, SGR), none if it does not.
fn colour(text: &str) -> usize {
    let Some(after) = text.strip_prefix("\u{1b}[") else { return 0 };
    let digits = after.bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b';')).count();
    if after[digits..].starts_with('m') { digits + 3 } else { 0 }
}

/// Characters that reorder the text around them (Unicode TR 9).
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::{fmt, registry};

    use super::*;
    use crate::logging::Written;

    #[test]
    fn what_an_agent_says_is_one_line_that_only_prints() {
        let said = "a\u{1b}[2Jb\u{9b}31mc\rd\ne\u{202e}f\u{2066}g\u{200f}h\u{61c}i ü";
        for colours in [false, true] {
            let written = Written::default();
            let writer = written.clone();
            let lines = TextLines::new(move || writer.clone(), colours);
            let layer = fmt::layer().with_writer(lines).with_ansi(colours).without_time();
            tracing::subscriber::with_default(registry().with(layer), || {
                tracing::info!(why = %said, "stderr: {said}");
            });
            let lines = written.lines();
            assert_eq!(lines.len(), 1, "{lines:?}");
            let line = &lines[0];
            let stays = |c: char| colours && c == '\u{1b}';
            let raw = |c: char| (c.is_control() && !stays(c)) || is_bidi_control(c);
            assert!(!line.contains(raw), "{line:?}");
            assert!(!line.contains("\u{1b}[2J"), "{line:?}");
            for shown in [r"\r", r"\n", r"\u{202e}", r"\u{2066}", r"\u{200f}", "ü"] {
                assert!(line.contains(shown), "{shown}: {line}");
            }
            assert_eq!(line.contains("\u{1b}["), colours, "{line:?}");
        }
    }
}
