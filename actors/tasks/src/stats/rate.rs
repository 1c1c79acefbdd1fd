//! How many of something happened in each of the last fifteen minutes' slots.

/// Width of a slot, microseconds.
const SLOT_US: u64 = 5_000_000;

/// Slots of the longest window, 15 minutes.
const SLOTS: usize = 180;

/// Counts over a sliding window of fifteen minutes, in slots of five seconds.
#[derive(Debug, Clone)]
pub struct Rate {
    slots: [u64; SLOTS],
    /// The number of the slot that is being filled, from the engine's beginning.
    current: u64,
}

impl Default for Rate {
    fn default() -> Self {
        Self { slots: [0; SLOTS], current: 0 }
    }
}

impl Rate {
    /// Counts one at `now`, microseconds since the engine began.
    pub fn count(&mut self, now: u64) {
        self.turn(now);
        self.slots[self.current as usize % SLOTS] += 1;
    }

    /// Per second over the last `minutes` (at most 15), or over the time since the beginning
    /// while that is shorter.
    pub fn per_second(&mut self, now: u64, minutes: u64) -> f64 {
        self.turn(now);
        let window = (minutes * 60_000_000 / SLOT_US).min(SLOTS as u64);
        let oldest = (self.current + 1).saturating_sub(window);
        let counted: u64 =
            (oldest..=self.current).map(|slot| self.slots[slot as usize % SLOTS]).sum();
        let begun = now % SLOT_US;
        let span = (self.current - oldest) * SLOT_US + begun.max(1);
        counted as f64 * 1e6 / span.max(1_000_000) as f64
    }

    /// Empties the slots that time has passed over.
    fn turn(&mut self, now: u64) {
        let slot = now / SLOT_US;
        if slot <= self.current {
            return;
        }
        let passed = (slot - self.current).min(SLOTS as u64);
        for back in 0..passed {
            self.slots[(slot - back) as usize % SLOTS] = 0;
        }
        self.current = slot;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn a_steady_rate_is_seen_in_every_window() {
        let mut rate = Rate::default();
        for second in 0..1_200 {
            for _ in 0..10 {
                rate.count(second * SECOND + SECOND / 2);
            }
        }
        for minutes in [1, 5, 15] {
            let seen = rate.per_second(1_200 * SECOND, minutes);
            assert!((9.0..=11.0).contains(&seen), "{minutes} min: {seen}");
        }
    }

    #[test]
    fn what_is_past_the_window_is_forgotten() {
        let mut rate = Rate::default();
        for _ in 0..600 {
            rate.count(SECOND);
        }
        assert!(rate.per_second(30 * SECOND, 1) > 19.0);
        assert_eq!(rate.per_second(120 * SECOND, 1), 0.0);
        assert!(rate.per_second(120 * SECOND, 5) > 4.9);
        assert_eq!(rate.per_second(3_600 * SECOND, 15), 0.0);
    }
}
