//! Finds where the header of a log's lines ends and the message begins.
//!
//! Published figures for template miners parse the header away with a format written by hand for
//! each kind of log. Here the header is learned from a sample: column by column, a rule that holds
//! for nearly all lines (a timestamp, a level word, a `tag[pid]:`, a bracket, a dash) is taken as
//! part of the header, with the plain words before it; where no rule holds, the message begins.

use serde::{Deserialize, Serialize};

use super::json_line;
use super::timestamp::{TimestampForm, WrittenAt};
use crate::severity::Severity;

/// One column of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    /// A word of no further meaning here: a label, a process number, a facility.
    Word,
    /// The machine or unit that the line is about.
    Host,
    /// A timestamp.
    Stamp(TimestampForm),
    /// A level word.
    Level,
    /// A separator of its own: `-`, `---`, `|`.
    Dash,
    /// A group in square brackets.
    Bracket,
    /// The component: `sshd[42]:`, `dfs.DataNode:`, `syslogd 1.4.1:`, `org.example.Class - `.
    Tag,
    /// A field that ends in a bar: `Reader|`.
    Field,
}

/// The header's columns, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Columns up to the message.
    pub columns: Vec<Column>,
    /// The lines are JSON objects; what their fields mean is told by their names.
    pub json: bool,
}

/// A line taken apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts<'a> {
    /// Milliseconds since 1970; none where the line carries no stamp of the log's form.
    pub time_ms: Option<i64>,
    /// By the level column, where there is one.
    pub severity: Option<Severity>,
    /// The machine or unit.
    pub host: Option<&'a str>,
    /// The program or class.
    pub component: Option<&'a str>,
    /// The message.
    pub content: &'a str,
}

/// Lines looked at to learn a layout.
const SAMPLE_LINES: usize = 400;
const MAX_COLUMNS: usize = 12;
/// Words that may stand before a timestamp, and before a level.
const LEAD_WORDS: usize = 4;
const HEADER_WORDS: usize = 6;
/// A log counts as dated when at least this share of its lines carries a stamp (traces and
/// continued lines carry none).
const DATED_SHARE: f64 = 0.1;
/// Share of the dated lines for which a rule must hold.
const NEARLY_ALL: f64 = 0.9;
const MOST: f64 = 0.8;

impl Layout {
    /// Learns the layout of a log from some of its lines.
    pub fn detect<'a>(lines: impl Iterator<Item = &'a str>, written: WrittenAt) -> Self {
        let mut sample: Vec<Cursor<'a>> = lines
            .filter(|line| !line.trim().is_empty())
            .take(SAMPLE_LINES)
            .map(|line| Cursor { line, at: 0 })
            .collect();
        let objects = sample.iter().filter(|cursor| json_line::is_object(cursor.line)).count();
        if !sample.is_empty() && objects as f64 >= NEARLY_ALL * sample.len() as f64 {
            return Self { json: true, ..Self::default() };
        }
        let mut layout = Self::default();
        if let Some((words, column)) = first_stamp(&sample, written) {
            sample.retain(|cursor| cursor.after(words).take(column, written).is_some());
            layout.extend(&mut sample, words, column, written);
        }
        while layout.columns.len() < MAX_COLUMNS && sample.len() > 1 {
            let Some((words, column)) = layout.next_rule(&sample, written) else { break };
            layout.extend(&mut sample, words, column, written);
        }
        layout
    }

    /// True where the log's lines carry timestamps.
    pub fn is_dated(&self) -> bool {
        self.json || self.columns.iter().any(|column| matches!(column, Column::Stamp(_)))
    }

    /// Takes a line apart. Where a column does not fit, the message begins.
    pub fn apply<'a>(&self, line: &'a str, written: WrittenAt) -> Parts<'a> {
        if self.json {
            return json_line::apply(line, written);
        }
        let mut parts = Parts::default();
        let mut cursor = Cursor { line, at: 0 };
        for column in &self.columns {
            let Some(taken) = cursor.take(*column, written) else {
                if parts.time_ms.is_none() && self.is_dated() {
                    // A continued line: none of it is header.
                    return Parts { content: line.trim(), ..Parts::default() };
                }
                break;
            };
            match column {
                Column::Stamp(_) => parts.time_ms = parts.time_ms.or(taken.time_ms),
                Column::Level => parts.severity = taken.severity,
                Column::Host => parts.host = Some(taken.text),
                Column::Tag => parts.component = Some(program(taken.text)),
                Column::Bracket | Column::Field if parts.component.is_none() => {
                    parts.component = Some(program(taken.text));
                }
                Column::Word | Column::Dash | Column::Bracket | Column::Field => {}
            }
            cursor = taken.rest;
        }
        parts.content = cursor.line[cursor.at..].trim();
        parts
    }

    /// The next rule that holds, with the number of plain words before it.
    fn next_rule(&self, sample: &[Cursor<'_>], written: WrittenAt) -> Option<(usize, Column)> {
        let last = self.columns.last();
        let after_stamp = matches!(last, Some(Column::Stamp(_)));
        let has_tag = self.columns.contains(&Column::Tag);
        let has_level = self.columns.contains(&Column::Level);
        for words in 0..=HEADER_WORDS {
            let holds = |column, share| held_by(sample, words, column, written) >= share;
            if words == 0 || after_stamp {
                let stamps = TimestampForm::ALL.map(Column::Stamp);
                if let Some(stamp) = stamps.into_iter().find(|stamp| holds(*stamp, NEARLY_ALL)) {
                    return Some((words, stamp));
                }
            }
            if !has_level && (words == 0 || !has_tag) && holds(Column::Level, MOST) {
                return Some((words, Column::Level));
            }
            if words == 0 {
                let separators = [Column::Field, Column::Dash, Column::Bracket];
                if let Some(found) = separators.into_iter().find(|c| holds(*c, NEARLY_ALL)) {
                    return Some((words, found));
                }
            }
            // `INFO org.example.Class [request] message`, `INFO 71 --- [main] message`
            if words == 1 && last == Some(&Column::Level) {
                let separators = [Column::Dash, Column::Bracket];
                if let Some(found) = separators.into_iter().find(|c| holds(*c, NEARLY_ALL)) {
                    return Some((words, found));
                }
            }
            let tag_here = words == 0 || (words == 1 && after_stamp);
            if tag_here && !has_tag && holds(Column::Tag, NEARLY_ALL) {
                return Some((words, Column::Tag));
            }
        }
        None
    }

    /// Adds `words` plain columns and `column`, and moves the sample behind them.
    fn extend(
        &mut self,
        sample: &mut Vec<Cursor<'_>>,
        words: usize,
        column: Column,
        written: WrittenAt,
    ) {
        for word in 0..words {
            let host = !self.columns.contains(&Column::Host) && names_a_host(sample, word);
            self.columns.push(if host { Column::Host } else { Column::Word });
        }
        self.columns.push(column);
        sample.retain_mut(|cursor| match cursor.after(words).take(column, written) {
            Some(taken) => {
                *cursor = taken.rest;
                true
            }
            None => false,
        });
    }
}

/// The place (words before it) and form of the stamp that most lines carry.
fn first_stamp(sample: &[Cursor<'_>], written: WrittenAt) -> Option<(usize, Column)> {
    let mut best = None;
    let mut most = DATED_SHARE;
    for words in 0..=LEAD_WORDS {
        for form in TimestampForm::ALL {
            let share = held_by(sample, words, Column::Stamp(form), written);
            if share > most {
                most = share;
                best = Some((words, Column::Stamp(form)));
            }
        }
    }
    best
}

/// Share of the sample for which `column` fits after `words` words.
fn held_by(sample: &[Cursor<'_>], words: usize, column: Column, written: WrittenAt) -> f64 {
    let fits = |cursor: &&Cursor<'_>| cursor.after(words).take(column, written).is_some();
    sample.iter().filter(fits).count() as f64 / sample.len().max(1) as f64
}

/// Whether the word there is mostly a name: it has letters and is no level.
fn names_a_host(sample: &[Cursor<'_>], word: usize) -> bool {
    let named = |cursor: &&Cursor<'_>| {
        let token = cursor.after(word).token();
        token.bytes().any(|b| b.is_ascii_alphabetic())
            && Severity::from_level(token.as_bytes()).is_none()
    };
    sample.iter().filter(named).count() as f64 >= NEARLY_ALL * sample.len() as f64
}

/// `sshd(pam_unix)` of `sshd(pam_unix)[19939]:`.
fn program(tag: &str) -> &str {
    let tag = tag.trim_end_matches([':', ' ', '-']);
    if let Some(inner) = tag.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inner;
    }
    match (tag.find('['), tag.ends_with(']')) {
        (Some(at), true) if at > 0 => &tag[..at],
        _ => tag,
    }
}

/// A place in a line; always at the start of a token or at the end.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    line: &'a str,
    at: usize,
}

/// What a column held, and the place behind it.
struct Taken<'a> {
    text: &'a str,
    time_ms: Option<i64>,
    severity: Option<Severity>,
    rest: Cursor<'a>,
}

impl<'a> Cursor<'a> {
    fn skip_spaces(mut self) -> Self {
        let rest = &self.line.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
        self
    }

    fn token(self) -> &'a str {
        let from = self.skip_spaces().at;
        let rest = &self.line.as_bytes()[from..];
        let length = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
        &self.line[from..from + length]
    }

    fn after(self, words: usize) -> Self {
        (0..words).fold(self, |cursor, _| cursor.advance(cursor.token().len()))
    }

    fn advance(self, length: usize) -> Self {
        let at = self.skip_spaces().at + length;
        Self { line: self.line, at }.skip_spaces()
    }

    fn take(self, column: Column, written: WrittenAt) -> Option<Taken<'a>> {
        let here = self.skip_spaces();
        let token = here.token();
        if token.is_empty() {
            return None;
        }
        let (mut time_ms, mut severity) = (None, None);
        let length = match column {
            Column::Word | Column::Host => token.len(),
            Column::Stamp(form) => {
                let stamp = form.parse(&here.line.as_bytes()[here.at..], written)?;
                time_ms = Some(stamp.ms);
                stamp.length
            }
            Column::Level => {
                severity = Some(Severity::from_level(token.as_bytes())?);
                token.len()
            }
            Column::Dash => {
                token.bytes().all(|b| matches!(b, b'-' | b'|')).then_some(token.len())?
            }
            Column::Bracket => bracket_length(&here.line[here.at..])?,
            Column::Tag => here.tag_length(token)?,
            Column::Field => {
                let bar = token.find('|').filter(|bar| *bar > 0)?;
                return Some(here.field(bar));
            }
        };
        let text = here.line.get(here.at..here.at + length)?;
        Some(Taken { text, time_ms, severity, rest: here.advance(length) })
    }

    /// The `length` bytes here, of which a bar is the end.
    fn field(self, length: usize) -> Taken<'a> {
        let text = &self.line[self.at..self.at + length];
        Taken { text, time_ms: None, severity: None, rest: self.advance(length + 1) }
    }

    /// Length of `name:`, `name[pid]:`, `name version:`, `name :` or `name -` at this place.
    fn tag_length(self, token: &str) -> Option<usize> {
        let starts = token.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '/');
        if !starts || token.contains('=') {
            return None;
        }
        if token.len() > 1 && token.ends_with(':') {
            return Some(token.len());
        }
        let mut next = self.advance(token.len());
        let second = next.token();
        let version = second.ends_with(':')
            && second.starts_with(['(', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
        if second == ":" || version {
            return Some(next.at + second.len() - self.at);
        }
        // At most one more word, `program *64 - `.
        for _ in 0..2 {
            if next.token() == "-" {
                return Some(next.at + 1 - self.at);
            }
            next = next.advance(next.token().len());
        }
        None
    }
}

/// Length of the balanced group in square brackets at the start of `text`.
fn bracket_length(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => depth = depth.checked_sub(1)?,
            _ if depth == 0 => return None,
            _ => continue,
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests;
