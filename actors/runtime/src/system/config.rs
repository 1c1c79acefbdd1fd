//! The limits of a node's kernel.

use serde::{Deserialize, Serialize};

use crate::config::ConfigFault;

/// Most dead letters a node may keep for inspection.
const MAX_DEAD_LETTERS: usize = 1 << 20;

/// The limits of a node's kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SystemConfig {
    /// Dead letters kept for inspection; older ones only count. 0 to 1,048,576; default 1,024.
    pub dead_letters: usize,
}

impl Default for SystemConfig {
    fn default() -> Self {
        Self { dead_letters: 1024 }
    }
}

impl SystemConfig {
    /// Every value that is out of its range.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        if self.dead_letters <= MAX_DEAD_LETTERS {
            return Ok(());
        }
        let reason = format!("{} is not within 0 to {MAX_DEAD_LETTERS}", self.dead_letters);
        Err(vec![ConfigFault::new("dead_letters", reason)])
    }
}
