//! How long a file, a function, a line and an example may be.

use crate::report::Finding;
use crate::source::Source;
use crate::tree::Tree;

/// Lines of a file without what is compiled for tests only. Aim at 400.
const FILE: usize = 500;
/// Lines of a file that is all tests: a list of cases may be longer than a machine.
const TEST_FILE: usize = 800;
/// Lines of a function from its `fn` to its closing brace. Aim at 40.
const FUNCTION: usize = 70;
/// Characters of a line.
const LINE: usize = 100;
/// Lines of a file under `examples/`.
const EXAMPLE: usize = 80;

/// Every file opens with `//!`.
pub(crate) fn header(source: &Source) -> Vec<Finding> {
    if source.text.starts_with("//!") {
        return Vec::new();
    }
    let remedy = "open the file with `//!` and one sentence that says what it is for";
    vec![Finding::new(&source.path, 1, "the file does not say what it is for", remedy)]
}

/// A file is short.
pub(crate) fn file(source: &Source) -> Vec<Finding> {
    let (lines, most) = if source.is_all_tests() {
        (source.text.lines().count(), TEST_FILE)
    } else {
        (source.product_lines(), FILE)
    };
    if lines <= most {
        return Vec::new();
    }
    let rule = format!("{lines} lines, at most {most} are allowed");
    vec![Finding::new(&source.path, most, rule, "split the file by subject")]
}

/// A function is short.
pub(crate) fn functions(source: &Source) -> Vec<Finding> {
    let long = source.functions().into_iter().filter(|function| function.lines > FUNCTION);
    long.map(|function| {
        let rule = format!("fn {} has {} lines of {FUNCTION}", function.name, function.lines);
        Finding::new(&source.path, function.line, rule, "split it by step")
    })
    .collect()
}

/// A line is short.
pub(crate) fn lines(source: &Source) -> Vec<Finding> {
    let lengths = source.text.lines().map(|line| line.chars().count()).enumerate();
    lengths
        .filter(|(_, length)| *length > LINE)
        .map(|(index, length)| {
            let rule = format!("{length} characters of {LINE}");
            Finding::new(&source.path, index + 1, rule, "break the line")
        })
        .collect()
}

/// Examples are short, whatever their language.
pub(crate) fn examples(tree: &Tree) -> Vec<Finding> {
    let sources = tree.files().filter(|path| path.starts_with("examples/"));
    let sources = sources.filter(|path| path.ends_with(".rs") || path.ends_with(".py"));
    sources
        .filter_map(|path| {
            let lines = tree.text(path)?.lines().count();
            let rule = format!("{lines} lines, at most {EXAMPLE} are allowed");
            let remedy = "show one thing; move what the user need not read into the product";
            (lines > EXAMPLE).then(|| Finding::new(path, EXAMPLE, rule, remedy))
        })
        .collect()
}

#[test]
fn what_is_too_long_is_found() {
    let text = format!("fn a() {{\n{}}}\n", "    x();\n".repeat(FILE));
    let source = Source::new("src/a.rs", &text);
    assert_eq!(file(&source).len(), 1);
    assert_eq!(functions(&source)[0].line, 1);
    assert_eq!(header(&source).len(), 1);
    let wide = Source::new("src/a.rs", &format!("//! a\n{}", "é".repeat(LINE + 1)));
    assert_eq!(lines(&wide)[0].line, 2);
    assert!(lines(&Source::new("src/a.rs", &"é".repeat(LINE))).is_empty(), "bytes don't count");
}

#[test]
fn tests_do_not_count_as_the_file() {
    let tests = "    fn b() {}\n".repeat(FILE);
    let text = format!("//! a\nfn a() {{}}\n#[cfg(test)]\nmod tests {{\n{tests}}}\n");
    assert!(file(&Source::new("src/a.rs", &text)).is_empty());
}
