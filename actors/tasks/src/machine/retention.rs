//! Ended tasks are kept for a time and up to a number, then forgotten; the counters are not.

use super::{Effects, EngineEvent, TaskMachine};
use crate::task::{Moment, Task, TaskId};

/// Ended tasks above the number that is kept before they are swept, as a share of that number.
const SLACK: u64 = 16;

/// Shortest time between sweeps by time, microseconds.
const SWEEP_US: u64 = 10_000_000;

const SECOND_US: i64 = 1_000_000;

impl TaskMachine {
    /// Forgets ended tasks that are too many or too old, and the keys that outlived them.
    pub(super) fn sweep(&mut self, now: Moment, out: &mut Effects) {
        let kept = self.book.ended.len() as u64;
        let most = self.config.keep_ended;
        let surplus_bytes = self.book.ended_bytes.saturating_sub(self.config.keep_ended_bytes);
        let too_many =
            kept > most + most / SLACK + 1 || surplus_bytes > self.config.keep_ended_bytes / SLACK;
        let due = self.next_sweep(now).is_some_and(|due| due <= now.mono);
        if !too_many && !due {
            return;
        }
        self.swept = now.mono;
        let oldest_kept = now.utc - seconds(self.config.keep_ended_s);
        let surplus = usize::try_from(kept.saturating_sub(most)).unwrap_or(usize::MAX);
        let mut freed = 0;
        let mut through = None;
        for (at, end) in self.book.ended.iter().enumerate() {
            if at >= surplus && freed >= surplus_bytes && end.0 >= oldest_kept {
                break;
            }
            freed += self.book.task(end.1).map_or(0, Task::held_bytes);
            through = Some(*end);
        }
        let keys_before = now.utc - seconds(self.config.keep_keys_s);
        let through = through.unwrap_or((i64::MIN, TaskId::nil()));
        let event = EngineEvent::Forgot { through, keys_before };
        self.book.apply_engine(&event);
        out.engine.push(event);
    }

    /// When something will be too old, on the monotonic clock, and not before a sweep is due.
    pub(super) fn next_sweep(&self, now: Moment) -> Option<u64> {
        let task = self.book.ended.first().map(|(at, _)| at + seconds(self.config.keep_ended_s));
        let key = self.book.keys.oldest().map(|at| at + seconds(self.config.keep_keys_s));
        let old = task.into_iter().chain(key).min()?;
        Some(now.due(old + 1).max(self.swept + SWEEP_US))
    }
}

fn seconds(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX / SECOND_US).saturating_mul(SECOND_US)
}
