//! Who an agent is: its identifier, and the key under which one version of it is registered.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use semver::Version;
use serde::{Deserialize, Serialize};

/// Longest identifier in bytes.
const MAX_ID_BYTES: usize = 64;

/// The name of an agent: `[a-z0-9][a-z0-9._-]{0,63}`, cheap to clone.
///
/// It names the role, not a version of it: several versions may carry the same id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AgentId(Arc<str>);

/// The text is not an [`AgentId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an agent id: 1 to 64 of a-z, 0-9, '.', '_' and '-', a letter or digit first")]
pub struct InvalidAgentId(pub String);

impl AgentId {
    /// Checks and takes `text`.
    ///
    /// # Errors
    /// [`InvalidAgentId`] when the text has other characters, is empty or is too long.
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidAgentId> {
        let text = text.as_ref();
        if is_identifier(text, MAX_ID_BYTES) {
            Ok(Self(Arc::from(text)))
        } else {
            Err(InvalidAgentId(text.to_owned()))
        }
    }

    /// Takes `text` as it is; the card that carries it reports the fault when it is validated.
    pub(crate) fn unchecked(text: &str) -> Self {
        Self(Arc::from(text))
    }

    /// The identifier as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether `text` is 1 to `max` bytes of `a-z 0-9 . _ -`, beginning with a letter or digit.
pub(crate) fn is_identifier(text: &str, max: usize) -> bool {
    let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.len() <= max
        && bytes.first().is_some_and(|first| lower(*first))
        && bytes.iter().all(|byte| lower(*byte) || matches!(byte, b'.' | b'_' | b'-'))
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AgentId {
    type Err = InvalidAgentId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl TryFrom<String> for AgentId {
    type Error = InvalidAgentId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl From<AgentId> for String {
    fn from(id: AgentId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl Borrow<str> for AgentId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// What the registry keeps apart: one version of one agent. Ordered by id, then version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AgentKey {
    /// Which agent.
    pub id: AgentId,
    /// Which version of it.
    pub version: Version,
}

impl fmt::Display for AgentKey {
    /// `word-count@1.0.0`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.id, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_lower_case_short_and_begins_with_a_letter_or_digit() {
        for good in ["a", "word-count", "2nd_reader.v1", &"x".repeat(64)] {
            assert_eq!(AgentId::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "-a", "Word", "a b", "a/b", "ä", &"x".repeat(65)] {
            assert_eq!(AgentId::new(bad), Err(InvalidAgentId(bad.to_owned())));
        }
    }

    #[test]
    fn a_bad_id_is_refused_while_decoding() {
        let error = serde_json::from_str::<AgentId>("\"No Way\"").unwrap_err();
        assert!(error.to_string().contains("not an agent id"), "{error}");
    }
}
