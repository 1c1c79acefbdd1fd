//! Where a reader of the stream stands: opaque to clients, bound to one boot of one node.

use std::fmt;
use std::str::FromStr;

/// The boot that gave it out and the sequence of the last event the reader has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The boot: sequences of another boot mean nothing.
    pub boot: u64,
    /// The last event seen; 0 for none.
    pub sequence: u64,
}

/// The text is no cursor of any node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor: expected the id of an event of this stream")]
pub struct NotACursor;

impl fmt::Display for Cursor {
    /// A version digit, then boot and sequence in hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1{:016x}{:016x}", self.boot, self.sequence)
    }
}

impl FromStr for Cursor {
    type Err = NotACursor;

    /// A cursor, with or without the number behind the point that the id of a notice has.
    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let (text, notice) = text.split_once('.').map_or((text, "0"), |(text, own)| (text, own));
        if !(1..=16).contains(&notice.len()) || !notice.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(NotACursor);
        }
        let digits = text.strip_prefix('1').filter(|rest| rest.len() == 32 && rest.is_ascii());
        let (boot, sequence) = digits.ok_or(NotACursor)?.split_at(16);
        let number = |hex: &str| {
            // `from_str_radix` would take a sign.
            let plain = hex.bytes().all(|b| b.is_ascii_hexdigit());
            plain.then(|| u64::from_str_radix(hex, 16).ok()).flatten().ok_or(NotACursor)
        };
        Ok(Self { boot: number(boot)?, sequence: number(sequence)? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_survives_the_way_to_the_client_and_back(boot: u64, sequence: u64) {
            let cursor = Cursor { boot, sequence };
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }

        #[test]
        fn any_other_text_is_refused_without_a_panic(text in "\\PC{0,40}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                let (place, _) = text.split_once('.').unwrap_or((&text, ""));
                prop_assert_eq!(cursor.to_string(), place.to_ascii_lowercase());
            }
        }
    }

    #[test]
    fn near_misses_are_refused() {
        let good = Cursor { boot: 1, sequence: 2 }.to_string();
        assert!(good[1..].parse::<Cursor>().is_err());
        assert!(format!("{good}0").parse::<Cursor>().is_err());
        assert!(format!("1+{}", &good[2..]).parse::<Cursor>().is_err());
        assert!("".parse::<Cursor>().is_err());
        assert_eq!(format!("{good}.1f").parse(), Ok(Cursor { boot: 1, sequence: 2 }));
        for behind in [".", ".x", ".+1", ".1.1", ".11111111111111111"] {
            assert!(format!("{good}{behind}").parse::<Cursor>().is_err(), "{behind}");
        }
    }
}
