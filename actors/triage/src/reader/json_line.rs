//! Lines that are JSON objects, as most services in containers write them.
//!
//! Only the top level is looked at, without unescaping: what is wanted are a few short fields, as
//! slices of the line.

use super::layout::Parts;
use super::timestamp::{TimestampForm, WrittenAt};
use crate::severity::Severity;

/// Whether a line looks like an object.
pub(super) fn is_object(line: &str) -> bool {
    let line = line.trim();
    line.starts_with('{') && line.ends_with('}')
}

/// Takes an object apart. A line that is none is all message.
pub(super) fn apply(line: &str, written: WrittenAt) -> Parts<'_> {
    let mut parts = Parts { content: line.trim(), ..Parts::default() };
    let mut scan = Scan { text: line, at: 0 };
    if scan.skip_to(b"{").is_none() {
        return parts;
    }
    while let Some((key, value)) = scan.field() {
        match key {
            "time" | "timestamp" | "ts" | "@timestamp" | "t" => {
                parts.time_ms = parts.time_ms.or_else(|| time_of(value, written));
            }
            "level" | "severity" | "lvl" | "levelname" | "log.level" => {
                parts.severity = parts.severity.or_else(|| Severity::from_level(value.as_bytes()));
            }
            "msg" | "message" | "log" | "event" if !value.is_empty() => parts.content = value,
            "logger" | "component" | "service" | "module" | "name" => parts.component = Some(value),
            "host" | "hostname" => parts.host = Some(value),
            _ => {}
        }
    }
    parts
}

fn time_of(value: &str, written: WrittenAt) -> Option<i64> {
    let forms = [TimestampForm::Iso, TimestampForm::EpochMillis, TimestampForm::EpochSeconds];
    forms.into_iter().find_map(|form| form.parse(value.as_bytes(), written)).map(|stamp| stamp.ms)
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    /// Moves behind the next byte that is no white space, if it is one of `set`.
    fn skip_to(&mut self, set: &[u8]) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let spaces = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
        let byte = *rest.get(spaces).filter(|byte| set.contains(byte))?;
        self.at += spaces + 1;
        Some(byte)
    }

    /// The next key and its value, both without quotes; a nested value as it stands.
    fn field(&mut self) -> Option<(&'a str, &'a str)> {
        // Before the first field there is no comma.
        let _ = self.skip_to(b",");
        self.skip_to(b"\"")?;
        let key = self.string()?;
        self.skip_to(b":")?;
        if self.skip_to(b"\"").is_some() {
            return Some((key, self.string()?));
        }
        Some((key, self.other()?))
    }

    /// The rest of a string whose opening quote was passed.
    fn string(&mut self) -> Option<&'a str> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b'\\' => self.at += 2,
                b'"' => {
                    self.at += 1;
                    return self.text.get(start..self.at - 1);
                }
                _ => self.at += 1,
            }
        }
        None
    }

    /// A number, a word, an array or an object: up to the comma or brace that ends it.
    fn other(&mut self) -> Option<&'a str> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut depth = 0_usize;
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b'"' => {
                    self.at += 1;
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b',' | b'}' if depth == 0 => break,
                b'}' | b']' => depth = depth.checked_sub(1)?,
                _ => {}
            }
            self.at += 1;
        }
        self.text.get(start..self.at).map(str::trim)
    }
}
