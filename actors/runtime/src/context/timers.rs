//! The timers of one incarnation: a queue inside of the actor, so they die with it, cancelled
//! ones cost nothing, and no task exists for any but the earliest (the cell's alarm).

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::after;

/// Shortest period of a repeated timer; a shorter one is a loop, not a timer.
const SHORTEST_PERIOD: Duration = Duration::from_millis(1);

/// A timer of this incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimerKey(u64);

enum Timer<M> {
    Once(M),
    Every { period: Duration, make: Box<dyn FnMut() -> M + Send> },
}

/// Allocates nothing until the first timer is set.
pub(crate) struct Timers<M>(Option<Box<Queue<M>>>);

struct Queue<M> {
    due: BTreeMap<(Instant, u64), Timer<M>>,
    at: HashMap<u64, Instant>,
    next: u64,
}

impl<M> Default for Timers<M> {
    fn default() -> Self {
        Self(None)
    }
}

impl<M> Timers<M> {
    pub(super) fn once(&mut self, at: Instant, message: M) -> TimerKey {
        self.add(at, Timer::Once(message))
    }

    pub(super) fn every(
        &mut self,
        now: Instant,
        period: Duration,
        make: Box<dyn FnMut() -> M + Send>,
    ) -> TimerKey {
        let period = period.max(SHORTEST_PERIOD);
        self.add(after(now, period), Timer::Every { period, make })
    }

    pub(super) fn cancel(&mut self, TimerKey(key): TimerKey) -> bool {
        let Some(queue) = &mut self.0 else { return false };
        let Some(at) = queue.at.remove(&key) else { return false };
        queue.due.remove(&(at, key)).is_some()
    }

    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.as_ref()?.due.first_key_value().map(|((at, _), _)| *at)
    }

    /// The message of a timer that is due, the earliest first.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<M> {
        let queue = self.0.as_mut()?;
        let entry = queue.due.first_entry().filter(|entry| entry.key().0 <= now)?;
        let ((at, key), timer) = entry.remove_entry();
        match timer {
            Timer::Once(message) => {
                queue.at.remove(&key);
                Some(message)
            }
            Timer::Every { period, mut make } => {
                let message = make();
                let on_time = after(at, period);
                let again = if on_time > now { on_time } else { after(now, period) };
                queue.at.insert(key, again);
                queue.due.insert((again, key), Timer::Every { period, make });
                Some(message)
            }
        }
    }

    fn add(&mut self, at: Instant, timer: Timer<M>) -> TimerKey {
        let queue = self.0.get_or_insert_with(|| {
            Box::new(Queue { due: BTreeMap::new(), at: HashMap::new(), next: 0 })
        });
        let key = queue.next;
        queue.next += 1;
        queue.at.insert(key, at);
        queue.due.insert((at, key), timer);
        TimerKey(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_in_order_and_cancelled_ones_never() {
        let (mut timers, now) = (Timers::default(), Instant::now());
        let second = Duration::from_secs(1);
        timers.once(now + 2 * second, "late");
        timers.once(now + second, "early");
        let never = timers.once(now + second, "never");
        assert!(timers.cancel(never) && !timers.cancel(never));
        assert_eq!(timers.pop(now), None);
        assert_eq!(timers.pop(now + 2 * second), Some("early"));
        assert_eq!(timers.pop(now + 2 * second), Some("late"));
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn a_repeated_timer_skips_the_periods_it_missed() {
        let (mut timers, now) = (Timers::default(), Instant::now());
        let second = Duration::from_secs(1);
        timers.every(now, second, Box::new(|| ()));
        assert_eq!(timers.pop(now + second), Some(()));
        assert_eq!(timers.next(), Some(now + 2 * second), "on the beat");
        assert_eq!(timers.pop(now + 10 * second), Some(()));
        assert_eq!(timers.pop(now + 10 * second), None);
        assert_eq!(timers.next(), Some(now + 11 * second));
    }
}
