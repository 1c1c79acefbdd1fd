//! Lines kept as evidence: where they stand and what they say.

use serde::{Deserialize, Serialize};

/// A line of the input. Ordered by its place, so that the first ones can be kept in any order of
/// merging.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Evidence {
    /// Index of the file in the order of reading.
    pub file: u32,
    /// Number of the line in its file, from 1.
    pub line: u64,
    /// Milliseconds since 1970, where the line is dated.
    pub time_ms: Option<i64>,
    /// The line, without control characters and cut to the configured length.
    pub text: String,
}

/// The first lines of what they stand for; at most as many as the digest keeps.
pub(crate) type Samples = Vec<Evidence>;

/// Adds a sample where it is among the first `limit`; `make` is called only then.
pub(crate) fn keep_first(
    samples: &mut Samples,
    limit: usize,
    place: (u32, u64),
    make: impl FnOnce() -> Evidence,
) {
    let full = samples.len() >= limit;
    if full && samples.last().is_none_or(|last| (last.file, last.line) <= place) {
        return;
    }
    let at = samples.partition_point(|sample| (sample.file, sample.line) < place);
    samples.insert(at, make());
    samples.truncate(limit);
}

/// Merges two ordered lists of samples and keeps the first `limit`.
pub(crate) fn merge_samples(own: &mut Samples, other: Samples, limit: usize) {
    own.extend(other);
    own.sort();
    own.dedup();
    own.truncate(limit);
}

/// Makes text safe to print: control characters, which could drive a terminal, become `·`, tabs
/// become spaces, and what is longer than `max_chars` is cut and ends in `…`.
pub fn printable(text: &str, max_chars: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max_chars * 4));
    for (index, c) in text.trim_end().chars().enumerate() {
        if index + 1 >= max_chars && text.chars().nth(max_chars).is_some() {
            out.push('…');
            break;
        }
        out.push(harmless(c));
    }
    out
}

/// The character, or what stands for it where it could drive a terminal.
pub(crate) fn harmless(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() || is_direction(c) => '·',
        c => c,
    }
}

/// Characters that change the direction of what is printed after them (Unicode TR 9), and those
/// that some terminals take for the end of a line.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_of_a_log_never_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mred\u{7}\u{202e}x\ty\r\n", 80), "a·[31mred··x y");
    }

    #[test]
    fn a_long_line_is_cut_at_a_character() {
        assert_eq!(printable("ääääää", 4), "äää…");
        assert_eq!(printable("ääää", 4), "ääää");
    }

    #[test]
    fn the_first_lines_are_kept_whatever_the_order() {
        let line = |line| Evidence { file: 0, line, time_ms: None, text: String::new() };
        let mut samples = Samples::new();
        for number in [9, 3, 7, 1, 5] {
            keep_first(&mut samples, 3, (0, number), || line(number));
        }
        assert_eq!(samples.iter().map(|s| s.line).collect::<Vec<_>>(), [1, 3, 5]);
    }
}
