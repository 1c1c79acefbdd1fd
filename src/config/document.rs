//! The file as it was written: its values, and the line each key stands on.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use super::path::KeyPath;

/// A parsed configuration file.
#[derive(Debug, Default)]
pub(super) struct Document {
    values: Map<String, Value>,
    /// The line each key, table and element begins on, from 1.
    lines: BTreeMap<KeyPath, usize>,
}

/// What is wrong with the text as TOML.
#[derive(Debug)]
pub(super) struct SyntaxFault {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) message: String,
}

impl Document {
    /// Parses `text`.
    pub(super) fn parse(text: &str) -> Result<Self, SyntaxFault> {
        let starts = line_starts(text);
        let fault = |error: toml::de::Error| {
            let at = error.span().map_or(0, |span| span.start);
            let line = line_of(&starts, at);
            let column = text[starts[line - 1]..at].chars().count() + 1;
            SyntaxFault { line, column, message: error.message().to_owned() }
        };
        let table = DeTable::parse(text).map_err(fault)?;
        let values = toml::from_str(text).map_err(fault)?;
        let mut lines = BTreeMap::new();
        let mut note = |path: KeyPath, at: usize| {
            lines.insert(path, line_of(&starts, at));
        };
        places(&KeyPath::default(), table.get_ref(), &mut note);
        Ok(Self { values, lines })
    }

    /// The values, as a tree that the environment can be laid over.
    pub(super) fn values(&self) -> Map<String, Value> {
        self.values.clone()
    }

    /// The line on which the key stands, or the closest table above it; from 1.
    pub(super) fn line(&self, path: &KeyPath) -> Option<usize> {
        let mut path = path.clone();
        while !path.is_root() {
            if let Some(line) = self.lines.get(&path) {
                return Some(*line);
            }
            path = path.parent();
        }
        None
    }

    /// Whether the file sets this very key.
    pub(super) fn sets(&self, path: &KeyPath) -> bool {
        self.lines.contains_key(path)
    }
}

/// Tells `note` where each key, table and element below `at` begins.
fn places(at: &KeyPath, table: &DeTable<'_>, note: &mut impl FnMut(KeyPath, usize)) {
    for (key, value) in table {
        let path = at.key(key.get_ref());
        note(path.clone(), key.span().start);
        match value.get_ref() {
            DeValue::Table(inner) => places(&path, inner, note),
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let path = path.index(index);
                    note(path.clone(), item.span().start);
                    item.get_ref().as_table().into_iter().for_each(|t| places(&path, t, note));
                }
            }
            _ => {}
        }
    }
}

fn line_starts(text: &str) -> Vec<usize> {
    let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
    std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect()
}

fn line_of(starts: &[usize], at: usize) -> usize {
    starts.partition_point(|&start| start <= at).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_knows_its_line() {
        let text = "# about\n[http]\nlisten = \"x\"\n\n[[agents.process]]\nid = \"a\"\n\
                    [[agents.process]]\nid = \"b\"\n";
        let document = Document::parse(text).unwrap();
        let line = |path: &str| document.line(&KeyPath::parse(path));
        assert_eq!(line("http.listen"), Some(3));
        assert_eq!(line("agents.process[1].id"), Some(8));
        assert_eq!(line("http.missing"), Some(2), "the table it belongs to");
        assert_eq!(line("tasks.timeout_s"), None);
        assert!(document.sets(&KeyPath::parse("http.listen")));
        assert!(!document.sets(&KeyPath::parse("http.missing")));
    }

    #[test]
    fn a_syntax_fault_knows_its_place() {
        let fault = Document::parse("[http]\nlisten = \"x\nb = 1\n").unwrap_err();
        assert_eq!(fault.line, 2);
        assert!(fault.column > 1, "{fault:?}");
        assert_eq!(Document::parse("a = 1\na = 2\n").unwrap_err().line, 2);
    }
}
