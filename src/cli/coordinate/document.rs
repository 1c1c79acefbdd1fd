//! Any JSON object for people: its plain members as facts, its lists of objects as tables.

use std::io;

use serde_json::{Map, Value};

use crate::cli::output::{Cell, Column, Screen, Table, harmless};

/// Rows of one table that are shown; `--json` shows all.
const MOST_ROWS: usize = 50;

/// Shows an object.
pub(super) fn show(document: &Value, screen: &Screen) -> io::Result<()> {
    let Value::Object(members) = document else {
        return screen.line(harmless(&document.to_string()));
    };
    let plain = members.iter().filter(|(_, value)| !is_table(value) && !is_nothing(value));
    let facts: Vec<(&str, Cell)> =
        plain.map(|(name, value)| (name.as_str(), one_line(value).into())).collect();
    screen.facts(&facts)?;
    for (name, value) in members {
        if let Some(rows) = rows(value) {
            screen.line("")?;
            screen.table(&table(name, &rows), "nothing")?;
            if rows.len() > MOST_ROWS {
                screen.line(format!("and {} more: --json shows all", rows.len() - MOST_ROWS))?;
            }
        }
    }
    Ok(())
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// Whether it is shown as a table: a list of objects, or an object of objects.
fn is_table(value: &Value) -> bool {
    rows(value).is_some()
}

/// A row of a table, with its name, if it has one.
type Row<'v> = (Option<&'v str>, &'v Map<String, Value>);

/// The rows of a table.
fn rows(value: &Value) -> Option<Vec<Row<'_>>> {
    match value {
        Value::Array(items) if !items.is_empty() => {
            items.iter().map(|item| Some((None, item.as_object()?))).collect()
        }
        Value::Object(members) if !members.is_empty() => members
            .iter()
            .map(|(name, member)| Some((Some(name.as_str()), member.as_object()?)))
            .collect(),
        _ => None,
    }
}

fn table(title: &str, rows: &[Row<'_>]) -> Table {
    let named = rows.iter().any(|(name, _)| name.is_some());
    let mut keys: Vec<&str> = Vec::new();
    for (_, row) in rows.iter().take(MOST_ROWS) {
        for (key, value) in *row {
            if !is_nothing(value) && !keys.contains(&key.as_str()) {
                keys.push(key);
            }
        }
    }
    // The first column's title says what the table is of: titles are names of the program's own.
    let titles = named.then(|| title.to_owned()).into_iter();
    let titles = titles.chain(keys.iter().map(|key| (*key).to_owned()));
    let mut table = Table::new(titles.map(Column::elastic).collect::<Vec<_>>());
    for (name, row) in rows.iter().take(MOST_ROWS) {
        let first = name.map(|name| Cell::from(harmless(name)));
        let cell = |key: &&str| Cell::from(row.get(*key).map(one_line).unwrap_or_default());
        let cells: Vec<Cell> = first.into_iter().chain(keys.iter().map(cell)).collect();
        table.row(cells);
    }
    table
}

/// A value on one line: text without quotes, all else as JSON.
pub(super) fn one_line(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => harmless(text),
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            items.iter().map(one_line).collect::<Vec<_>>().join(", ")
        }
        other => harmless(&other.to_string()),
    }
}
