//! The time as the machines of a desk read it: UTC that never goes back.

use std::time::Duration;

use tokio::time::Instant;

use crate::protocol::Moment;

/// How far UTC may fall behind before it counts as set back: within this, time stands still until
/// UTC has caught up; beyond, it goes on at its own pace.
const SLACK: Duration = Duration::from_secs(1);

/// Gives out times, each not before the last. Deadlines of conversations therefore come, whatever
/// somebody does to the clock; they come early when it is set forward.
#[derive(Debug, Default)]
pub(super) struct Timekeeper {
    last: Moment,
    seen: Option<Instant>,
}

impl Timekeeper {
    /// Nothing is before this any more.
    pub(super) fn not_before(&mut self, moment: Moment) {
        self.last = self.last.max(moment);
    }

    /// The time by these two clocks.
    pub(super) fn read(&mut self, utc: Moment, mono: Instant) -> Moment {
        let passed = self.seen.map_or(Duration::ZERO, |seen| mono.saturating_duration_since(seen));
        self.seen = Some(mono);
        if utc >= self.last {
            self.last = utc;
        } else if utc.until(self.last) > SLACK {
            self.last = self.last.after(passed);
        }
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn time_goes_on_when_utc_is_set_back_and_never_goes_back_itself() {
        let start = Instant::now();
        let mut time = Timekeeper::default();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        assert_eq!(time.read(Moment(100 * SECOND), at(0)), Moment(100 * SECOND));
        assert_eq!(time.read(Moment(101 * SECOND), at(1)), Moment(101 * SECOND));
        assert_eq!(time.read(Moment(11 * SECOND), at(2)), Moment(102 * SECOND));
        assert_eq!(time.read(Moment(12 * SECOND), at(3)), Moment(103 * SECOND));
        assert_eq!(time.read(Moment(500 * SECOND), at(4)), Moment(500 * SECOND));
    }

    #[test]
    fn a_clock_that_is_a_little_behind_is_waited_for() {
        let start = Instant::now();
        let mut time = Timekeeper::default();
        time.not_before(Moment(10 * SECOND));
        let after = |millis: u64| start + Duration::from_millis(millis);
        assert_eq!(time.read(Moment(10 * SECOND - 500_000), after(0)), Moment(10 * SECOND));
        assert_eq!(time.read(Moment(10 * SECOND - 100_000), after(400)), Moment(10 * SECOND));
        assert_eq!(time.read(Moment(10 * SECOND + 1), after(501)), Moment(10 * SECOND + 1));
    }
}
