//! The house around the code: commands, places and sources of dependencies.

use crate::report::Finding;
use crate::tree::Tree;

/// The command that shows the product and the one that shows that it holds.
const COMMANDS: [&str; 2] = ["cargo run --release -- demo", "make test"];

/// Folders of one machine, written apart so that this file does not find itself.
const PLACES: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/."), concat!("/ho", "me/"), concat!("/Us", "ers/")];

/// The only registry dependencies come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// No file of ours names a folder of somebody's machine.
pub(crate) fn places(tree: &Tree) -> Vec<Finding> {
    // Samples of real logs name the folders of the machines they come from.
    let files = tree.files().filter(|path| !path.ends_with(".log"));
    files
        .flat_map(|path| {
            let text = tree.text(path).unwrap_or_default();
            places_in(path, &text)
        })
        .collect()
}

fn places_in(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for place in PLACES {
            // `https://host/work/` is an address, not a folder: the folder begins a word.
            let begins = line.match_indices(place).any(|(at, _)| {
                !line[..at].ends_with(|c: char| c.is_alphanumeric() || "_-.}".contains(c))
            });
            if begins {
                let rule = format!("the line names a folder of one machine ({place})");
                let remedy = "use a relative path, an environment variable or a temporary folder";
                findings.push(Finding::new(path, index + 1, rule, remedy));
            }
        }
    }
    findings
}

/// Dependencies come from crates.io, and no tracked file redirects them.
pub(crate) fn registries(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lock = tree.text("Cargo.lock").unwrap_or_default();
    for (index, line) in lock.lines().enumerate() {
        let foreign = line.starts_with("source = ") && !line.contains(REGISTRY);
        if foreign {
            let remedy = "take a released version from crates.io";
            findings.push(Finding::new("Cargo.lock", index + 1, "a foreign source", remedy));
        }
    }
    for path in tree.files().filter(|path| path.ends_with(".toml") || path.ends_with(".npmrc")) {
        let text = tree.text(path).unwrap_or_default();
        for (index, line) in text.lines().enumerate() {
            if line.starts_with("[source.") || line.starts_with("[registries") {
                let remedy = "keep the redirection in the machine's own settings";
                findings.push(Finding::new(path, index + 1, "a private registry", remedy));
            }
        }
    }
    findings
}

/// A stranger finds both commands in the README.
pub(crate) fn readme(tree: &Tree) -> Vec<Finding> {
    let text = tree.text("README.md").unwrap_or_default();
    let missing = COMMANDS.iter().filter(|command| !text.contains(**command));
    missing
        .map(|command| {
            let remedy = format!("write `{command}` where a stranger sees it");
            Finding::new("README.md", 0, "a command is missing", remedy)
        })
        .collect()
}

/// `.ci/run` can be executed and runs the README's test command.
pub(crate) fn continuous_check(tree: &Tree) -> Vec<Finding> {
    let text = tree.text(".ci/run").unwrap_or_default();
    let mut findings = Vec::new();
    if !text.lines().any(|line| line.trim() == COMMANDS[1]) {
        let remedy = format!("call `{}` on a line of its own", COMMANDS[1]);
        findings.push(Finding::new(".ci/run", 0, "it runs another command", remedy));
    }
    if !tree.is_executable(".ci/run") {
        let remedy = "chmod +x .ci/run";
        findings.push(Finding::new(".ci/run", 0, "it is not executable", remedy));
    }
    findings
}

#[test]
fn a_folder_of_one_machine_is_found() {
    let text = format!("cd {}x\nhttps://host{}x\n$HOME{}x\n", PLACES[0], PLACES[0], PLACES[0]);
    let found = places_in("Makefile", &text);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].line, 1);
}
