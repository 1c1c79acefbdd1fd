//! The clock seam: the only place where the kernel, and every family above it, reads the time.

use std::ops::Add;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// Where time comes from: monotonic inside the process, UTC for what is recorded.
///
/// [`Clock::now`] is tokio's instant, so a test that pauses tokio's time owns every deadline,
/// timer and back-off of the node.
pub trait Clock: Send + Sync + 'static {
    /// Monotonic time; only differences mean anything, and only inside this process.
    fn now(&self) -> Instant;

    /// Wall-clock time in UTC, for records and reports; it may jump.
    fn utc(&self) -> jiff::Timestamp;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Instant {
        (**self).now()
    }

    fn utc(&self) -> jiff::Timestamp {
        (**self).utc()
    }
}

/// Later than any wait that is meant to end: 30 years.
const FAR: Duration = Duration::from_secs(30 * 365 * 86_400);

/// The instant `wait` after `now`, on tokio's clock or the standard library's. A wait that no clock
/// can hold, such as `Duration::MAX`, is cut to 30 years instead of a panic.
#[must_use]
pub fn after<I: Add<Duration, Output = I>>(now: I, wait: Duration) -> I {
    now + wait.min(FAR)
}

/// The machine's clock: tokio's monotonic instant and the operating system's UTC.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn utc(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

/// A clock for tests: UTC is a fixed epoch plus what tokio's (paused) time has moved since.
///
/// The same test therefore records the same times in every run.
#[derive(Debug, Clone, Copy)]
pub struct VirtualClock {
    epoch: jiff::Timestamp,
    since: Instant,
}

impl VirtualClock {
    /// A clock that shows `epoch` now and moves with tokio's time from here on.
    #[must_use]
    pub fn starting_at(epoch: jiff::Timestamp) -> Self {
        Self { epoch, since: Instant::now() }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn utc(&self) -> jiff::Timestamp {
        self.epoch.checked_add(self.since.elapsed()).unwrap_or(jiff::Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn virtual_utc_moves_with_paused_time_only() {
        let epoch: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let clock = VirtualClock::starting_at(epoch);
        assert_eq!(clock.utc(), epoch);
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(clock.utc().to_string(), "2026-01-01T00:01:30Z");
    }

    #[test]
    fn a_wait_without_end_is_a_long_wait() {
        let now = Instant::now();
        assert_eq!(after(now, Duration::MAX) - now, FAR);
        assert_eq!(after(now, Duration::from_secs(1)) - now, Duration::from_secs(1));
        let now = std::time::Instant::now();
        assert_eq!(after(now, Duration::MAX) - now, FAR);
    }
}
