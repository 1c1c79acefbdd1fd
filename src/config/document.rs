//! The file as it was written: its values, and the place each key stands at.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use super::error::{Place, SyntaxFault};
use super::path::KeyPath;

/// A parsed configuration file.
#[derive(Debug, Default)]
pub(super) struct Document {
    values: Map<String, Value>,
    /// Where each key, table and element begins.
    places: BTreeMap<KeyPath, Place>,
}

impl Document {
    /// Parses `text`.
    pub(super) fn parse(text: &str) -> Result<Self, Vec<SyntaxFault>> {
        let starts = line_starts(text);
        let fault = |error: &toml::de::Error| {
            let at = error.span().map_or(0, |span| span.start);
            SyntaxFault { place: place(text, &starts, at), message: error.message().to_owned() }
        };
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            let mut faults: Vec<SyntaxFault> = errors.iter().map(fault).collect();
            faults.sort_by_key(|fault| fault.place);
            return Err(faults);
        }
        let values = toml::from_str(text).map_err(|error| vec![fault(&error)])?;
        let mut places = BTreeMap::new();
        let mut note = |path: KeyPath, at: usize| {
            places.insert(path, place(text, &starts, at));
        };
        note_places(&KeyPath::default(), table.get_ref(), &mut note);
        Ok(Self { values, places })
    }

    /// The values, as a tree that the environment can be laid over.
    pub(super) fn values(&self) -> Map<String, Value> {
        self.values.clone()
    }

    /// Where the key stands, or the closest table above it.
    pub(super) fn place(&self, path: &KeyPath) -> Option<Place> {
        let mut path = path.clone();
        while !path.is_root() {
            if let Some(place) = self.places.get(&path) {
                return Some(*place);
            }
            path = path.parent();
        }
        None
    }

    /// Whether the file sets this very key.
    pub(super) fn sets(&self, path: &KeyPath) -> bool {
        self.places.contains_key(path)
    }
}

/// Tells `note` where each key, table and element below `at` begins.
fn note_places(at: &KeyPath, table: &DeTable<'_>, note: &mut impl FnMut(KeyPath, usize)) {
    for (key, value) in table {
        let path = at.key(key.get_ref());
        note(path.clone(), key.span().start);
        match value.get_ref() {
            DeValue::Table(inner) => note_places(&path, inner, note),
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let path = path.index(index);
                    note(path.clone(), item.span().start);
                    item.get_ref().as_table().into_iter().for_each(|t| note_places(&path, t, note));
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

/// The place of the byte `at`; an error may lie behind the end.
fn place(text: &str, starts: &[usize], at: usize) -> Place {
    let line = starts.partition_point(|&start| start <= at).max(1);
    let before = text.get(starts[line - 1]..at).unwrap_or_default();
    Place { line, column: before.chars().count() + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_knows_its_line() {
        let text = "# about\n[http]\nlisten = \"x\"\n\n[[agents.process]]\nid = \"a\"\n\
                    [[agents.process]]\nid = \"b\"\n";
        let document = Document::parse(text).unwrap();
        let place = |path: &str| document.place(&KeyPath::parse(path));
        let line = |path: &str| place(path).map(|place| place.line);
        assert_eq!(place("http.listen"), Some(Place { line: 3, column: 1 }));
        assert_eq!(place("http"), Some(Place { line: 2, column: 2 }));
        assert_eq!(line("agents.process[1].id"), Some(8));
        assert_eq!(line("http.missing"), Some(2), "the table it belongs to");
        assert_eq!(line("tasks.timeout_s"), None);
        assert!(document.sets(&KeyPath::parse("http.listen")));
        assert!(!document.sets(&KeyPath::parse("http.missing")));
    }

    #[test]
    fn a_syntax_fault_knows_its_place() {
        let faults = Document::parse("[http]\nlisten = \"x\nb = 1\n").unwrap_err();
        assert_eq!(faults[0].place.line, 2);
        assert!(faults[0].place.column > 1, "{faults:?}");
        assert_eq!(Document::parse("a = 1\na = 2\n").unwrap_err()[0].place.line, 2);
    }

    #[test]
    fn every_syntax_fault_is_told() {
        let faults = Document::parse("a = \nb = 1\nc = [1,,2]\n").unwrap_err();
        let lines: Vec<usize> = faults.iter().map(|fault| fault.place.line).collect();
        assert_eq!((lines.first(), lines.last()), (Some(&1), Some(&3)), "{faults:?}");
    }
}
