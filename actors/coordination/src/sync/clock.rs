//! The hybrid logical clock (Kulkarni, Demirbas, Madeppa, Avva, Leone, 2014), as a pure machine.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Bits of the counter.
const COUNTER_BITS: u32 = 16;
/// The latest UTC millisecond that has a stamp; the counter never overflows the number after it.
const LATEST_MS: u64 = (1 << (u64::BITS - COUNTER_BITS)) - 2;

/// A time that respects causes: what was seen before comes before, whatever the clocks said.
/// 48 bits of UTC milliseconds and a counter of 16 bits.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Stamp(u64);

impl Stamp {
    /// The first time of this UTC millisecond.
    #[must_use]
    pub fn at(utc_ms: u64) -> Self {
        Self(utc_ms.min(LATEST_MS) << COUNTER_BITS)
    }

    /// Its UTC milliseconds since 1970; ahead of the clock when more than 65,536 things happened
    /// in one millisecond, or another replica's clock was.
    #[must_use]
    pub fn utc_ms(self) -> u64 {
        self.0 >> COUNTER_BITS
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.utc_ms(), self.0 & ((1 << COUNTER_BITS) - 1))
    }
}

/// Another replica's clock is too far ahead to follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a clock is {ahead_ms} ms ahead of this one, more than {limit_ms} ms are not followed")]
pub struct ClockDrift {
    /// How far.
    pub ahead_ms: u64,
    /// How far it may be.
    pub limit_ms: u64,
}

/// The clock of one replica.
#[derive(Clone, Copy, Debug)]
pub struct HybridClock {
    last: Stamp,
    limit_ms: u64,
}

impl HybridClock {
    /// A clock that follows others at most `limit_ms` ahead of its own UTC.
    #[must_use]
    pub fn new(limit_ms: u64) -> Self {
        Self { last: Stamp::default(), limit_ms }
    }

    /// A time for something that happens now: later than all given or seen before.
    pub fn tick(&mut self, utc_ms: u64) -> Stamp {
        self.last = Stamp(self.last.0.saturating_add(1)).max(Stamp::at(utc_ms));
        self.last
    }

    /// Takes note of a time that came from elsewhere.
    ///
    /// # Errors
    /// [`ClockDrift`] when it is too far ahead; this clock has not followed it.
    pub fn observe(&mut self, seen: Stamp, utc_ms: u64) -> Result<(), ClockDrift> {
        let ahead_ms = seen.utc_ms().saturating_sub(utc_ms);
        if ahead_ms > self.limit_ms {
            return Err(ClockDrift { ahead_ms, limit_ms: self.limit_ms });
        }
        self.last = self.last.max(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_clock_does_not_follow_one_that_is_far_ahead() {
        let mut clock = HybridClock::new(500);
        assert_eq!(clock.observe(Stamp::at(1500), 1000), Ok(()));
        let drift = clock.observe(Stamp::at(1501), 1000).unwrap_err();
        assert_eq!((drift.ahead_ms, drift.limit_ms), (501, 500));
        assert_eq!(clock.tick(1000).to_string(), "1500.1");
    }

    #[test]
    fn the_end_of_time_is_no_panic() {
        let mut clock = HybridClock::new(u64::MAX);
        clock.observe(Stamp(u64::MAX), u64::MAX).unwrap();
        assert_eq!(clock.tick(u64::MAX), Stamp(u64::MAX));
    }

    proptest! {
        #[test]
        fn effects_come_after_their_causes_whatever_the_clocks_say(
            steps in prop::collection::vec((0usize..3, 0usize..3, 0u64..1000), 1..200),
        ) {
            let mut clocks = [HybridClock::new(u64::MAX); 3];
            let mut last = [Stamp::default(); 3];
            for (from, to, utc_ms) in steps {
                let sent = clocks[from].tick(utc_ms);
                prop_assert!(sent > last[from]);
                last[from] = sent;
                clocks[to].observe(sent, 1000 - utc_ms).unwrap();
                let received = clocks[to].tick(1000 - utc_ms);
                prop_assert!(received > sent && (to == from || received > last[to]));
                last[to] = received;
            }
        }
    }
}
