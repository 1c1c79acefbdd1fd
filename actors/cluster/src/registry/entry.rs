//! What the registry holds, as its users see it and as it travels.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::hlc::Hlc;
use crate::node::{Incarnation, NodeId};

/// Bytes of the longest key.
const KEY_LIMIT: usize = 256;

/// The name of an entry: 1 to 256 bytes without control characters, by convention in parts:
/// `agent/word-count/1.0.0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RegistryKey(Arc<str>);

/// The text is no key of the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a key of the registry: expected 1 to 256 bytes without control characters")]
pub struct InvalidKey;

impl RegistryKey {
    /// The key, if it is one.
    ///
    /// # Errors
    /// [`InvalidKey`] when it isn't 1 to 256 bytes without control characters.
    pub fn parse(key: &str) -> Result<Self, InvalidKey> {
        let fits = (1..=KEY_LIMIT).contains(&key.len()) && !key.chars().any(char::is_control);
        if fits { Ok(Self(key.into())) } else { Err(InvalidKey) }
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for RegistryKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RegistryKey {
    type Error = InvalidKey;

    fn try_from(key: String) -> Result<Self, InvalidKey> {
        Self::parse(&key)
    }
}

impl From<RegistryKey> for String {
    fn from(key: RegistryKey) -> Self {
        key.as_str().to_owned()
    }
}

impl fmt::Display for RegistryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// An entry: what `node` says of itself under `key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryEntry {
    /// Who wrote it; nobody else can.
    pub node: NodeId,
    /// Its name, unique in that node's entries.
    pub key: RegistryKey,
    /// What it says, in the writer's encoding.
    pub value: Bytes,
    /// When it was written. Where two nodes claim one thing, the later claim holds; on a tie the
    /// greater node id.
    pub stamp: Hlc,
}

/// A change of the registry, in the order in which this node learned of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistryChange {
    /// All there is: the first that a listener hears, and again after it had no room.
    Snapshot(Arc<[RegistryEntry]>),
    /// An entry is new or has changed.
    Put(RegistryEntry),
    /// An entry was removed by its node.
    Removed {
        /// Whose it was.
        node: NodeId,
        /// Its name.
        key: RegistryKey,
    },
    /// All entries of a node are gone: it was forgotten, has restarted, or is told anew.
    Forgotten {
        /// Whose they were.
        node: NodeId,
    },
}

/// What a node has of one node's entries, in short. Versions count the writer's changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OriginDigest {
    pub(super) origin: NodeId,
    pub(super) incarnation: Incarnation,
    /// All changes up to here have been seen.
    pub(super) version: u64,
    /// Removals up to here have been forgotten.
    pub(super) collected: u64,
}

/// Changes of one node's entries: all that still matter of those after `from` up to `upto`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OriginDelta {
    pub(super) origin: NodeId,
    pub(super) incarnation: Incarnation,
    pub(super) from: u64,
    pub(super) upto: u64,
    pub(super) collected: u64,
    /// By version, the oldest first.
    pub(super) changes: Vec<Change>,
}

/// The last change of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    pub(super) key: RegistryKey,
    pub(super) version: u64,
    pub(super) stamp: Hlc,
    /// None when the entry was removed.
    pub(super) value: Option<Bytes>,
}

impl Change {
    /// What it counts against limits: its bytes and a flat rate for what surrounds them.
    pub(super) fn weight(&self) -> usize {
        weigh(&self.key, self.value.as_ref())
    }
}

pub(super) fn weigh(key: &RegistryKey, value: Option<&Bytes>) -> usize {
    const FLAT: usize = 24;
    FLAT + key.as_str().len() + value.map_or(0, Bytes::len)
}
