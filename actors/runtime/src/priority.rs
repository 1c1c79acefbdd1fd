//! The five priorities of a message; the number is the index of its lane.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How urgent a message is: lower is more urgent, and overtakes.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Priority {
    /// Control and safety: stop, cancel, fail over.
    Critical = 0,
    /// Someone waits for it.
    High = 1,
    /// Everyday traffic.
    #[default]
    Normal = 2,
    /// Can wait for everyday traffic.
    Low = 3,
    /// Upkeep: sweeps, statistics, prefetching.
    Background = 4,
}

impl Priority {
    /// Number of priorities, and so of lanes.
    pub const COUNT: usize = 5;

    /// Every priority, the most urgent first.
    pub const ALL: [Self; Self::COUNT] =
        [Self::Critical, Self::High, Self::Normal, Self::Low, Self::Background];

    /// The lane of this priority, `0..5`.
    #[must_use]
    pub const fn lane(self) -> usize {
        self as usize
    }

    /// The name in lower case, as in JSON and configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
            Self::Background => "background",
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text names no priority.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no priority: expected critical, high, normal, low or background")]
pub struct UnknownPriority(String);

impl FromStr for Priority {
    type Err = UnknownPriority;

    /// Reads a name in any case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|priority| priority.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownPriority(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_in_any_case() {
        for (lane, priority) in Priority::ALL.into_iter().enumerate() {
            assert_eq!(priority.lane(), lane);
            assert_eq!(priority.as_str().to_uppercase().parse(), Ok(priority));
        }
        assert!("urgent".parse::<Priority>().is_err());
    }

    #[test]
    fn critical_sorts_first() {
        assert!(Priority::Critical < Priority::Background);
        assert_eq!(Priority::default(), Priority::Normal);
    }
}
