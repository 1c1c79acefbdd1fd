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
}
