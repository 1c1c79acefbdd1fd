//! Text of unknown origin, made fit for one line of a terminal.

use ratatui::text::Span;

/// The columns a text takes on a terminal.
#[must_use]
pub(crate) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// The text without what could steer a terminal: names and errors come from agents, and a
/// control character of theirs must not move our cursor or set our clipboard.
#[must_use]
pub(crate) fn harmless(text: &str) -> String {
    let replaced = text.chars().map(|c| match c {
        '\n' | '\r' | '\t' => ' ',
        c if c.is_control() || is_bidi_control(c) => '\u{fffd}',
        c => c,
    });
    replaced.collect()
}

/// Characters that reorder the text around them (Unicode TR 9).
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text cut to `columns`, with `…` where something was left out.
#[must_use]
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut room = columns.saturating_sub(1);
    for letter in text.chars() {
        let wide = width(letter.encode_utf8(&mut [0; 4]));
        if wide > room {
            break;
        }
        room -= wide;
        kept.push(letter);
    }
    if columns > 0 {
        kept.push('…');
    }
    kept
}

/// The end of the text in `columns`, with `…` where something was left out before it.
#[must_use]
pub(crate) fn cut_front(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let reversed: String = text.chars().rev().collect();
    cut(&reversed, columns).chars().rev().collect()
}

/// The text in lines of at most `columns`, broken between words where that is possible, and cut
/// after `most` of them.
#[must_use]
pub(crate) fn wrapped(text: &str, columns: usize, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut words = text.split(' ').filter(|word| !word.is_empty()).peekable();
    while let Some(word) = words.next() {
        let is_last = lines.len() == most;
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= columns => {
                line.extend([" ", word]);
            }
            // The last line takes all that is left, and is cut.
            Some(line) if is_last => {
                let rest = std::iter::once(word).chain(words).collect::<Vec<_>>().join(" ");
                *line = cut(&format!("{line} {rest}"), columns);
                break;
            }
            _ => lines.push(cut(word, columns)),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_by_columns_not_by_bytes() {
        assert_eq!(cut("überfall", 8), "überfall");
        assert_eq!(cut("überfall", 5), "über…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn a_foreign_text_can_not_steer_the_terminal() {
        assert_eq!(harmless("a\x1b[2Jb\nc"), "a\u{fffd}[2Jb c");
        assert_eq!(harmless("a\u{202e}b"), "a\u{fffd}b");
    }

    #[test]
    fn a_text_is_wrapped_between_words_and_cut_after_its_last_line() {
        assert_eq!(wrapped("the disk is full", 8, 3), ["the disk", "is full"]);
        assert_eq!(wrapped("the disk is quite full", 8, 2), ["the disk", "is quit…"]);
        assert_eq!(wrapped("incomprehensible", 8, 2), ["incompr…"]);
        assert_eq!(wrapped("", 8, 2), [""; 0]);
        assert_eq!(cut_front("/node/agents/echo", 9), "…nts/echo");
    }
}
