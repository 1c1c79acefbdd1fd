//! Tests own their time and all of them run.
//!
//! The rule about sleeping, precisely. In code that is compiled for tests only, `thread::sleep` and
//! tokio's `sleep` are refused, except where
//! - tokio's time is paused: the test crate (a file of `tests/`, a folder of `tests/`, a `tests.rs`
//!   or a folder `tests` below `src/`) says `start_paused = true`, `start_paused(true)` or
//!   `time::pause()` somewhere;
//! - a condition is polled with a deadline: the function loops and looks at `Instant::now()`;
//! - the line above says why it must be the real clock: `// Real time on purpose: ...`.
//!
//! `synod-testkit` is free: waiting for conditions is its trade.

use std::collections::BTreeSet;

use crate::report::Finding;
use crate::source::Source;

/// What a test says that must meet the real clock.
const ON_PURPOSE: &str = "// Real time on purpose: ";
/// The crate whose trade it is to wait for conditions.
const WAITS: &str = "actors/testkit/";

/// No test sleeps on real time.
pub(crate) fn sleeps(sources: &[Source]) -> Vec<Finding> {
    let runs_paused = |source: &&Source| {
        let says = ["start_paused = true", "start_paused(true)", "time::pause()"];
        says.iter().any(|paused| source.code.contains(paused))
    };
    let paused: BTreeSet<&str> =
        sources.iter().filter(runs_paused).map(|source| test_crate(&source.path)).collect();
    let tests = sources.iter().filter(|source| !source.path.starts_with(WAITS));
    tests.flat_map(|source| sleeps_in(source, paused.contains(test_crate(&source.path)))).collect()
}

/// The file or folder whose files are compiled into one test crate with this one.
fn test_crate(path: &str) -> &str {
    let folder = path.find("/tests/").map(|at| at + "/tests/".len());
    let Some(start) = folder.or_else(|| path.starts_with("tests/").then_some("tests/".len()))
    else {
        return path;
    };
    // Below src/ the folder is one module, whose files share what its tests say of time.
    if path[..start].contains("/src/") {
        return &path[..start];
    }
    path[start..].find('/').map_or(path, |end| &path[..start + end])
}

fn sleeps_in(source: &Source, paused: bool) -> Vec<Finding> {
    let calls = source.find("sleep(").into_iter().filter(|&at| source.in_tests(at));
    let real = calls.filter(|&at| {
        is_real(&source.code[..at], paused) && !is_on_purpose(source, at) && !is_poll(source, at)
    });
    real.map(|at| {
        let remedy = "run on paused time, or poll a condition with a deadline";
        Finding::new(&source.path, source.line(at), "a test sleeps on real time", remedy)
    })
    .collect()
}

/// Whether the `sleep(` that follows `before` waits on the real clock.
fn is_real(before: &str, paused: bool) -> bool {
    if before.ends_with("thread::") {
        return true;
    }
    // `sleep(` itself, or tokio's by any path; not the end of a longer name.
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let is_call = before.ends_with("::") || !before.ends_with(is_word);
    is_call && !before.ends_with("fn ") && !paused
}

/// Whether the call stands in a function that loops until a condition holds or time is up.
fn is_poll(source: &Source, at: usize) -> bool {
    let line = source.line(at);
    let functions = source.functions();
    let around = functions.iter().filter(|f| (f.line..f.line + f.lines).contains(&line));
    // The innermost function begins last.
    let Some(function) = around.max_by_key(|function| function.line) else { return false };
    let body: Vec<&str> =
        source.code.lines().skip(function.line - 1).take(function.lines).collect();
    let says = |word: &str| body.iter().any(|line| line.contains(word));
    (says("loop {") || says("while ")) && says("Instant::now()")
}

/// Whether the comment above the call gives the reason.
fn is_on_purpose(source: &Source, at: usize) -> bool {
    let above = source.text.lines().take(source.line(at) - 1);
    let comment = above.map(str::trim).collect::<Vec<_>>();
    let comment = comment.iter().rev().take_while(|line| line.starts_with("//"));
    comment.last().is_some_and(|first| first.starts_with(ON_PURPOSE))
}

/// No test is left out.
pub(crate) fn ignored(source: &Source) -> Vec<Finding> {
    let found = source.find("#[ignore").into_iter();
    found
        .map(|at| {
            let remedy = "make it fast and steady, or give it a name of its own in the Makefile";
            Finding::new(&source.path, source.line(at), "the test is ignored", remedy)
        })
        .collect()
}

#[test]
fn a_sleeping_test_is_found() {
    let check = |path: &str, text: &str| sleeps(&[Source::new(path, text)]);
    let text = "fn a() { sleep(1) }\n#[cfg(test)]\nmod t {\n  fn b() { tokio::time::sleep(1) }\n}";
    let found = check("src/a.rs", text);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].line, 4);
    let paused = "#[tokio::test(start_paused = true)]\nasync fn a() { sleep(1).await }\n";
    assert!(check("tests/a.rs", paused).is_empty());
    let purpose = format!("#[test]\nfn a() {{\n  {ON_PURPOSE}x\n  // y\n  sleep(1)\n}}\n");
    assert!(check("tests/a.rs", &purpose).is_empty());
    let poll =
        "fn a() {\n  while !b() {\n    assert!(Instant::now() < end);\n    sleep(1);\n  }\n}";
    assert!(check("tests/a.rs", poll).is_empty());
    let thread = format!("{paused}fn b() {{ std::thread::sleep(x) }}");
    assert_eq!(check("tests/a.rs", &thread).len(), 1);
}

#[test]
fn paused_time_holds_for_a_whole_test_crate() {
    let paused =
        Source::new("x/tests/it/main.rs", "#[tokio::test(start_paused = true)]\nfn a() {}");
    let beside = Source::new("x/tests/it/stage.rs", "fn b() { sleep(1) }");
    let other = Source::new("x/tests/other.rs", "fn b() { sleep(1) }");
    let found = sleeps(&[paused, beside, other]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].file, "x/tests/other.rs");
}

#[test]
fn an_ignored_test_is_found() {
    let text = "#[test]\n#[ignore = \"slow\"]\nfn a() {}\n// #[ignore]\n";
    assert_eq!(ignored(&Source::new("tests/a.rs", text)).len(), 1);
}
