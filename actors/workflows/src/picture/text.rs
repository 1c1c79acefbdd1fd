//! Text of unknown origin made fit for pictures.

use std::time::Duration;

use jiff::Timestamp;

/// The text without what no XML document may hold (XML 1.0, section 2.2), and without what would
/// reorder the text around it (Unicode TR 9); on one line.
pub(super) fn plain(text: &str) -> String {
    let replaced = text.chars().map(|c| match c {
        '\n' | '\r' | '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        '\u{fffe}' | '\u{ffff}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c => c,
    });
    replaced.collect()
}

/// The text as character data or as the value of an attribute of XML.
pub(super) fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// The text cut to so many columns, with `…` where something was left out. Letters of East Asian
/// scripts count twice, as they are drawn twice as wide.
pub(super) fn cut(text: &str, columns: usize) -> String {
    let wide = |c: char| if c < '\u{1100}' { 1 } else { 2 };
    if text.chars().map(wide).sum::<usize>() <= columns {
        return text.to_owned();
    }
    let mut room = columns.saturating_sub(1);
    let fits = |c: &char| {
        let left = room.checked_sub(wide(*c));
        left.is_some_and(|left| {
            room = left;
            true
        })
    };
    let mut kept: String = text.chars().take_while(fits).collect();
    kept.push('…');
    kept
}

/// `850 ms`, `1.4 s`, `2 min 5 s`, `3 h 12 min`, `4 d 3 h`.
pub(super) fn span(time: Duration) -> String {
    let two = |large: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {small_unit}"),
    };
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        s @ 1..10 => format!("{s}.{} s", time.subsec_millis() / 100),
        s @ 10..60 => format!("{s} s"),
        s @ 60..3_600 => two(s / 60, "min", s % 60, "s"),
        s @ 3_600..86_400 => two(s / 3_600, "h", s % 3_600 / 60, "min"),
        s => two(s / 86_400, "d", s % 86_400 / 3_600, "h"),
    }
}

/// The time between the two; none when it is negative.
pub(super) fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_control_characters_become_text() {
        assert_eq!(xml("<a b='c'>&\"\u{1b}\n"), "&lt;a b=&#39;c&#39;&gt;&amp;&quot;\u{fffd} ");
        assert_eq!(plain("a\u{202e}b\u{ffff}"), "a\u{fffd}b\u{fffd}");
    }

    #[test]
    fn a_text_is_cut_by_what_it_takes() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdef", 5), "abcd…");
        assert_eq!(cut("日本語", 5), "日本…");
    }

    #[test]
    fn spans_are_told_in_two_units() {
        assert_eq!(span(Duration::from_millis(850)), "850 ms");
        assert_eq!(span(Duration::from_millis(1_449)), "1.4 s");
        assert_eq!(span(Duration::from_secs(125)), "2 min 5 s");
        assert_eq!(span(Duration::from_secs(90_000)), "1 d 1 h");
    }
}
