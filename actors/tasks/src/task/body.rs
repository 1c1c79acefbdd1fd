//! Content that a task carries: kept in the record, or, when large, in a blob that it names.

use synod_agents::Payload;

/// An input or an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    /// In the record itself.
    Inline(Payload),
    /// In the journal's blob store.
    Blob(BlobRef),
}

/// Content in the blob store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BlobRef {
    /// Its media type.
    pub content_type: String,
    /// SHA-256 of its bytes.
    pub hash: [u8; 32],
    /// How many bytes it has.
    pub length: u64,
}

impl Default for Body {
    /// Nothing.
    fn default() -> Self {
        Self::Inline(Payload::empty())
    }
}

impl Body {
    /// How many bytes of memory it holds.
    pub(crate) fn held_bytes(&self) -> u64 {
        match self {
            Self::Inline(payload) => payload.bytes.len() as u64,
            Self::Blob(_) => 0,
        }
    }

    /// The blob it is in, if it is in one.
    pub(crate) fn blob(&self) -> Option<&BlobRef> {
        match self {
            Self::Inline(_) => None,
            Self::Blob(blob) => Some(blob),
        }
    }
}
