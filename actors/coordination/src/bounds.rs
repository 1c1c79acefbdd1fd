//! Bounds that hold in every negotiation, and how what is out of them is refused.

use crate::protocol::Refusal;

/// Most participants of one conversation.
pub(crate) const MAX_PARTICIPANTS: usize = 100_000;
/// Bytes of the longest text for people.
pub(crate) const MAX_TEXT: usize = 4 << 10;
/// Bytes of the largest content, and of the largest result.
pub(crate) const MAX_CONTENT: usize = 1 << 20;
/// The longest wait in milliseconds, a week: what is open longer is no call any more.
pub(crate) const MAX_WAIT_MS: u64 = 7 * 24 * 3_600_000;
/// The longest reason that is taken from an answer, in bytes.
const MAX_REASON: usize = 512;

/// Refuses a text that is too long.
pub(crate) fn longest(field: &str, text: &str, most: usize) -> Result<(), Refusal> {
    if text.len() <= most {
        return Ok(());
    }
    Err(Refusal::invalid(field, format!("{} bytes, expected at most {most}", text.len())))
}

/// Refuses a number that is out of its range.
pub(crate) fn within(field: &str, value: u64, least: u64, most: u64) -> Result<(), Refusal> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Refusal::invalid(field, format!("{value}, expected {least} to {most}")))
}

/// At most as much of a text as a history keeps.
pub(crate) fn clipped(mut text: String) -> String {
    if text.len() > MAX_REASON {
        text.truncate(text.floor_char_boundary(MAX_REASON));
    }
    text
}
