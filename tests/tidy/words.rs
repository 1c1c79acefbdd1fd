//! Words that mean that something is unfinished or unexplained.

use crate::report::Finding;
use crate::source::Source;

/// Notes to oneself, written apart so that this file does not find itself.
const NOTES: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];

/// No stub and no note about work not done.
pub(crate) fn unfinished(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for stub in ["todo!", "unimplemented!"] {
        for at in source.find(stub) {
            let rule = format!("`{stub}` is a stub");
            let remedy = "build it, or leave the path to it out";
            findings.push(Finding::new(&source.path, source.line(at), rule, remedy));
        }
    }
    for (index, line) in source.text.lines().enumerate() {
        let mut words = line.split(|c: char| !c.is_alphanumeric());
        if let Some(note) = words.find(|word| NOTES.contains(word)) {
            let rule = format!("the line says {note}");
            let remedy = "do it now, or open an issue and say why the code is right as it is";
            findings.push(Finding::new(&source.path, index + 1, rule, remedy));
        }
    }
    findings
}

/// `allow` and `expect` attributes say why.
pub(crate) fn reasons(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for opening in ["#[allow(", "#![allow(", "#[expect(", "#![expect("] {
        for at in source.find(opening) {
            let end = source.code[at..].find(")]").map_or(source.code.len(), |end| at + end);
            if source.code[at..end].contains("reason") {
                continue;
            }
            let remedy = "add `reason = \"...\"`, or do what the lint asks";
            let (line, rule) = (source.line(at), "a silenced lint has no reason");
            findings.push(Finding::new(&source.path, line, rule, remedy));
        }
    }
    findings
}

#[test]
fn stubs_and_silence_are_found() {
    let note = NOTES[0];
    let text = format!("// {note}: later\nfn a() {{ todo!() }}\nlet s = \"todo!\";\n");
    assert_eq!(unfinished(&Source::new("src/a.rs", &text)).len(), 2);
    let text = "#[allow(dead_code)]\n#[allow(\n  dead_code,\n  reason = \"shown\"\n)]\n";
    let found = reasons(&Source::new("src/a.rs", text));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].line, 1);
}
