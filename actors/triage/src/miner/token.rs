//! Tokens of masked messages: when two of them are values of one parameter.

use super::mask::WILDCARD;

/// A token, and what is asked of it again and again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    /// It holds a wildcard.
    pub(super) masked: bool,
    /// It holds letters or digits outside its wildcards.
    pub(super) word: bool,
}

impl<'a> Token<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, masked: text.contains(WILDCARD), word: has_word(text) }
    }

    pub(super) fn covers(self, other: Self) -> bool {
        self.masked && covers(self.text, other.text)
    }

    pub(super) fn is_like(self, other: Self) -> bool {
        self.text == other.text
            || self.covers(other)
            || other.covers(self)
            || (self.masked && other.masked && same_frame(self.text, other.text))
    }
}

/// Whether a token has letters outside its wildcards.
pub(super) fn has_word(token: &str) -> bool {
    token.bytes().any(|b| b.is_ascii_alphanumeric() || !b.is_ascii())
}

/// Whether both hold a wildcard between the same marks: `eth<*>:` and `sda<*>:` are two values,
/// `uid=<*>` and `gid=<*>` are not.
fn same_frame(one: &str, other: &str) -> bool {
    match (frame(one), frame(other)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

/// The text up to the last mark before the first wildcard, and from the first mark after the last.
fn frame(token: &str) -> Option<(&str, &str)> {
    let (first, last) = (token.find(WILDCARD)?, token.rfind(WILDCARD)?);
    let (prefix, suffix) = (&token[..first], &token[last + WILDCARD.len()..]);
    // A word before leaders (`enable.....1`) names the value, like a key.
    let led = prefix.rfind("..").map(|at| at + 2);
    let open = led.max(prefix.rfind(is_mark).map(|at| at + 1)).unwrap_or(0);
    let close = suffix.find(is_mark).unwrap_or(suffix.len());
    Some((&prefix[..open], &suffix[close..]))
}

/// Whether `masked` holds a wildcard and `token` is one of the texts that it stands for. Around
/// the wildcard only punctuation and whole keys count: `(<*>)` covers `(pwd)` and `()`, but
/// `ssh<*>` does not cover `sshd`.
pub(super) fn covers(masked: &str, token: &str) -> bool {
    let (Some(first), Some(last)) = (masked.find(WILDCARD), masked.rfind(WILDCARD)) else {
        return false;
    };
    let (prefix, suffix) = (&masked[..first], &masked[last + WILDCARD.len()..]);
    !prefix.ends_with(|c: char| c.is_alphanumeric())
        && !suffix.starts_with(|c: char| c.is_alphanumeric())
        && token.len() >= prefix.len() + suffix.len()
        && token.starts_with(prefix)
        && token.ends_with(suffix)
}

/// Writes a wildcard for differing tokens, with the punctuation that they share around it:
/// `user=root` and `user=ftp` become `user=<*>`.
pub(super) fn generalise<'a>(mut tokens: impl Iterator<Item = &'a str>, out: &mut String) {
    let first = tokens.next().unwrap_or_default();
    let (mut prefix, mut suffix) = (first, first);
    for token in tokens {
        let same = |(a, b): &(char, char)| a == b;
        let front: usize =
            prefix.chars().zip(token.chars()).take_while(same).map(|(c, _)| c.len_utf8()).sum();
        prefix = &prefix[..front];
        let pairs = suffix.chars().rev().zip(token.chars().rev());
        let back: usize = pairs.take_while(same).map(|(c, _)| c.len_utf8()).sum();
        suffix = &suffix[suffix.len() - back..];
    }
    let prefix = prefix.split(WILDCARD).next().unwrap_or_default();
    let suffix = suffix.rsplit(WILDCARD).next().unwrap_or_default();
    let kept = prefix.rfind(is_mark).map_or(0, |at| at + 1);
    out.push_str(&prefix[..kept]);
    out.push_str(WILDCARD);
    if let Some(at) = suffix.find(is_mark) {
        out.push_str(&suffix[at..]);
    }
}

fn is_mark(c: char) -> bool {
    c.is_ascii_punctuation() && !matches!(c, '_' | '-' | '.' | '<' | '>' | '*')
}
