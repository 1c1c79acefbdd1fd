//! The deadlines of requests whose asker doesn't wait: one ordered queue and one task per node.
//!
//! A reply takes its deadline out again, so the queue holds open requests only. The task sleeps
//! until the earliest deadline that it has seen; it ends when it wakes to an empty queue, and the
//! next request starts it again.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Most deadlines that are taken out of the queue under one lock.
const SWEEP: usize = 256;

/// Something that is told when its deadline has passed.
pub(crate) trait Expire: Send + Sync {
    /// The deadline has passed. Must not block.
    fn expire(&self);
}

/// Names one scheduled deadline.
pub(crate) type DeadlineKey = (Instant, u64);

/// The queue of open deadlines.
#[derive(Default)]
pub(crate) struct Deadlines {
    queue: Mutex<Queue>,
    earlier: Notify,
}

#[derive(Default)]
struct Queue {
    open: BTreeMap<DeadlineKey, Arc<dyn Expire>>,
    scheduled: u64,
    /// When the task wakes next; none while no task runs.
    wakes: Option<Instant>,
}

impl Deadlines {
    /// Tells `waiter` at `at`, unless cancelled before. Needs a tokio runtime around it.
    pub(crate) fn schedule(self: &Arc<Self>, at: Instant, waiter: Arc<dyn Expire>) -> DeadlineKey {
        let mut queue = self.queue.lock();
        let key = (at, queue.scheduled);
        queue.scheduled += 1;
        queue.open.insert(key, waiter);
        match queue.wakes {
            Some(wakes) if wakes <= at => {}
            Some(_) => {
                queue.wakes = Some(at);
                drop(queue);
                self.earlier.notify_one();
            }
            None => {
                queue.wakes = Some(at);
                drop(queue);
                tokio::spawn(Sweeper { deadlines: Arc::clone(self), ended: false }.run());
            }
        }
        key
    }

    /// Takes the deadline out; true when it had not passed.
    pub(crate) fn cancel(&self, key: DeadlineKey) -> bool {
        // The waiter is dropped after the lock: its drop runs code of its owner.
        let waiter = self.queue.lock().open.remove(&key);
        waiter.is_some()
    }

    /// What is due, and when to wake next: none when nothing is left to wait for.
    fn due(&self, now: Instant) -> (Vec<Arc<dyn Expire>>, Option<Instant>) {
        let mut queue = self.queue.lock();
        let mut due = Vec::new();
        while due.len() < SWEEP {
            match queue.open.first_entry() {
                Some(entry) if entry.key().0 <= now => due.push(entry.remove()),
                _ => break,
            }
        }
        // Set under this lock, so that a request either sees a task that will wake for it or
        // starts one.
        queue.wakes = queue.open.first_key_value().map(|(key, _)| key.0);
        (due, queue.wakes)
    }

    /// How many deadlines are open.
    #[cfg(test)]
    pub(crate) fn open(&self) -> usize {
        self.queue.lock().open.len()
    }
}

/// The task of the queue.
struct Sweeper {
    deadlines: Arc<Deadlines>,
    /// It found the queue empty, said so, and is on its way out.
    ended: bool,
}

impl Sweeper {
    async fn run(mut self) {
        loop {
            let now = Instant::now();
            let (due, next) = self.deadlines.due(now);
            self.ended = next.is_none();
            for waiter in due {
                waiter.expire();
            }
            match next {
                Some(at) if at <= now => {}
                Some(at) => tokio::select! {
                    () = tokio::time::sleep_until(at) => {}
                    () = self.deadlines.earlier.notified() => {}
                },
                None => return,
            }
        }
    }
}

impl Drop for Sweeper {
    /// A task that was dropped before its end, with its runtime, lets another one start.
    fn drop(&mut self) {
        if !self.ended {
            self.deadlines.queue.lock().wakes = None;
        }
    }
}
