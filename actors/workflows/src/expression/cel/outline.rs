//! What is refused before an expression is parsed, and its parsing.
//!
//! The parser works by recursion, so nesting is bounded before it begins. Of cel's two parsers it
//! is the one by precedence (Pratt 1973): the other takes 200 KB of stack for each bracket in a
//! debug build, and so would overflow a worker's stack at eight of them.

use cel::common::ast::IdedExpr;
use cel::parser::PrattParser;

use super::super::error::CompileError;

/// Longest expression in bytes.
const MAX_BYTES: usize = 4_096;

/// Deepest nesting of brackets.
const MAX_NESTING: usize = 32;

/// Most operators, members and choices one after the other.
const MAX_CHAIN: usize = 160;

/// Refuses what is too long, too deep, or has characters that no expression has.
pub(crate) fn check(text: &str) -> Result<(), CompileError> {
    if text.len() > MAX_BYTES {
        let found = text.len();
        let message = format!("an expression of {found} bytes: expected at most {MAX_BYTES}");
        return Err(CompileError::new(0, message));
    }
    if text.trim().is_empty() {
        return Err(CompileError::new(0, "found no expression"));
    }
    let mut scan = Scan::default();
    for (at, letter) in text.chars().enumerate() {
        scan.step(letter).map_err(|message| CompileError::new(at, message))?;
    }
    Ok(())
}

/// How far the scan is nested, outside of quotes.
#[derive(Default)]
struct Scan {
    nesting: usize,
    links: usize,
    quote: Option<char>,
    escape: bool,
}

impl Scan {
    fn step(&mut self, letter: char) -> Result<(), String> {
        if letter == '\0' {
            return Err("found a NUL character".to_owned());
        }
        if let Some(quote) = self.quote {
            if letter == quote && !self.escape {
                self.quote = None;
            }
            self.escape = letter == '\\' && !self.escape;
            return Ok(());
        }
        match letter {
            '"' | '\'' => self.quote = Some(letter),
            '(' | '[' | '{' => self.nesting += 1,
            ')' | ']' | '}' => self.nesting = self.nesting.saturating_sub(1),
            '`' => return Err("'`' is not supported".to_owned()),
            _ => {}
        }
        // Brackets are links of a chain too: a(b)(c), a[b][c].
        self.links += usize::from("([{.?+-*/%!<>=&|".contains(letter));
        if self.nesting > MAX_NESTING {
            return Err(format!("nested deeper than {MAX_NESTING}"));
        }
        if self.links > MAX_CHAIN {
            return Err(format!("more than {MAX_CHAIN} operators and brackets"));
        }
        Ok(())
    }
}

/// Parses what [`check`] has let pass.
pub(super) fn parse(text: &str) -> Result<IdedExpr, CompileError> {
    let parser = PrattParser::new();
    parser.parse(text).map_err(|faults| {
        let Some(fault) = faults.errors.first() else {
            return CompileError::new(0, "it is no expression");
        };
        let offset = offset(text, fault.pos);
        let message = fault.msg.lines().next().unwrap_or_default();
        let message = message.strip_prefix("Syntax error: ").unwrap_or(message);
        CompileError::new(offset, format!("it is no expression: {}", shortened(message)))
    })
}

/// The parser's list of all tokens that it would have liked says nothing.
fn shortened(message: &str) -> &str {
    let end = message.find(" expecting {").unwrap_or(message.len());
    let end = end.min(message.char_indices().nth(160).map_or(end, |(at, _)| at));
    &message[..end]
}

/// Characters into the text at a line and column, both from 1.
fn offset(text: &str, (line, column): (isize, isize)) -> usize {
    let line = usize::try_from(line).unwrap_or(1).saturating_sub(1);
    let before: usize = text.split_inclusive('\n').take(line).map(|row| row.chars().count()).sum();
    let column = usize::try_from(column).unwrap_or(1).saturating_sub(1);
    (before + column).min(text.chars().count())
}
