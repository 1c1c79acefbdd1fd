//! A Rust file with its comments and literals blanked, so that words and braces can be trusted.
//!
//! This is a scanner, not a parser: it knows comments, strings, characters and lifetimes, and
//! from there on braces are balanced. That is all the rules need.

use std::ops::Range;

/// A Rust file.
pub(crate) struct Source {
    /// Path from the root of the repository.
    pub(crate) path: String,
    /// The text as it is.
    pub(crate) text: String,
    /// The same bytes, with comments and the insides of literals replaced by spaces.
    pub(crate) code: String,
    /// Bytes that are compiled for tests only.
    tests: Vec<Range<usize>>,
    /// Bytes at which lines begin.
    lines: Vec<usize>,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// The line of its `fn`, from 1.
    pub(crate) line: usize,
    /// Lines from its `fn` to its closing brace.
    pub(crate) lines: usize,
}

impl Source {
    /// Scans `text`, the contents of `path`.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = blank(text);
        let tests = if is_test_path(path) {
            std::iter::once(0..text.len()).collect()
        } else {
            test_items(&code)
        };
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        Self { path: path.to_owned(), text: text.to_owned(), code, tests, lines }
    }

    /// The line of a byte, from 1.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at)
    }

    /// Whether the line of a byte is indented: it stands within an item.
    pub(crate) fn is_indented(&self, at: usize) -> bool {
        let start = self.lines[self.line(at) - 1];
        self.code[start..].starts_with(' ')
    }

    /// Whether the byte is compiled for tests only.
    pub(crate) fn in_tests(&self, at: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&at))
    }

    /// Whether the file holds nothing but tests.
    pub(crate) fn is_all_tests(&self) -> bool {
        is_test_path(&self.path)
    }

    /// Lines of the file that are not compiled for tests only.
    pub(crate) fn product_lines(&self) -> usize {
        let tests: usize =
            self.tests.iter().map(|range| self.text[range.clone()].lines().count()).sum();
        self.text.lines().count() - tests.min(self.text.lines().count())
    }

    /// Where `word` stands in the code as a whole identifier.
    pub(crate) fn identifiers(&self, word: &str) -> Vec<usize> {
        self.code
            .match_indices(word)
            .map(|(at, _)| at)
            .filter(|&at| is_whole(&self.code, at..at + word.len()))
            .collect()
    }

    /// Where `pattern` stands in the code.
    pub(crate) fn find(&self, pattern: &str) -> Vec<usize> {
        self.code.match_indices(pattern).map(|(at, _)| at).collect()
    }

    /// The identifier that follows `at`, after blanks.
    pub(crate) fn word_after(&self, at: usize) -> &str {
        let rest = self.code[at..].trim_start();
        let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        &rest[..end]
    }

    /// All functions that have a body, nested ones too.
    pub(crate) fn functions(&self) -> Vec<Function> {
        self.identifiers("fn")
            .into_iter()
            .filter_map(|at| {
                let name = self.word_after(at + 2);
                let body = body_after(&self.code, at)?;
                let lines = self.line(body.end - 1) - self.line(at) + 1;
                let line = self.line(at);
                (!name.is_empty()).then(|| Function { name: name.to_owned(), line, lines })
            })
            .collect()
    }
}

/// Files that are tests by their place: `tests/` folders and `tests.rs` modules.
fn is_test_path(path: &str) -> bool {
    path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs")
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_whole(code: &str, range: Range<usize>) -> bool {
    !code[..range.start].ends_with(is_word) && !code[range.end..].starts_with(is_word)
}

/// The braces that belong to the item at `at`; `None` when it ends with a semicolon.
fn body_after(code: &str, at: usize) -> Option<Range<usize>> {
    let bytes = code.as_bytes();
    let mut nesting = 0_i32;
    for (index, byte) in bytes.iter().enumerate().skip(at) {
        match byte {
            b'(' | b'[' => nesting += 1,
            b')' | b']' => nesting -= 1,
            b';' if nesting == 0 => return None,
            b'{' if nesting == 0 => return Some(index..closing(bytes, index)?),
            _ => {}
        }
    }
    None
}

/// One past the brace that closes the one at `open`.
fn closing(bytes: &[u8], open: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (index, byte) in bytes.iter().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(index + 1);
        }
    }
    None
}

/// The items under `#[cfg(test)]`.
fn test_items(code: &str) -> Vec<Range<usize>> {
    code.match_indices("#[cfg(test)]")
        .map(|(at, attribute)| {
            let after = at + attribute.len();
            let end = body_after(code, after).map(|body| body.end);
            at..end.or_else(|| code[after..].find(';').map(|i| after + i + 1)).unwrap_or(after)
        })
        .collect()
}

/// Replaces comments and the insides of literals by spaces, byte for byte.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8(out).expect("whole literals are blanked, so what is left is whole too")
}

/// One past the comment or literal that begins at `at`; `at` itself when none does.
fn literal_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let after_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    match rest {
        [b'/', b'/', ..] => find(bytes, at, b"\n").unwrap_or(bytes.len()),
        [b'/', b'*', ..] => block_comment_end(bytes, at),
        [b'"', ..] => quoted_end(bytes, at + 1, b'"'),
        [b'r', b'"' | b'#', ..] if !after_word => raw_end(bytes, at, 1),
        [b'b', b'r', b'"' | b'#', ..] if !after_word => raw_end(bytes, at, 2),
        [b'\'', b'\\', ..] => quoted_end(bytes, at + 1, b'\''),
        [b'\'', ..] => character_end(bytes, at),
        _ => at,
    }
}

fn find(bytes: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    let tail = bytes.get(from..)?;
    tail.windows(what.len()).position(|window| window == what).map(|index| from + index)
}

fn block_comment_end(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

fn quoted_end(bytes: &[u8], mut at: usize, quote: u8) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// `r"..."`, `r#"..."#`; a raw identifier (`r#type`) is not a literal.
fn raw_end(bytes: &[u8], at: usize, prefix: usize) -> usize {
    let hashes = bytes[at + prefix..].iter().take_while(|&&b| b == b'#').count();
    let open = at + prefix + hashes;
    if bytes.get(open) != Some(&b'"') {
        return at;
    }
    let close = [b"\"".to_vec(), vec![b'#'; hashes]].concat();
    find(bytes, open + 1, &close).map_or(bytes.len(), |end| end + close.len())
}

/// `'x'` is a character; `'static` is a lifetime and stays.
fn character_end(bytes: &[u8], at: usize) -> usize {
    let text = std::str::from_utf8(&bytes[at + 1..]).unwrap_or_default();
    let mut chars = text.char_indices();
    match (chars.next(), chars.next()) {
        (Some(_), Some((close, '\''))) => at + 1 + close + 1,
        _ => at,
    }
}

#[test]
fn words_in_comments_and_literals_do_not_count() {
    let text = "// fn a\n/* { /* } */ */ let s = \"}\\\"{\"; let r = r#\"fn \"{\"#; '{' 'a b\"é\"";
    let source = Source::new("src/x.rs", text);
    assert_eq!(source.code.len(), text.len());
    assert!(source.identifiers("fn").is_empty());
    assert!(!source.code.contains(['{', '}']));
    assert!(source.code.contains("'a b"), "a lifetime is not a literal");
}

#[test]
fn functions_are_measured_from_signature_to_brace() {
    let text = "fn a(\n  x: [u8; 2],\n) {\n  if x {\n  }\n}\ntrait T { fn b(); }\n";
    let functions = Source::new("src/x.rs", text).functions();
    assert_eq!(functions, [Function { name: "a".to_owned(), line: 1, lines: 6 }]);
}

#[test]
fn what_is_compiled_for_tests_is_known() {
    let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n  fn b() {}\n}\n#[cfg(test)]\nmod c;\n";
    let source = Source::new("src/x.rs", text);
    let [a, b] = source.identifiers("fn")[..] else { panic!("two functions") };
    assert!(!source.in_tests(a) && source.in_tests(b));
    assert_eq!(source.product_lines(), 1);
}
