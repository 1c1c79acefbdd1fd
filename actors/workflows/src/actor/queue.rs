//! Runs that wait for room: the most urgent first, then in order of acceptance. Runs that a bound
//! of their own holds back wait apart, so that they hold up nobody else.
//!
//! ```text
//!  add ─▶ ready ── next ─▶ begins
//!          ▲  └── a bound of it is full ─▶ held (by that bound)
//!          └────── freed: one at a time ◀──┘
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use synod_runtime::Priority;

use crate::messages::RunId;

/// How many runs of a kind may run at a time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Bound {
    /// What it counts: runs of the definition of this name, or with this label (`key=value`).
    pub of: Arc<str>,
    pub most: u32,
}

/// All bounds that a run is under, beside that of the node.
pub(super) type Bounds = Arc<[Bound]>;

type Place = (u8, u64);

/// The waiting runs. Those under the same bounds are a group, of which the first one counts.
#[derive(Default)]
pub(super) struct Queue {
    groups: HashMap<Bounds, BTreeMap<Place, RunId>>,
    /// Groups that no bound is known to hold back, by the place of their first run.
    ready: BTreeSet<(Place, Bounds)>,
    /// The others, by a bound of theirs that was full when they were looked at.
    held: HashMap<Arc<str>, BTreeSet<(Place, Bounds)>>,
}

impl Queue {
    pub(super) fn add(&mut self, run: RunId, priority: Priority, sequence: u64, bounds: Bounds) {
        let place = (priority as u8, sequence);
        let group = self.groups.entry(Arc::clone(&bounds)).or_default();
        let first = group.first_key_value().map(|(place, _)| *place);
        group.insert(place, run);
        match first {
            None => _ = self.ready.insert((place, bounds)),
            Some(first) if place < first => self.advance(first, place, bounds),
            Some(_) => {}
        }
    }

    /// A group's first run is a more urgent one now. If it is held back, it is looked at again: it
    /// may be more urgent than the one that was let on for what is free.
    fn advance(&mut self, from: Place, to: Place, bounds: Bounds) {
        let before = (from, bounds);
        if !self.ready.remove(&before) {
            self.held.retain(|_, held| {
                held.remove(&before);
                !held.is_empty()
            });
        }
        self.ready.insert((to, before.1));
    }

    /// Takes out the next run none of whose bounds is full.
    pub(super) fn next(&mut self, is_full: impl Fn(&Bound) -> bool) -> Option<RunId> {
        while let Some((place, bounds)) = self.ready.pop_first() {
            if let Some(full) = bounds.iter().find(|bound| is_full(bound)) {
                let held = self.held.entry(Arc::clone(&full.of)).or_default();
                held.insert((place, Arc::clone(&bounds)));
                self.pass_on(&bounds, &is_full);
                continue;
            }
            let Some(group) = self.groups.get_mut(&bounds) else { continue };
            let run = group.remove(&place);
            match group.first_key_value() {
                Some((next, _)) => _ = self.ready.insert((*next, bounds)),
                None => {
                    self.groups.remove(&bounds);
                    self.pass_on(&bounds, &is_full);
                }
            }
            if run.is_some() {
                return run;
            }
        }
        None
    }

    /// What a group does not use of its bounds is for the next one that they hold back.
    fn pass_on(&mut self, bounds: &Bounds, is_full: &impl Fn(&Bound) -> bool) {
        for bound in bounds.iter().filter(|bound| !is_full(bound)) {
            self.freed(&bound.of);
        }
    }

    /// A run that counted among those of a bound does no more: the most urgent of those that it
    /// holds back is looked at again.
    pub(super) fn freed(&mut self, of: &Arc<str>) {
        let Some(held) = self.held.get_mut(of) else { return };
        self.ready.extend(held.pop_first());
        if held.is_empty() {
            self.held.remove(of);
        }
    }

    /// Whether all that wait are held back by bounds of their own.
    pub(super) fn lets_pass(&self) -> bool {
        self.ready.is_empty()
    }

    /// All that wait.
    pub(super) fn into_runs(self) -> impl Iterator<Item = RunId> {
        self.groups.into_values().flat_map(BTreeMap::into_values)
    }
}

#[cfg(test)]
mod tests;
