//! Who waits for the end of a task.

use synod_runtime::Reply;

use crate::messages::TaskStatusResponse;
use crate::task::{IdMap, TaskId};

/// Waiters before the first search for those that have given up.
const FIRST_PRUNE: usize = 1_024;

type Waiter = Reply<Option<TaskStatusResponse>>;

/// Replies that are owed when a task ends.
pub(super) struct Waiters {
    by_task: IdMap<Vec<Waiter>>,
    count: usize,
    /// How many there may be before those that have given up are looked for.
    prune_at: usize,
}

impl Default for Waiters {
    fn default() -> Self {
        Self { by_task: IdMap::default(), count: 0, prune_at: FIRST_PRUNE }
    }
}

impl Waiters {
    /// Adds one. With `most` there already it is dropped, which its asker learns at once.
    pub(super) fn add(&mut self, task: TaskId, waiter: Waiter, most: usize) {
        if self.count >= self.prune_at.min(most) {
            self.prune();
        }
        if self.count < most {
            self.count += 1;
            self.by_task.entry(task).or_default().push(waiter);
        }
    }

    /// Those that wait for this task.
    pub(super) fn take(&mut self, task: TaskId) -> Vec<Waiter> {
        if self.count == 0 {
            return Vec::new();
        }
        let waiters = self.by_task.remove(&task).unwrap_or_default();
        self.count -= waiters.len();
        waiters
    }

    /// The tasks somebody waits for.
    pub(super) fn tasks(&self) -> Vec<TaskId> {
        self.by_task.keys().copied().collect()
    }

    /// Puts back those that were taken and could not be answered.
    pub(super) fn put_back(&mut self, task: TaskId, waiters: Vec<Waiter>) {
        self.count += waiters.len();
        self.by_task.entry(task).or_default().extend(waiters);
    }

    /// Forgets those that have given up. The next search comes when as many again have come, so
    /// it costs each of them a constant.
    fn prune(&mut self) {
        self.by_task.retain(|_, waiters| {
            waiters.retain(|waiter| !waiter.is_closed());
            !waiters.is_empty()
        });
        self.count = self.by_task.values().map(Vec::len).sum();
        self.prune_at = FIRST_PRUNE.max(self.count * 2);
    }
}
