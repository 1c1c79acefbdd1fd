//! Time that a test owns: tokio's paused time, and a UTC that starts at a fixed epoch.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use synod_runtime::{Clock, VirtualClock};
use tokio::time::Instant;

/// 2026-01-01T00:00:00Z in seconds since 1970.
const EPOCH_S: i64 = 1_767_225_600;

/// The clock of a node under test, in a runtime with paused time
/// (`#[tokio::test(start_paused = true)]`).
///
/// Both clocks start at the same instant in every run; UTC can be made to jump, as it does on
/// machines.
#[derive(Debug, Clone)]
pub struct VirtualTime {
    clock: VirtualClock,
    jumped_ms: Arc<AtomicI64>,
}

impl VirtualTime {
    /// Shows 2026-01-01T00:00:00Z now.
    #[must_use]
    pub fn new() -> Self {
        let epoch = Timestamp::constant(EPOCH_S, 0);
        Self { clock: VirtualClock::starting_at(epoch), jumped_ms: Arc::default() }
    }

    /// Lets `duration` pass: every timer due in it fires in order, and what it causes happens
    /// before the next one. Takes no time of the machine.
    pub async fn pass(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Sets UTC forward or back, as an administrator or a time server does; monotonic time and
    /// timers are not affected.
    pub fn jump_utc(&self, by: SignedDuration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.jumped_ms.fetch_add(by, Ordering::Relaxed);
    }
}

impl Default for VirtualTime {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for VirtualTime {
    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn utc(&self) -> Timestamp {
        let jumped = SignedDuration::from_millis(self.jumped_ms.load(Ordering::Relaxed));
        self.clock.utc().saturating_add(jumped).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn utc_jumps_alone() {
        let time = VirtualTime::new();
        let start = time.now();
        time.pass(Duration::from_secs(3600)).await;
        time.jump_utc(SignedDuration::from_hours(-2));
        assert_eq!(time.utc().to_string(), "2025-12-31T23:00:00Z");
        assert_eq!(time.now() - start, Duration::from_secs(3600));
    }
}
