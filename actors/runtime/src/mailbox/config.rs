//! The limits of a mailbox and what happens at them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::ConfigFault;
use crate::priority::Priority;

/// Largest capacity: a bound that a 64-bit machine can hold in memory.
const MAX_CAPACITY: usize = 1 << 24;
/// Most messages that one batch may take.
const MAX_BATCH: usize = 1 << 12;
/// Longest wait, time-to-live or batch budget: a day.
const MAX_MS: u64 = 86_400_000;

/// What a full mailbox does with a newcomer.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// The sender gets its message back.
    Reject,
    /// The oldest message of the least urgent lane that is not more urgent than the newcomer
    /// becomes a dead letter; messages sent through a permit never do.
    ShedOldest,
    /// `send` waits its turn, first come first served; `try_send` gets its message back.
    #[default]
    Wait,
}

/// Limits of one mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MailboxConfig {
    /// Messages queued or taken but not yet handled. 1 to 16,777,216; default 1,024.
    pub capacity: usize,
    /// Part of the capacity that each lane has to itself, so that a flood of one lane can't shut
    /// out another. 0 to a fifth of `capacity`; default 64.
    pub reserve: usize,
    /// Slots outside of the capacity for results of work already dispatched, each reserved
    /// before the work begins. 1 to 16,777,216; default 65,536.
    pub max_reserved: usize,
    /// Every so many messages the one that has waited longest is served, whatever its lane; 0
    /// means strictly by priority. 0 to 65,536; default 16.
    pub fairness: u32,
    /// Most messages handled before the actor looks at its other duties, and at most half of
    /// `capacity`. 1 to 4,096; default 64.
    pub batch: usize,
    /// After this many microseconds a batch ends early. 1 to 86,400,000,000; default 1,000.
    pub budget_us: u64,
    /// What a full mailbox does; default `wait`.
    pub overflow: Overflow,
    /// How long `send` waits for room under the policy `wait`. 1 to 86,400,000; default 5,000.
    pub max_wait_ms: u64,
    /// Most senders that wait at once; one more gets its message back. 0 to 16,777,216;
    /// default 1,024.
    pub max_waiting: usize,
    /// Time-to-live of messages that don't name their own; absent by default, which means that
    /// they don't expire. 1 to 86,400,000.
    pub ttl_ms: Option<u64>,
}

impl Default for MailboxConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl MailboxConfig {
    /// The defaults, shared by all inboxes that have no others.
    pub(crate) const DEFAULT: Self = Self {
        capacity: 1024,
        reserve: 64,
        max_reserved: 65_536,
        fairness: 16,
        batch: 64,
        budget_us: 1000,
        overflow: Overflow::Wait,
        max_wait_ms: 5000,
        max_waiting: 1024,
        ttl_ms: None,
    };

    /// The defaults with another capacity, and a reserve in the same proportion to it (1/16).
    #[must_use]
    pub fn bounded(capacity: usize) -> Self {
        Self { capacity, reserve: capacity / 16, ..Self::default() }
    }

    /// The same with another overflow policy.
    #[must_use]
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// How long a batch may take before it ends early.
    #[must_use]
    pub fn budget(&self) -> Duration {
        Duration::from_micros(self.budget_us)
    }

    /// How long `send` waits for room.
    #[must_use]
    pub fn max_wait(&self) -> Duration {
        Duration::from_millis(self.max_wait_ms)
    }

    /// Time-to-live of messages that don't name their own.
    #[must_use]
    pub fn ttl(&self) -> Option<Duration> {
        self.ttl_ms.map(Duration::from_millis)
    }

    /// Every value that is out of its range.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        let mut faults = Vec::new();
        let mut within = |key: &str, value: u64, least: u64, most: u64| {
            if !(least..=most).contains(&value) {
                let reason = format!("{value} is not within {least} to {most}");
                faults.push(ConfigFault::new(key, reason));
            }
        };
        let most = MAX_CAPACITY as u64;
        within("capacity", self.capacity as u64, 1, most);
        let reserve = (self.capacity / Priority::COUNT) as u64;
        within("reserve", self.reserve as u64, 0, reserve);
        within("max_reserved", self.max_reserved as u64, 1, most);
        within("fairness", u64::from(self.fairness), 0, 65_536);
        within("batch", self.batch as u64, 1, MAX_BATCH as u64);
        within("budget_us", self.budget_us, 1, MAX_MS * 1000);
        within("max_wait_ms", self.max_wait_ms, 1, MAX_MS);
        within("max_waiting", self.max_waiting as u64, 0, most);
        within("ttl_ms", self.ttl_ms.unwrap_or(1), 1, MAX_MS);
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// The nearest values that the lanes can work with: a mailbox is built without an error, its
    /// configuration having been validated where it was read.
    pub(crate) fn clamped(mut self) -> Self {
        self.capacity = self.capacity.clamp(1, MAX_CAPACITY);
        self.reserve = self.reserve.min(self.capacity / Priority::COUNT);
        self.max_reserved = self.max_reserved.clamp(1, MAX_CAPACITY);
        self.batch = self.batch.clamp(1, MAX_BATCH).min((self.capacity / 2).max(1));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(MailboxConfig::default().validate(), Ok(()));
        assert_eq!(MailboxConfig::bounded(10).validate(), Ok(()));
        assert_eq!(MailboxConfig::bounded(1024), MailboxConfig::default());
    }

    #[test]
    fn each_fault_names_its_key() {
        let config = MailboxConfig { capacity: 0, batch: 0, ttl_ms: Some(0), ..Default::default() };
        let faults = config.validate().unwrap_err();
        let keys: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
        assert_eq!(keys, ["capacity", "reserve", "batch", "ttl_ms"]);
    }
}
