//! How large documents may become, and what is said of what is larger.

use super::cell::CellKind;

/// How many times over its limits a document may become by what others wrote at the same time:
/// each replica keeps the limits with what it knows, and what was taken once must not be refused
/// elsewhere.
const SLACK: usize = 4;

/// How large a document may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DocumentLimits {
    /// Most entries: one for each register, each member of a set, each counter and replica.
    pub entries: usize,
    /// Longest key in bytes.
    pub key_bytes: usize,
    /// Longest value in bytes.
    pub value_bytes: usize,
    /// Most bytes of keys, values and what comes with them.
    pub bytes: usize,
    /// Most ranges that it takes to say which writes were seen.
    pub spans: usize,
}

impl Default for DocumentLimits {
    fn default() -> Self {
        Self {
            entries: 65_536,
            key_bytes: 256,
            value_bytes: 64 << 10,
            bytes: 4 << 20,
            spans: 65_536,
        }
    }
}

impl DocumentLimits {
    /// None: what this node has taken before is taken again, whatever the limits are now.
    pub(in crate::sync) const NONE: Self = Self {
        entries: usize::MAX,
        key_bytes: usize::MAX,
        value_bytes: usize::MAX,
        bytes: usize::MAX,
        spans: usize::MAX,
    };

    pub(super) fn check_spans(&self, found: usize) -> Result<(), DeltaFault> {
        let limit = self.spans.saturating_mul(SLACK);
        within("ranges of writes", found, limit)
    }

    /// What a merge may come to.
    pub(super) fn check_merged(&self, entries: usize, bytes: usize) -> Result<(), DeltaFault> {
        within("entries", entries, self.entries.saturating_mul(SLACK))?;
        within("bytes", bytes, self.bytes.saturating_mul(SLACK))
    }

    /// What a write of this replica may come to.
    pub(super) fn check_written(&self, entries: usize, bytes: usize) -> Result<(), EditRefusal> {
        let full = |what, limit| EditRefusal::Full { what, limit };
        if entries > self.entries {
            return Err(full("entries", self.entries));
        }
        if bytes > self.bytes {
            return Err(full("bytes", self.bytes));
        }
        Ok(())
    }
}

fn within(what: &'static str, found: usize, limit: usize) -> Result<(), DeltaFault> {
    if found > limit { Err(DeltaFault::TooMuch { what, found, limit }) } else { Ok(()) }
}

/// Why something that came from elsewhere was not taken over. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeltaFault {
    /// It is not one that a replica makes.
    #[error("not a delta: {0}")]
    Malformed(&'static str),
    /// It tells of writes of this replica that this replica never made.
    #[error("a delta tells of writes of this replica that it never made")]
    Forged,
    /// With it the document would be larger than any may be.
    #[error("{found} {what}, at most {limit}")]
    TooMuch {
        /// What there would be too much of.
        what: &'static str,
        /// How much there would be.
        found: usize,
        /// How much there may be.
        limit: usize,
    },
}

/// Why an edit was refused. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, thiserror::Error)]
pub enum EditRefusal {
    /// No edit at all, or more than one write may hold.
    #[error("edits: {found} of them, expected 1 to {limit}")]
    Count {
        /// How many.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The key is empty or too long.
    #[error("edits[{edit}].key: {found} bytes, expected 1 to {limit}")]
    Key {
        /// Which edit, from 0.
        edit: usize,
        /// How long it is.
        found: usize,
        /// How long it may be.
        limit: usize,
    },
    /// The value is too long.
    #[error("edits[{edit}]: a value of {found} bytes, at most {limit}")]
    Value {
        /// Which edit, from 0.
        edit: usize,
        /// How long it is.
        found: usize,
        /// How long it may be.
        limit: usize,
    },
    /// Under the key is something of another type.
    #[error("edits[{edit}].key: '{key}' is of type {}; remove it first", .kind.as_str())]
    Kind {
        /// Which edit, from 0.
        edit: usize,
        /// Which key.
        key: String,
        /// What is there.
        kind: CellKind,
    },
    /// The counter would be beyond 64 bits.
    #[error("edits[{edit}].by: the counter '{key}' would leave the range of its numbers")]
    Overflow {
        /// Which edit, from 0.
        edit: usize,
        /// Which key.
        key: String,
    },
    /// The document is as large as it may be.
    #[error("the document has its most {what}: {limit}")]
    Full {
        /// What of.
        what: &'static str,
        /// How much there may be.
        limit: usize,
    },
}
