//! How a durable subscription is kept and given.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::messaging::topics::error::TopicError;

/// What becomes of a message when a subscription has as many to read as it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// It is refused: nobody is told, and the publisher knows why.
    #[default]
    Refuse,
    /// The oldest one becomes a dead letter and makes room.
    DeadLetter,
}

/// How a durable subscription is kept and given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Terms {
    /// Messages it may have to read; 1 to 1,000,000, default 10,000.
    pub max_backlog: u64,
    /// What becomes of more.
    pub overflow: Overflow,
    /// Time to acknowledge what was given, in milliseconds; 10 to 3,600,000, default 30,000.
    pub acknowledge_within_ms: u64,
    /// Wait before what was not acknowledged is given again, in milliseconds; 0 to 600,000,
    /// default 1,000. It doubles each time.
    pub retry_ms: u64,
    /// Longest such wait, in milliseconds; up to 3,600,000, default 60,000.
    pub retry_max_ms: u64,
    /// How often a message is given before it becomes a dead letter; 1 to 1,000, default 5.
    pub max_attempts: u32,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            max_backlog: 10_000,
            overflow: Overflow::default(),
            acknowledge_within_ms: 30_000,
            retry_ms: 1_000,
            retry_max_ms: 60_000,
            max_attempts: 5,
        }
    }
}

impl Terms {
    pub(super) fn check(&self) -> Result<(), TopicError> {
        let ranges = [
            ("terms.max_backlog", self.max_backlog, 1, 1_000_000),
            ("terms.acknowledge_within_ms", self.acknowledge_within_ms, 10, 3_600_000),
            ("terms.retry_ms", self.retry_ms, 0, 600_000),
            ("terms.retry_max_ms", self.retry_max_ms, 0, 3_600_000),
            ("terms.max_attempts", self.max_attempts.into(), 1, 1_000),
        ];
        for (field, value, low, high) in ranges {
            if !(low..=high).contains(&value) {
                return Err(TopicError::invalid(
                    field,
                    format!("{value} is not in {low} to {high}"),
                ));
            }
        }
        Ok(())
    }

    /// Time to acknowledge what was given.
    #[must_use]
    pub const fn acknowledge_within(&self) -> Duration {
        Duration::from_millis(self.acknowledge_within_ms)
    }

    /// The wait after so many failures in a row, from 1.
    pub(super) fn wait(&self, failures: u32) -> Duration {
        let doubled = self.retry_ms.saturating_mul(1 << failures.saturating_sub(1).min(32));
        Duration::from_millis(doubled.min(self.retry_max_ms))
    }
}
