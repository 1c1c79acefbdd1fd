//! From a text, YAML or JSON, to a tree that knows where each of its values stands.
//!
//! The limits are checked while the text is read, so a hostile text costs little: at most
//! [`MAX_BYTES`] are looked at, [`MAX_NODES`] nodes are made, [`MAX_DEPTH`] levels are entered.
//! YAML's anchors, aliases, tags and merge keys are refused: a definition says what it says, once.

mod json;
mod node;
mod yaml;

#[cfg(test)]
mod tests;

pub(crate) use node::{Content, Key, Node, Spot};

use super::fault::Fault;

/// Longest text in bytes: 10,000 steps of 400 bytes.
pub(crate) const MAX_BYTES: usize = 4 << 20;

/// Most values in a text.
const MAX_NODES: usize = 200_000;

/// Deepest nesting.
const MAX_DEPTH: usize = 64;

/// Reads a text.
///
/// # Errors
/// The first fault, with its place: what is no YAML or JSON can't be read beyond it.
pub(crate) fn read(text: &str) -> Result<Node, Fault> {
    if text.len() > MAX_BYTES {
        let found = text.len();
        let message = format!("a text of {found} bytes: expected at most {MAX_BYTES}");
        return Err(Spot::START.fault(message));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(at) = text.find('\0') {
        return Err(Spot::of(text, at).fault("found a NUL character"));
    }
    if !text.trim_start().starts_with(['{', '[']) {
        return yaml::read(text);
    }
    // YAML has another flow style that begins like JSON; the fault told is that of JSON.
    json::read(text).or_else(|fault| yaml::read(text).map_err(|_| fault))
}
