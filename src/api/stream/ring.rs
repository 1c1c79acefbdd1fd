//! The last events, numbered. Pure: no clock, no lock, no task.
//!
//! Readers hold a number, not a queue, so a slow reader costs nothing: when the ring has moved past
//! its number, it is told so and must list again.

use std::collections::VecDeque;

/// Events by sequence, contiguous from 1; the oldest are dropped when the ring is full.
#[derive(Debug)]
pub(super) struct Ring<E> {
    kept: VecDeque<E>,
    capacity: usize,
    /// Sequence of the last event ever pushed; 0 before the first.
    last: u64,
}

/// The reader asked for events that are no longer, or not yet, here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missed {
    /// The next event after the reader's number was dropped.
    Dropped,
    /// The number is beyond the last event: it was never given out.
    Future,
}

impl<E: Clone> Ring<E> {
    /// A ring of at most `capacity` events (at least one).
    #[must_use]
    pub(super) fn new(capacity: usize) -> Self {
        Self { kept: VecDeque::new(), capacity: capacity.max(1), last: 0 }
    }

    /// Adds what `make` makes of the event's sequence, and drops the oldest when the ring is full.
    pub(super) fn push(&mut self, make: impl FnOnce(u64) -> E) -> u64 {
        if self.kept.len() == self.capacity {
            self.kept.pop_front();
        }
        self.last += 1;
        self.kept.push_back(make(self.last));
        self.last
    }

    /// Something happened that is not known here: leaves a number out, and lets go of what came
    /// before it, so that every reader is told that it missed something.
    pub(super) fn skip(&mut self) -> u64 {
        self.kept.clear();
        self.last += 1;
        self.last
    }

    /// Sequence of the last event; 0 before the first.
    #[must_use]
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Up to `max` events that follow `after`, oldest first.
    ///
    /// # Errors
    /// [`Missed`] when some of them are gone, or `after` was never reached.
    pub(super) fn after(&self, after: u64, max: usize) -> Result<Vec<E>, Missed> {
        if after > self.last {
            return Err(Missed::Future);
        }
        let oldest = self.last - self.kept.len() as u64;
        let skip = after.checked_sub(oldest).ok_or(Missed::Dropped)?;
        // The difference is at most the ring's length.
        Ok(self.kept.iter().skip(skip as usize).take(max).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(capacity: usize, events: u64) -> Ring<u64> {
        let mut ring = Ring::new(capacity);
        for _ in 0..events {
            ring.push(|sequence| sequence);
        }
        ring
    }

    #[test]
    fn a_reader_at_the_end_gets_nothing_and_one_beyond_it_is_told() {
        let ring = filled(4, 2);
        assert_eq!(ring.after(2, 9), Ok(vec![]));
        assert_eq!(ring.after(3, 9), Err(Missed::Future));
    }

    #[test]
    fn a_reader_that_fell_off_the_ring_is_told() {
        let ring = filled(4, 10);
        assert_eq!(ring.after(5, 9), Err(Missed::Dropped));
        assert_eq!(ring.after(6, 9), Ok(vec![7, 8, 9, 10]));
        assert_eq!(ring.after(6, 2), Ok(vec![7, 8]));
    }

    #[test]
    fn a_gap_is_told_to_who_read_all_before_it_and_to_nobody_after() {
        let mut ring = filled(4, 2);
        assert_eq!(ring.skip(), 3);
        assert_eq!(ring.after(2, 9), Err(Missed::Dropped));
        assert_eq!(ring.after(3, 9), Ok(vec![]));
        ring.push(|sequence| sequence);
        assert_eq!(ring.after(3, 9), Ok(vec![4]));
    }

    proptest! {
        #[test]
        fn reading_on_gives_every_event_once_or_says_what_was_missed(
            capacity in 1usize..20,
            steps in prop::collection::vec((0u64..12, 1usize..8), 1..40),
        ) {
            let mut ring = Ring::new(capacity);
            let mut at = 0;
            for (pushed, read) in steps {
                for _ in 0..pushed {
                    ring.push(|sequence| sequence);
                }
                match ring.after(at, read) {
                    Ok(events) => for event in events {
                        prop_assert_eq!(event, at + 1);
                        at = event;
                    },
                    Err(missed) => {
                        prop_assert_eq!(missed, Missed::Dropped);
                        prop_assert!(ring.last() - at > capacity as u64);
                        at = ring.last();
                    }
                }
            }
        }
    }
}
