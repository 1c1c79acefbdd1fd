//! Where the expressions of a text begin and end.

use crate::expression::error::CompileError;

/// A part of a text.
pub(super) enum Split<'a> {
    Plain(&'a str),
    /// `offset`: characters of the text before the expression.
    Expression {
        text: &'a str,
        offset: usize,
    },
}

impl<'a> Split<'a> {
    pub(super) fn plain(&self) -> &'a str {
        match self {
            Self::Plain(plain) => plain,
            Self::Expression { .. } => "",
        }
    }
}

/// Splits a text at its expressions. Braces and quotes inside of an expression are its own.
pub(super) fn split(text: &str) -> Result<Vec<Split<'_>>, CompileError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            pieces.push(Split::Plain(&rest[..at - 1]));
            pieces.push(Split::Plain("${"));
            rest = &rest[at + 2..];
            continue;
        }
        if at > 0 {
            pieces.push(Split::Plain(&rest[..at]));
        }
        let inside = &rest[at + 2..];
        let offset = text[..text.len() - inside.len()].chars().count();
        let end = end_of_expression(inside).ok_or_else(|| {
            CompileError::new(offset - 2, "'${' without its '}' (a plain '${' is written '$${')")
        })?;
        pieces.push(Split::Expression { text: &inside[..end], offset });
        rest = &inside[end + 1..];
    }
    if !rest.is_empty() {
        pieces.push(Split::Plain(rest));
    }
    Ok(pieces)
}

/// Where the closing brace of an expression is.
fn end_of_expression(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    let mut quote = None;
    let mut escape = false;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (Some(_), b'\\') if !escape => {
                escape = true;
                continue;
            }
            (Some(end), byte) if byte == end && !escape => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'{') => open += 1,
            (None, b'}') if open == 0 => return Some(at),
            (None, b'}') => open -= 1,
            (None, _) => {}
        }
        escape = false;
    }
    None
}
