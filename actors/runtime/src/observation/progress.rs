//! Heartbeats at scale: a slab of progress words, one per incarnation. An actor stores into its
//! word when a batch begins and ends; one sweep reads them all and reports only what changed.
//!
//! A timer per actor would cost a share of a core at 100,000 actors; a sweep over as many words
//! takes tens of microseconds.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use crate::path::ActorPath;

/// Words in one block of the slab; blocks never move.
const BLOCK: usize = 1024;

/// The slab's word: twice the epoch of the last sign of life, plus one while a batch is in hand.
type Block = Arc<[AtomicU64; BLOCK]>;

/// The progress words of a node.
#[derive(Default)]
pub struct Progress {
    /// Counts the sweeps; the coarse time of every sign of life.
    epoch: Arc<AtomicU64>,
    blocks: RwLock<Vec<Block>>,
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    free: Vec<usize>,
    /// Whose word it is; none when it is free.
    owners: Vec<Option<ActorPath>>,
}

/// The word of one incarnation; freed when dropped.
pub(crate) struct ProgressSlot {
    progress: Arc<Progress>,
    block: Block,
    index: usize,
}

impl ProgressSlot {
    /// A batch is in hand, or a long handler says that it is alive.
    pub(crate) fn busy(&self) {
        self.store(1);
    }

    /// The batch is over.
    pub(crate) fn idle(&self) {
        self.store(0);
    }

    fn store(&self, busy: u64) {
        let epoch = self.progress.epoch.load(Ordering::Relaxed);
        self.block[self.index % BLOCK].store(epoch << 1 | busy, Ordering::Relaxed);
    }
}

impl Drop for ProgressSlot {
    fn drop(&mut self) {
        self.block[self.index % BLOCK].store(0, Ordering::Relaxed);
        let mut places = self.progress.places.lock();
        places.owners[self.index] = None;
        places.free.push(self.index);
    }
}

/// What has changed at one actor since the last sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transition {
    /// It has held a batch without a sign of life for more sweeps than allowed.
    Stalled(ActorPath),
    /// It showed a sign of life again, or has ended.
    Recovered(ActorPath),
}

/// One observer's view of the slab: which actors it has reported as stalled.
#[derive(Debug, Default)]
pub struct Sweep {
    /// Sweeps without a sign of life that are still tolerated.
    tolerance: u64,
    stalled: HashMap<usize, ActorPath>,
}

impl Sweep {
    /// Reports an actor that has shown nothing for more than `tolerance` sweeps.
    #[must_use]
    pub fn new(tolerance: u64) -> Self {
        Self { tolerance, stalled: HashMap::new() }
    }

    /// How many actors are stalled at the moment.
    #[must_use]
    pub fn stalled(&self) -> usize {
        self.stalled.len()
    }
}

impl Progress {
    pub(crate) fn take_slot(self: &Arc<Self>, path: ActorPath) -> ProgressSlot {
        let index = {
            let mut places = self.places.lock();
            let index = places.free.pop().unwrap_or(places.owners.len());
            if index == places.owners.len() {
                places.owners.push(None);
            }
            places.owners[index] = Some(path);
            index
        };
        let block = self.block(index / BLOCK);
        ProgressSlot { progress: Arc::clone(self), block, index }
    }

    fn block(&self, number: usize) -> Block {
        if let Some(block) = self.blocks.read().get(number) {
            return Arc::clone(block);
        }
        let mut blocks = self.blocks.write();
        while blocks.len() <= number {
            blocks.push(Arc::new(std::array::from_fn(|_| AtomicU64::new(0))));
        }
        Arc::clone(&blocks[number])
    }

    /// Begins a new epoch and appends to `changes` which actors have stalled or recovered since
    /// the last call with the same `sweep`. The caller's interval is the unit of the tolerance.
    pub fn sweep(&self, sweep: &mut Sweep, changes: &mut Vec<Transition>) {
        let epoch = self.epoch.fetch_add(1, Ordering::Relaxed);
        let blocks = self.blocks.read().clone();
        for (number, block) in blocks.iter().enumerate() {
            for (offset, word) in block.iter().enumerate() {
                let word = word.load(Ordering::Relaxed);
                if word & 1 == 1 && epoch.saturating_sub(word >> 1) > sweep.tolerance {
                    self.stall(number * BLOCK + offset, sweep, changes);
                }
            }
        }
        sweep.stalled.retain(|index, path| {
            let word = blocks[index / BLOCK][index % BLOCK].load(Ordering::Relaxed);
            let still = word & 1 == 1 && epoch.saturating_sub(word >> 1) > sweep.tolerance;
            if !still {
                changes.push(Transition::Recovered(path.clone()));
            }
            still
        });
    }

    fn stall(&self, index: usize, sweep: &mut Sweep, changes: &mut Vec<Transition>) {
        if sweep.stalled.contains_key(&index) {
            return;
        }
        let path = self.places.lock().owners.get(index).cloned().flatten();
        if let Some(path) = path {
            changes.push(Transition::Stalled(path.clone()));
            sweep.stalled.insert(index, path);
        }
    }
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let slots = self.places.lock().owners.len();
        f.debug_struct("Progress").field("slots", &slots).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(progress: &Progress, sweep: &mut Sweep) -> Vec<Transition> {
        let mut changes = Vec::new();
        progress.sweep(sweep, &mut changes);
        changes
    }

    #[test]
    fn only_changes_are_reported() {
        let progress = Arc::new(Progress::default());
        let (idle, stuck) = (progress.take_slot("/idle".into()), progress.take_slot("/x".into()));
        idle.idle();
        stuck.busy();
        let mut view = Sweep::new(2);
        for _ in 0..3 {
            assert!(sweep(&progress, &mut view).is_empty());
        }
        assert_eq!(sweep(&progress, &mut view), [Transition::Stalled("/x".into())]);
        assert!(sweep(&progress, &mut view).is_empty(), "told once");
        stuck.busy();
        assert_eq!(sweep(&progress, &mut view), [Transition::Recovered("/x".into())]);
        assert_eq!(view.stalled(), 0);
    }

    #[test]
    fn a_stalled_actor_that_ends_has_recovered_and_its_slot_is_used_again() {
        let progress = Arc::new(Progress::default());
        let slot = progress.take_slot("/x".into());
        slot.busy();
        let mut view = Sweep::new(0);
        sweep(&progress, &mut view);
        assert_eq!(sweep(&progress, &mut view), [Transition::Stalled("/x".into())]);
        drop(slot);
        assert_eq!(sweep(&progress, &mut view), [Transition::Recovered("/x".into())]);
        let again = progress.take_slot("/y".into());
        assert_eq!(again.index, 0);
    }

    #[test]
    fn slots_of_many_actors_span_blocks() {
        let progress = Arc::new(Progress::default());
        let slots: Vec<ProgressSlot> = (0..3000)
            .map(|number| progress.take_slot(format!("/{number}").as_str().into()))
            .collect();
        slots[2999].busy();
        let mut view = Sweep::new(0);
        sweep(&progress, &mut view);
        assert_eq!(sweep(&progress, &mut view), [Transition::Stalled("/2999".into())]);
    }
}
