//! Who waits for the end of a run.

use std::collections::HashMap;

use synod_runtime::Reply;

use crate::messages::{RunId, RunStatusResponse};

/// Waiters before the first search for those that have given up.
const FIRST_PRUNE: usize = 1_024;

type Waiter = Reply<Option<RunStatusResponse>>;

/// Replies that are owed when a run ends.
pub(super) struct Waiters {
    by_run: HashMap<RunId, Vec<Waiter>>,
    count: usize,
    /// How many there may be before those that have given up are looked for.
    prune_at: usize,
}

impl Default for Waiters {
    fn default() -> Self {
        Self { by_run: HashMap::new(), count: 0, prune_at: FIRST_PRUNE }
    }
}

impl Waiters {
    /// Adds one. With `most` there already it is dropped, which its asker learns at once.
    pub(super) fn add(&mut self, run: RunId, waiter: Waiter, most: usize) {
        if self.count >= self.prune_at.min(most) {
            self.prune();
        }
        if self.count < most {
            self.count += 1;
            self.by_run.entry(run).or_default().push(waiter);
        }
    }

    /// Those that wait for this run.
    pub(super) fn take(&mut self, run: RunId) -> Vec<Waiter> {
        if self.count == 0 {
            return Vec::new();
        }
        let waiters = self.by_run.remove(&run).unwrap_or_default();
        self.count -= waiters.len();
        waiters
    }

    /// The runs somebody waits for.
    pub(super) fn runs(&self) -> Vec<RunId> {
        self.by_run.keys().copied().collect()
    }

    /// Forgets those that have given up. The next search comes when as many again have come, so
    /// it costs each of them a constant.
    fn prune(&mut self) {
        self.by_run.retain(|_, waiters| {
            waiters.retain(|waiter| !waiter.is_closed());
            !waiters.is_empty()
        });
        self.count = self.by_run.values().map(Vec::len).sum();
        self.prune_at = FIRST_PRUNE.max(self.count * 2);
    }
}
