//! `config/node.toml` is the reference: every key, at its default, explained.

use std::collections::BTreeMap;

use serde_json::Value;
use synod::config::reload::is_live;
use synod::config::{KeyPath, NodeConfig};

use crate::report::Finding;
use crate::tree::Tree;

/// The file that shows the defaults.
const FILE: &str = "config/node.toml";

/// Every key stands in the file with the value the code gives it, and no other key does.
pub(crate) fn values(tree: &Tree) -> Vec<Finding> {
    let text = tree.text(FILE).unwrap_or_default();
    let in_file = keys(&text);
    let in_code = NodeConfig::default().keys();
    let in_code: BTreeMap<String, Value> =
        in_code.into_iter().map(|(key, value)| (key.to_string(), value)).collect();
    let mut findings = Vec::new();
    for (key, default) in &in_code {
        let Some(found) = in_file.get(key) else {
            let remedy = format!("add it at its default, {default}, with meaning, range and mark");
            findings.push(Finding::new(FILE, 0, format!("`{key}` is missing"), remedy));
            continue;
        };
        if !same(&found.value, default) {
            let rule = format!("`{key}` is {} and its default is {default}", found.value);
            findings.push(Finding::new(FILE, found.line, rule, "make the two equal"));
        }
    }
    for (key, found) in in_file.iter().filter(|(key, _)| !in_code.contains_key(*key)) {
        let rule = format!("`{key}` is no key of NodeConfig");
        findings.push(Finding::new(FILE, found.line, rule, "remove it, or add it to its section"));
    }
    findings
}

/// Every key is preceded by a comment that ends in the mark the code agrees with.
pub(crate) fn comments(tree: &Tree) -> Vec<Finding> {
    let text = tree.text(FILE).unwrap_or_default();
    let mut findings = Vec::new();
    for (key, found) in keys(&text) {
        let live = is_live(&KeyPath::parse(&key));
        let (mark, other) = if live { ("[live]", "[restart]") } else { ("[restart]", "[live]") };
        if found.comment.len() < 20 {
            let remedy = "write meaning, range and mark above it";
            findings.push(Finding::new(
                FILE,
                found.line,
                format!("`{key}` is unexplained"),
                remedy,
            ));
        } else if !found.comment.ends_with(mark) || found.comment.contains(other) {
            let rule = format!("the comment of `{key}` must end in {mark}");
            let remedy = "say when a change is taken over (LIVE in src/config/reload.rs decides)";
            findings.push(Finding::new(FILE, found.line, rule, remedy));
        }
    }
    findings
}

/// A key as it stands in the file. A key without a default stands behind `# `, as a sample.
struct Found {
    line: usize,
    /// The value; `Null` when the key is commented out.
    value: Value,
    /// The comment right above it, in one line.
    comment: String,
}

/// The keys of the file by their full names.
///
/// The file is flat by intention: `[section]` headers and one `key = value` a line, so that
/// a reader can take it line by line, as this function does. A list of tables stands there as a
/// sample: `# [[section.key]]` and the lines up to the next blank one.
fn keys(text: &str) -> BTreeMap<String, Found> {
    let mut found = BTreeMap::new();
    let (mut section, mut comment, mut in_sample) = (String::new(), String::new(), false);
    for (index, line) in text.lines().enumerate() {
        let header = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let list = line.strip_prefix("# [[").and_then(|rest| rest.strip_suffix("]]"));
        in_sample &= !line.is_empty();
        if let Some(name) = header {
            section = name.to_owned();
            comment.clear();
        } else if let Some(key) = list {
            let comment = std::mem::take(&mut comment);
            found.insert(key.to_owned(), Found { line: index + 1, value: Value::Null, comment });
            in_sample = true;
        } else if in_sample {
            continue;
        } else if let Some((key, value)) = assignment(line) {
            let comment = std::mem::take(&mut comment);
            found.insert(format!("{section}.{key}"), Found { line: index + 1, value, comment });
        } else if let Some(words) = line.strip_prefix("# ") {
            let blank = if comment.is_empty() { "" } else { " " };
            comment.extend([blank, words.trim_end()]);
        } else {
            comment.clear();
        }
    }
    found
}

/// `key = value`, or `# key = value` for a key that has no default.
fn assignment(line: &str) -> Option<(&str, Value)> {
    let (live, sample) = match line.strip_prefix("# ") {
        Some(rest) => (rest, true),
        None => (line, false),
    };
    let (key, _) = live.split_once(" = ")?;
    let is_key = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if key.is_empty() || !key.chars().all(is_key) {
        return None;
    }
    let table: toml::Table = live.parse().unwrap_or_else(|error| panic!("{FILE}: {line}: {error}"));
    let value = serde_json::to_value(&table[key]).expect("a TOML value has a JSON form");
    Some((key, if sample { Value::Null } else { value }))
}

/// Equal, where 1 and 1.0 are the same number, and a sample stands for an empty list.
fn same(found: &Value, default: &Value) -> bool {
    let empty = default.as_array().is_some_and(Vec::is_empty);
    let (a, b) = (found, default);
    a == b
        || empty && a.is_null()
        || a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| (a - b).abs() < f64::EPSILON)
}

#[test]
fn a_file_is_read_line_by_line() {
    let text = "# A file.\n\n[a]\n# What it is:\n# 0 to 9. [live]\nb = 1\n\
                # None. [restart]\n# c = \"x\"\n# Many. [restart]\n# [[a.d]]\n# e = 1\n";
    let found = keys(text);
    assert_eq!(found["a.b"].comment, "What it is: 0 to 9. [live]");
    assert_eq!((found["a.b"].line, &found["a.b"].value), (6, &Value::from(1)));
    assert_eq!(found["a.c"].value, Value::Null);
    assert_eq!(found["a.c"].comment, "None. [restart]");
    assert_eq!(found["a.d"].comment, "Many. [restart]");
    assert_eq!(found.len(), 3, "what a sample holds is no key");
}
