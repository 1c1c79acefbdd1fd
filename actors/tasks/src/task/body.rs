//! Content that a task carries: kept in the record, or, when large, in a blob that it names.

use std::sync::Arc;

use bytes::Bytes;
use synod_agents::{JSON, Payload, TEXT};

/// An input or an output. A clone copies no content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    /// In the record itself.
    Inline {
        /// What it is.
        content_type: ContentType,
        /// The content.
        bytes: Bytes,
    },
    /// In the journal's blob store.
    Blob(BlobRef),
}

/// Content in the blob store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BlobRef {
    /// What it is.
    pub content_type: ContentType,
    /// SHA-256 of its bytes.
    pub hash: [u8; 32],
    /// How many bytes it has.
    pub length: u64,
}

/// A media type; the usual ones take no memory of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ContentType {
    None,
    Json,
    Text,
    Other(Arc<str>),
}

impl ContentType {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::None => "",
            Self::Json => JSON,
            Self::Text => TEXT,
            Self::Other(name) => name,
        }
    }
}

impl From<&str> for ContentType {
    fn from(name: &str) -> Self {
        match name {
            "" => Self::None,
            JSON => Self::Json,
            TEXT => Self::Text,
            other => Self::Other(Arc::from(other)),
        }
    }
}

impl From<ContentType> for String {
    fn from(known: ContentType) -> Self {
        known.as_str().to_owned()
    }
}

impl Default for Body {
    /// Nothing.
    fn default() -> Self {
        Self::Inline { content_type: ContentType::None, bytes: Bytes::new() }
    }
}

impl From<Payload> for Body {
    fn from(payload: Payload) -> Self {
        let Payload { content_type, bytes } = payload;
        Self::Inline { content_type: content_type.as_str().into(), bytes }
    }
}

impl Body {
    /// How many bytes it has, wherever they are.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Inline { bytes, .. } => bytes.len() as u64,
            Self::Blob(blob) => blob.length,
        }
    }

    /// How many bytes of memory it holds.
    pub(crate) fn held_bytes(&self) -> u64 {
        match self {
            Self::Inline { bytes, .. } => bytes.len() as u64,
            Self::Blob(_) => 0,
        }
    }

    /// The content, where it is at hand.
    pub(crate) fn payload(&self) -> Option<Payload> {
        match self {
            Self::Inline { content_type, bytes } => Some(Payload {
                content_type: content_type.as_str().to_owned(),
                bytes: bytes.clone(),
            }),
            Self::Blob(_) => None,
        }
    }

    /// The blob it is in, if it is in one.
    pub(crate) fn blob(&self) -> Option<&BlobRef> {
        match self {
            Self::Inline { .. } => None,
            Self::Blob(blob) => Some(blob),
        }
    }
}
