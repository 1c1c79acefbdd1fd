//! W3C trace context: one identity from a request through every message it causes.
//!
//! The text form is the `traceparent` header of <https://www.w3.org/TR/trace-context/>.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::entropy::Entropy;

/// Bytes of a version 00 `traceparent`.
const LENGTH: usize = 55;

/// The flags with a meaning: sampled (level 1) and random trace id (level 2). Others are not
/// passed on, as the specification demands.
const KNOWN_FLAGS: u8 = 0b11;

/// A position in a trace: which trace, and which span of it.
///
/// Never all zero in either id: such a value is invalid by the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Correlation {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    flags: u8,
}

impl Correlation {
    /// A new trace, marked as sampled.
    #[must_use]
    pub fn new(entropy: &dyn Entropy) -> Self {
        let mut trace_id = [0; 16];
        entropy.fill(&mut trace_id);
        if trace_id == [0; 16] {
            trace_id[15] = 1;
        }
        Self { trace_id, span_id: span(entropy), flags: 1 }
    }

    /// A new span of the same trace.
    #[must_use]
    pub fn child(&self, entropy: &dyn Entropy) -> Self {
        let flags = self.flags & KNOWN_FLAGS;
        Self { trace_id: self.trace_id, span_id: span(entropy), flags }
    }

    /// The trace, shared by all that one request causes.
    #[must_use]
    pub fn trace_id(&self) -> [u8; 16] {
        self.trace_id
    }

    /// The span within the trace.
    #[must_use]
    pub fn span_id(&self) -> [u8; 8] {
        self.span_id
    }

    /// Trace flags; bit 0 says that the caller records this trace.
    #[must_use]
    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// The trace in 32 lower-case hexadecimal digits, as logs print it.
    #[must_use]
    pub fn trace_hex(&self) -> String {
        self.trace_shown().to_string()
    }

    /// Prints the trace as [`Correlation::trace_hex`] does, and costs nothing where it is not
    /// printed: the field `trace_id` of spans and events.
    pub fn trace_shown(&self) -> impl fmt::Display + fmt::Debug + use<> {
        let trace = u128::from_be_bytes(self.trace_id);
        fmt::from_fn(move |f| write!(f, "{trace:032x}"))
    }

    /// Prints the span in 16 lower-case hexadecimal digits: the fields `span_id` and
    /// `parent_span_id` of spans and events.
    pub fn span_shown(&self) -> impl fmt::Display + fmt::Debug + use<> {
        let span = u64::from_be_bytes(self.span_id);
        fmt::from_fn(move |f| write!(f, "{span:016x}"))
    }

    /// The `traceparent` header value.
    #[must_use]
    pub fn traceparent(&self) -> String {
        self.to_string()
    }
}

fn span(entropy: &dyn Entropy) -> [u8; 8] {
    entropy.next_u64().max(1).to_be_bytes()
}

impl fmt::Display for Correlation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace_shown(), self.span_shown(), self.flags)
    }
}

/// The text is no W3C `traceparent`; the caller starts a trace of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a W3C traceparent: expected 00-<32 hex>-<16 hex>-<2 hex>")]
pub struct InvalidTraceparent;

impl FromStr for Correlation {
    type Err = InvalidTraceparent;

    /// Reads a `traceparent`; of a version above 00 only the fields known today are read.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = text.as_bytes();
        let (head, tail) = bytes.split_at_checked(LENGTH).ok_or(InvalidTraceparent)?;
        let version = hex::<1>(&head[..2]).ok_or(InvalidTraceparent)?[0];
        let later = version > 0 && tail.first() == Some(&b'-');
        if version == 0xff || !(tail.is_empty() || later) {
            return Err(InvalidTraceparent);
        }
        if [head[2], head[35], head[52]] != [b'-'; 3] {
            return Err(InvalidTraceparent);
        }
        let trace_id = hex::<16>(&head[3..35]).ok_or(InvalidTraceparent)?;
        let span_id = hex::<8>(&head[36..52]).ok_or(InvalidTraceparent)?;
        let flags = hex::<1>(&head[53..55]).ok_or(InvalidTraceparent)?[0];
        if trace_id == [0; 16] || span_id == [0; 8] {
            return Err(InvalidTraceparent);
        }
        Ok(Self { trace_id, span_id, flags })
    }
}

/// Reads `2 * N` lower-case hexadecimal digits; upper case is invalid by the specification.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = (digit(pair[0])? << 4) | digit(pair[1])?;
    }
    Some(bytes)
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

impl From<Correlation> for String {
    fn from(correlation: Correlation) -> Self {
        correlation.to_string()
    }
}

impl TryFrom<String> for Correlation {
    type Error = InvalidTraceparent;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_example_of_the_specification_reads_back() {
        let correlation: Correlation = EXAMPLE.parse().unwrap();
        assert_eq!(correlation.traceparent(), EXAMPLE);
        assert_eq!(correlation.trace_hex(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(correlation.flags(), 1);
    }

    #[test]
    fn malformed_headers_are_refused() {
        let bad = [
            "",
            "00",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
        ];
        for text in bad {
            assert_eq!(text.parse::<Correlation>(), Err(InvalidTraceparent), "{text}");
        }
    }

    #[test]
    fn a_later_version_is_read_by_its_known_fields() {
        let text = EXAMPLE.replacen("00-", "cc-", 1) + "-what-the-future-holds";
        assert_eq!(text.parse::<Correlation>(), EXAMPLE.parse());
    }

    #[test]
    fn a_child_stays_in_its_trace() {
        let entropy = SeededEntropy::new(11);
        let parent = Correlation::new(&entropy);
        let child = parent.child(&entropy);
        assert_eq!(child.trace_id(), parent.trace_id());
        assert_ne!(child.span_id(), parent.span_id());
    }

    #[test]
    fn flags_without_a_meaning_are_not_passed_on() {
        let parent: Correlation = EXAMPLE.replace("-01", "-ff").parse().unwrap();
        assert_eq!(parent.child(&SeededEntropy::new(3)).flags(), 0b11);
    }
}
