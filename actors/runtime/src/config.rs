//! What is wrong with a configuration: every `validate` of the house answers with a list of these.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One key whose value can't be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigFault {
    /// The dotted path of the key within its section: `mailbox.capacity`.
    pub key: String,
    /// What was found and what was expected.
    pub reason: String,
}

impl ConfigFault {
    /// A fault of `key`.
    #[must_use]
    pub fn new(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { key: key.into(), reason: reason.into() }
    }

    /// The same fault seen from the section above: `capacity` becomes `mailbox.capacity`.
    #[must_use]
    pub fn within(self, section: &str) -> Self {
        Self { key: format!("{section}.{}", self.key), reason: self.reason }
    }
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.reason)
    }
}

impl std::error::Error for ConfigFault {}
