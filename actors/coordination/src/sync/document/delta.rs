//! What replicas tell each other of a document: what one has, and what another lacks.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use synod_journal::Codec;

use super::cell::Entry;
use super::limits::{DeltaFault, DocumentLimits};
use crate::sync::dots::{Dot, Dots};

/// Most bytes of an encoded delta.
const DELTA_LIMIT: usize = 8 << 20;

/// What a replica has of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// The writes that it has seen.
    pub(in crate::sync) seen: Dots,
    /// Those of them that are still there.
    pub(in crate::sync) live: Dots,
}

impl Digest {
    /// Whether it may have come from a replica that keeps the limits.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, limits: &DocumentLimits) -> Result<(), DeltaFault> {
        if !self.seen.is_sound() || !self.live.is_sound() {
            return Err(DeltaFault::Malformed("ranges of writes that are out of order"));
        }
        if !self.live.without(&self.seen).is_empty() {
            return Err(DeltaFault::Malformed("writes that are there and were never seen"));
        }
        limits.check_spans(self.seen.span_count())?;
        limits.check_spans(self.live.span_count())
    }
}

/// Some writes, and what they did away with: a part of a document's state. What is in `seen`
/// without being in `entries` was replaced or removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    pub(in crate::sync) seen: Dots,
    /// In the order of dots.
    pub(in crate::sync) entries: Vec<(Dot, Entry)>,
}

impl Delta {
    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// How many entries it brings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Its bytes.
    ///
    /// # Errors
    /// It is larger than any delta may be: 8 MiB.
    pub fn encode(&self) -> Result<Bytes, DeltaFault> {
        Codec::<DELTA_LIMIT>::encode(self).map_err(|_| DeltaFault::TooMuch {
            what: "bytes of a delta",
            found: usize::MAX,
            limit: DELTA_LIMIT,
        })
    }

    /// Reads bytes that may have come from anybody.
    ///
    /// # Errors
    /// Why they are not a delta.
    pub fn decode(bytes: &[u8]) -> Result<Self, DeltaFault> {
        let delta: Self = Codec::<DELTA_LIMIT>::decode(bytes)
            .map_err(|_| DeltaFault::Malformed("bytes that are no delta"))?;
        delta.check()?;
        Ok(delta)
    }

    /// Whether it holds together.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), DeltaFault> {
        if !self.seen.is_sound() {
            return Err(DeltaFault::Malformed("ranges of writes that are out of order"));
        }
        if !self.entries.is_sorted_by(|left, right| left.0 < right.0) {
            return Err(DeltaFault::Malformed("entries that are out of order"));
        }
        if self.entries.iter().any(|(dot, _)| !self.seen.contains(*dot)) {
            return Err(DeltaFault::Malformed("an entry of a write that was never seen"));
        }
        Ok(())
    }

    /// The entry of a write.
    pub(super) fn get(&self, dot: Dot) -> Option<&Entry> {
        let at = self.entries.binary_search_by(|(of, _)| of.cmp(&dot)).ok()?;
        Some(&self.entries[at].1)
    }
}
