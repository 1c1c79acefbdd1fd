//! Signs of life of many agents: one slot each, written without a message, swept by one actor.
//!
//! A hundred thousand interval timers cost a large part of a core; a hundred thousand slots are
//! one pass over memory.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// A slot that belongs to nobody.
const FREE: u64 = u64::MAX;

/// All slots of a node. Cheap to clone.
#[derive(Clone)]
pub struct PulseBoard(Arc<Board>);

struct Board {
    origin: Instant,
    /// Milliseconds since `origin` of the last sign of life, or [`FREE`].
    slots: Box<[AtomicU64]>,
    free: Mutex<Free>,
}

/// Which slots can be taken: those given back, then those never used.
struct Free {
    returned: Vec<u32>,
    unused: u32,
}

impl PulseBoard {
    /// A board of `slots` slots whose time counts from `origin`.
    #[must_use]
    pub fn new(slots: u32, origin: Instant) -> Self {
        let slots = (0..slots).map(|_| AtomicU64::new(FREE)).collect();
        let free = Mutex::new(Free { returned: Vec::new(), unused: 0 });
        Self(Arc::new(Board { origin, slots, free }))
    }

    /// Takes a slot, with a first sign of life at `now`. `None` when all are taken.
    #[must_use]
    pub fn open(&self, now: Instant) -> Option<Pulse> {
        let slot = self.0.take()?;
        let pulse = Pulse(Arc::new(Slot { board: Arc::clone(&self.0), slot }));
        pulse.beat(now);
        Some(pulse)
    }

    /// Calls `found` with the slot of everyone who has been silent since before `limit`.
    pub fn silent_since(&self, limit: Instant, mut found: impl FnMut(u32)) {
        let limit = self.0.millis(limit);
        let used = self.0.free.lock().unused as usize;
        for (slot, last) in self.0.slots.iter().take(used).enumerate() {
            if last.load(Ordering::Relaxed) < limit {
                found(slot as u32);
            }
        }
    }
}

impl Board {
    fn take(&self) -> Option<u32> {
        let mut free = self.free.lock();
        if let Some(slot) = free.returned.pop() {
            return Some(slot);
        }
        let slot = free.unused;
        (slot < self.slots.len() as u32).then(|| {
            free.unused += 1;
            slot
        })
    }

    fn millis(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.origin).as_millis();
        u64::try_from(since).unwrap_or(FREE).min(FREE - 1)
    }
}

impl fmt::Debug for PulseBoard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PulseBoard({} slots)", self.0.slots.len())
    }
}

/// The slot of one agent; given back when the last clone is dropped.
#[derive(Clone)]
pub struct Pulse(Arc<Slot>);

struct Slot {
    board: Arc<Board>,
    slot: u32,
}

impl Pulse {
    /// A sign of life at `now`.
    pub fn beat(&self, now: Instant) {
        self.cell().store(self.0.board.millis(now), Ordering::Relaxed);
    }

    /// How long ago the last sign of life was.
    #[must_use]
    pub fn age(&self, now: Instant) -> Duration {
        let last = self.cell().load(Ordering::Relaxed);
        Duration::from_millis(self.0.board.millis(now).saturating_sub(last))
    }

    /// Its slot, as [`PulseBoard::silent_since`] names it.
    #[must_use]
    pub fn slot(&self) -> u32 {
        self.0.slot
    }

    fn cell(&self) -> &AtomicU64 {
        &self.0.board.slots[self.0.slot as usize]
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.board.slots[self.slot as usize].store(FREE, Ordering::Relaxed);
        self.board.free.lock().returned.push(self.slot);
    }
}

impl fmt::Debug for Pulse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pulse({})", self.0.slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silent(board: &PulseBoard, limit: Instant) -> Vec<u32> {
        let mut found = Vec::new();
        board.silent_since(limit, |slot| found.push(slot));
        found
    }

    #[test]
    fn a_sweep_finds_those_who_fell_silent_and_nobody_else() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let board = PulseBoard::new(3, start);
        let first = board.open(at(0)).unwrap();
        let second = board.open(at(0)).unwrap();
        second.beat(at(60));
        assert_eq!(silent(&board, at(60)), [first.slot()]);
        assert_eq!(first.age(at(61)), Duration::from_secs(61));
        assert_eq!(silent(&board, at(61)), [first.slot(), second.slot()]);
    }

    #[test]
    fn a_slot_given_back_is_silent_no_more_and_taken_again() {
        let start = Instant::now();
        let board = PulseBoard::new(1, start);
        let pulse = board.open(start).unwrap();
        assert!(board.open(start).is_none(), "all slots are taken");
        drop(pulse);
        assert!(silent(&board, start + Duration::from_secs(9)).is_empty());
        assert!(board.open(start).is_some());
    }
}
