//! Names are plain terms of the field.

use crate::report::Finding;
use crate::source::Source;

/// Words that say nothing about what a thing is, when a name ends in them.
const EMPTY: [&str; 11] = [
    "manager", "helper", "helpers", "util", "utils", "common", "misc", "core", "base", "data",
    "info",
];
/// A word that needs an object: `RequestHandler` says something, `Handler` does not.
const NEEDS_OBJECT: &str = "handler";

const REMEDY: &str = "name what it is or does, in a term of the field";

/// No file and no folder has an empty name.
pub(crate) fn files(source: &Source) -> Vec<Finding> {
    let path = source.path.trim_end_matches(".rs");
    let empty = path.split('/').filter(|part| is_empty_name(&words(part)));
    empty
        .map(|part| Finding::new(&source.path, 0, format!("`{part}` is an empty name"), REMEDY))
        .collect()
}

/// No type and no module has an empty name. A type within an `impl` is named by its trait.
pub(crate) fn types_and_modules(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for keyword in ["struct", "enum", "trait", "type", "mod", "union"] {
        for at in source.identifiers(keyword) {
            let name = source.word_after(at + keyword.len());
            let is_associated = keyword == "type" && source.is_indented(at);
            if !is_associated && is_empty_name(&words(name)) {
                let rule = format!("`{keyword} {name}` is an empty name");
                findings.push(Finding::new(&source.path, source.line(at), rule, REMEDY));
            }
        }
    }
    findings
}

fn is_empty_name(words: &[String]) -> bool {
    match words {
        [] => false,
        [only] if only == NEEDS_OBJECT || only == "handlers" => true,
        [.., last] => EMPTY.contains(&last.as_str()),
    }
}

/// The words of a snake_case or CamelCase name, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    for letter in name.chars() {
        if letter == '_' || letter == '-' || letter == '.' || letter.is_uppercase() {
            words.push(String::new());
        }
        if letter.is_alphanumeric() {
            words.last_mut().expect("never empty").extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn an_empty_name_is_found() {
    let text = "struct TaskManager;\nmod utils {}\nenum Handler {}\nstruct Metadata;\n\
                struct RequestHandler;\nstruct DataFolder;\nlet info = 1;\n\
                impl Body for Piece {\n    type Data = Bytes;\n}\n";
    let found = types_and_modules(&Source::new("src/a.rs", text));
    let lines: Vec<usize> = found.iter().map(|finding| finding.line).collect();
    assert_eq!(lines, [1, 3, 2]);
    assert_eq!(files(&Source::new("src/core/task_helper.rs", "")).len(), 2);
    assert!(files(&Source::new("src/data_folder.rs", "")).is_empty());
}
