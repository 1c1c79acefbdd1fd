//! The children of one supervisor with their phases, and the indices that keep each question the
//! machine asks at O(log n): who is alive, who waits to start, whose deadline comes next.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::command::ChildKey;

/// What becomes of a stopping child when it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// It is forgotten.
    Forget,
    /// It rests until its group starts again.
    Rest,
    /// It starts again at once.
    Restart,
    /// It failed: its start took too long.
    FailStart,
}

/// Where a child stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// In the queue of ordered starts.
    Waiting,
    /// Its `start` runs, and may until then.
    Starting { until: Instant },
    /// Started.
    Running { since: Instant },
    /// Asked to end; to be killed at `until`.
    Stopping { until: Instant, then: Then },
    /// Killed; to be abandoned at `until`.
    Killing { until: Instant, then: Then },
    /// Failed; starts again at `until`.
    BackOff { until: Instant },
    /// Ended; waits for its group.
    Resting,
    /// Forgotten by the machine; its shell takes it out.
    Gone,
}

impl Phase {
    fn deadline(self) -> Option<Instant> {
        match self {
            Self::Starting { until }
            | Self::Stopping { until, .. }
            | Self::Killing { until, .. }
            | Self::BackOff { until } => Some(until),
            Self::Waiting | Self::Running { .. } | Self::Resting | Self::Gone => None,
        }
    }

    /// Whether an incarnation exists that has not ended.
    pub(super) fn is_live(self) -> bool {
        !matches!(self, Self::Waiting | Self::BackOff { .. } | Self::Resting | Self::Gone)
    }
}

/// A child, with what its shell keeps of it.
#[derive(Debug)]
pub(super) struct Child<C> {
    pub(super) kept: C,
    phase: Phase,
    /// Failures in a row, for the back-off.
    pub(super) failures: u32,
    /// Whether it has started once: later starts are restarts.
    pub(super) started: bool,
    unsettled: bool,
}

/// The indices always agree with the phases: only [`Table::set_phase`] changes either.
#[derive(Debug)]
pub(super) struct Table<C> {
    /// Boxed, since a tree that only grows at its end is little more than half full.
    children: BTreeMap<ChildKey, Box<Child<C>>>,
    live: BTreeSet<ChildKey>,
    waiting: BTreeSet<ChildKey>,
    deadlines: BTreeSet<(Instant, ChildKey)>,
    unsettled: usize,
}

impl<C> Default for Table<C> {
    fn default() -> Self {
        Self {
            children: BTreeMap::new(),
            live: BTreeSet::new(),
            waiting: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            unsettled: 0,
        }
    }
}

impl<C> Table<C> {
    /// Adds a child that waits for its first start.
    pub(super) fn insert(&mut self, key: ChildKey, kept: C) {
        let phase = Phase::Waiting;
        let child = Child { kept, phase, failures: 0, started: false, unsettled: true };
        self.children.insert(key, Box::new(child));
        self.waiting.insert(key);
        self.unsettled += 1;
    }

    /// What the shell keeps, also of a child that is gone.
    pub(super) fn kept(&self, key: ChildKey) -> Option<&C> {
        self.children.get(&key).map(|child| &child.kept)
    }

    pub(super) fn kept_mut(&mut self, key: ChildKey) -> Option<&mut C> {
        self.children.get_mut(&key).map(|child| &mut child.kept)
    }

    /// What the shell keeps of all children, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &C> {
        self.children.values().map(|child| &child.kept)
    }

    pub(super) fn get_mut(&mut self, key: ChildKey) -> Option<&mut Child<C>> {
        let child = self.children.get_mut(&key).filter(|child| child.phase != Phase::Gone);
        child.map(|child| &mut **child)
    }

    pub(super) fn get(&self, key: ChildKey) -> Option<&Child<C>> {
        let child = self.children.get(&key).filter(|child| child.phase != Phase::Gone);
        child.map(|child| &**child)
    }

    pub(super) fn phase(&self, key: ChildKey) -> Option<Phase> {
        self.get(key).map(|child| child.phase)
    }

    pub(super) fn set_phase(&mut self, key: ChildKey, phase: Phase) {
        let Some(child) = self.children.get_mut(&key) else { return };
        let before = std::mem::replace(&mut child.phase, phase);
        if let Some(until) = before.deadline() {
            self.deadlines.remove(&(until, key));
        }
        if let Some(until) = phase.deadline() {
            self.deadlines.insert((until, key));
        }
        if before.is_live() != phase.is_live() {
            if phase.is_live() {
                self.live.insert(key)
            } else {
                self.live.remove(&key)
            };
        }
        match (before == Phase::Waiting, phase == Phase::Waiting) {
            (false, true) => _ = self.waiting.insert(key),
            (true, false) => _ = self.waiting.remove(&key),
            _ => {}
        }
    }

    /// The first start of a child is over; later calls change nothing.
    pub(super) fn settle(&mut self, key: ChildKey) {
        if let Some(child) = self.children.get_mut(&key)
            && std::mem::take(&mut child.unsettled)
        {
            self.unsettled -= 1;
        }
    }

    /// Forgets a child, but keeps what the shell keeps until that takes it.
    pub(super) fn forget(&mut self, key: ChildKey) {
        self.settle(key);
        self.set_phase(key, Phase::Gone);
    }

    pub(super) fn take(&mut self, key: ChildKey) -> Option<C> {
        self.children.remove(&key).map(|child| child.kept)
    }

    pub(super) fn is_settled(&self) -> bool {
        self.unsettled == 0
    }

    /// Keys from `from` on, oldest first.
    pub(super) fn keys_from(&self, from: ChildKey) -> Vec<ChildKey> {
        let known = self.children.range(from..).filter(|(_, child)| child.phase != Phase::Gone);
        known.map(|(key, _)| *key).collect()
    }

    pub(super) fn live(&self) -> Vec<ChildKey> {
        self.live.iter().copied().collect()
    }

    /// Children without an incarnation, youngest first.
    pub(super) fn idle(&self) -> Vec<ChildKey> {
        let is_idle = |phase: Phase| !phase.is_live() && phase != Phase::Gone;
        let idle = self.children.iter().rev().filter(|(_, child)| is_idle(child.phase));
        idle.map(|(key, _)| *key).collect()
    }

    /// The youngest live child at or after `from`.
    pub(super) fn youngest_live(&self, from: ChildKey) -> Option<ChildKey> {
        self.live.range(from..).next_back().copied()
    }

    pub(super) fn first_waiting(&self) -> Option<ChildKey> {
        self.waiting.first().copied()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(until, _)| *until)
    }

    /// A child whose deadline has passed.
    pub(super) fn due(&self, now: Instant) -> Option<(ChildKey, Phase)> {
        let (until, key) = self.deadlines.first().filter(|(until, _)| *until <= now)?;
        debug_assert_eq!(self.phase(*key).and_then(Phase::deadline), Some(*until));
        Some((*key, self.phase(*key)?))
    }
}
