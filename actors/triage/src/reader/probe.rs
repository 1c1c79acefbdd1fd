//! Tells text from what can't be read as a log, by the first bytes of a file.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::layout::Layout;
use super::timestamp::WrittenAt;

/// Bytes looked at.
const HEAD_BYTES: u64 = 128 << 10;

/// What the head of a file says about it.
#[derive(Debug)]
pub(crate) enum Probed {
    /// Text, and how its lines begin.
    Text(Layout),
    /// It can't be read as text; why, in words.
    Other(&'static str),
}

/// Looks at the head of a file.
pub(crate) fn probe(path: &Path, written: WrittenAt) -> io::Result<Probed> {
    let mut head = Vec::new();
    File::open(path)?.take(HEAD_BYTES).read_to_end(&mut head)?;
    Ok(match not_text(&head) {
        Some(reason) => Probed::Other(reason),
        None => Probed::Text(layout_of(&head, written)),
    })
}

/// The layout of the lines of `head`, of which the last may be cut.
pub(crate) fn layout_of(head: &[u8], written: WrittenAt) -> Layout {
    let text = String::from_utf8_lossy(head);
    Layout::detect(text.lines(), written)
}

/// Why `head` is no text, if it is none.
pub(crate) fn not_text(head: &[u8]) -> Option<&'static str> {
    const MAGIC: [(&[u8], &str); 9] = [
        (b"\x1f\x8b", "compressed with gzip"),
        (b"\xfd7zXZ\0", "compressed with xz"),
        (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
        (b"BZh", "compressed with bzip2"),
        (b"PK\x03\x04", "a zip archive"),
        (b"\x04\x22\x4d\x18", "compressed with lz4"),
        (b"LPKSHHRH", "a binary journal, which journalctl reads"),
        (b"\xff\xfe", "UTF-16 text"),
        (b"\xfe\xff", "UTF-16 text"),
    ];
    if head.is_empty() {
        return Some("empty");
    }
    if let Some((_, reason)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some(reason);
    }
    let control = |b: &&u8| **b < 0x20 && !matches!(**b, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b);
    let odd = head.iter().filter(control).count();
    let binary = head.contains(&0) || odd * 20 > head.len();
    binary.then_some("binary")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_named() {
        let cases: [(&[u8], Option<&str>); 7] = [
            (b"", Some("empty")),
            (b"\x1f\x8b\x08\0", Some("compressed with gzip")),
            (b"LPKSHHRH\0", Some("a binary journal, which journalctl reads")),
            (b"abc\0def", Some("binary")),
            (b"\x01\x02\x03abc", Some("binary")),
            (b"plain \x1b[31mcoloured\x1b[0m\ttext\r\n", None),
            (b"caf\xe9 in Latin 1\n", None),
        ];
        for (head, expected) in cases {
            assert_eq!(not_text(head), expected, "{head:?}");
        }
    }
}
