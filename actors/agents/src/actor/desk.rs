//! Who works on what: the slots of one agent, what is in them, and whether more is taken. Pure.

use std::collections::HashMap;

use crate::error::AgentError;
use crate::work::WorkId;

/// The number of a worker, from 0.
pub(crate) type Slot = usize;

/// Whether more work is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Taking,
    Paused,
    Draining,
    /// Like draining; the agent stops when nothing is in hand any more.
    Retiring,
}

/// Why work was not taken. Nothing of it is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    NotTaking(Mode),
    Unreachable,
    /// Every slot is busy.
    AtCapacity(usize),
    /// No slot is free, and this many wait for their worker's restart.
    WorkersDown(usize),
    /// This very execution is in hand already.
    InHand,
}

impl From<Refusal> for AgentError {
    /// All of them may pass, and nothing was executed.
    fn from(refusal: Refusal) -> Self {
        Self::unavailable(match refusal {
            Refusal::NotTaking(Mode::Paused) => "the agent is paused".to_owned(),
            Refusal::NotTaking(_) => "the agent takes no more work: it drains".to_owned(),
            Refusal::Unreachable => "the agent can't be reached at the moment".to_owned(),
            Refusal::AtCapacity(tasks) => {
                format!("the agent is at capacity: {tasks} assignments in work")
            }
            Refusal::WorkersDown(count) => {
                format!("{count} workers of the agent wait for their restart after a crash")
            }
            Refusal::InHand => "this very execution is in work already".to_owned(),
        })
    }
}

/// What a slot holds. `T` is what the shell keeps of the work.
#[derive(Debug)]
enum State<T> {
    Free,
    Busy(WorkId, T),
    /// Its worker crashed and waits for its restart.
    Down,
}

/// Where new work goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) slot: Slot,
    /// Whether its worker has to be started first.
    pub(super) fresh: bool,
}

/// The slots of one agent.
#[derive(Debug)]
pub(super) struct Desk<T> {
    mode: Mode,
    reachable: bool,
    slots: Vec<State<T>>,
    capacity: usize,
    /// Free slots; the one used last is used next, so that few workers are ever started.
    free: Vec<Slot>,
    down: usize,
    in_hand: HashMap<WorkId, Slot>,
}

impl<T> Desk<T> {
    /// A desk of `capacity` slots; none of them costs anything before it is used.
    pub(super) fn new(capacity: u32, reachable: bool) -> Self {
        Self {
            mode: Mode::Taking,
            reachable,
            slots: Vec::new(),
            capacity: capacity as usize,
            free: Vec::new(),
            down: 0,
            in_hand: HashMap::new(),
        }
    }

    pub(super) fn mode(&self) -> Mode {
        self.mode
    }

    /// Changes whether more is taken. What retires does so for good.
    pub(super) fn set_mode(&mut self, mode: Mode) {
        if self.mode != Mode::Retiring {
            self.mode = mode;
        }
    }

    pub(super) fn set_reachable(&mut self, reachable: bool) {
        self.reachable = reachable;
    }

    pub(super) fn is_reachable(&self) -> bool {
        self.reachable
    }

    /// Whether nothing is in hand and nothing will be.
    pub(super) fn is_finished(&self) -> bool {
        self.mode == Mode::Retiring && self.in_hand.is_empty()
    }

    /// Whether work would be taken now, if a slot is free.
    pub(super) fn is_healthy(&self) -> bool {
        self.reachable && self.mode == Mode::Taking && self.down < self.capacity
    }

    pub(super) fn workers_down(&self) -> usize {
        self.down
    }

    /// Where this work goes.
    ///
    /// # Errors
    /// Why it is not taken.
    pub(super) fn place(&self, work: WorkId) -> Result<Place, Refusal> {
        if self.mode != Mode::Taking {
            return Err(Refusal::NotTaking(self.mode));
        }
        if !self.reachable {
            return Err(Refusal::Unreachable);
        }
        if self.in_hand.contains_key(&work) {
            return Err(Refusal::InHand);
        }
        if let Some(slot) = self.free.last() {
            return Ok(Place { slot: *slot, fresh: false });
        }
        if self.slots.len() < self.capacity {
            return Ok(Place { slot: self.slots.len(), fresh: true });
        }
        match self.down {
            0 => Err(Refusal::AtCapacity(self.capacity)),
            down => Err(Refusal::WorkersDown(down)),
        }
    }

    /// Puts work where [`Desk::place`] said.
    pub(super) fn put(&mut self, place: Place, work: WorkId, kept: T) {
        self.in_hand.insert(work, place.slot);
        let busy = State::Busy(work, kept);
        if place.fresh {
            self.slots.push(busy);
        } else {
            self.free.pop();
            self.slots[place.slot] = busy;
        }
    }

    /// A worker has ended this work and is free.
    pub(super) fn ended(&mut self, slot: Slot, work: WorkId) -> Option<T> {
        match self.slots.get(slot) {
            Some(State::Busy(current, _)) if *current == work => {}
            _ => return None,
        }
        self.in_hand.remove(&work);
        self.free.push(slot);
        match std::mem::replace(&mut self.slots[slot], State::Free) {
            State::Busy(_, kept) => Some(kept),
            _ => None,
        }
    }

    /// A worker ended; what it had is lost. Returns it.
    pub(super) fn crashed(&mut self, slot: Slot) -> Option<(WorkId, T)> {
        let state = self.slots.get_mut(slot)?;
        let before = std::mem::replace(state, State::Down);
        self.free.retain(|free| *free != slot);
        if !matches!(before, State::Down) {
            self.down += 1;
        }
        let State::Busy(work, kept) = before else { return None };
        self.in_hand.remove(&work);
        Some((work, kept))
    }

    /// A crashed worker runs again.
    pub(super) fn restarted(&mut self, slot: Slot) {
        if let Some(state @ State::Down) = self.slots.get_mut(slot) {
            *state = State::Free;
            self.down -= 1;
            self.free.push(slot);
        }
    }

    /// What is kept of this work.
    pub(super) fn kept(&self, work: WorkId) -> Option<&T> {
        let slot = self.in_hand.get(&work)?;
        match self.slots.get(*slot) {
            Some(State::Busy(_, kept)) => Some(kept),
            _ => None,
        }
    }

    /// All that is in hand, by slot.
    pub(super) fn in_hand(&self) -> impl Iterator<Item = (WorkId, &T)> {
        self.slots.iter().filter_map(|state| match state {
            State::Busy(work, kept) => Some((*work, kept)),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn work(part: u16) -> WorkId {
        WorkId { task: Uuid::nil(), part, attempt: 1, epoch: 1 }
    }

    fn put(desk: &mut Desk<()>, part: u16) -> Result<Place, Refusal> {
        let place = desk.place(work(part))?;
        desk.put(place, work(part), ());
        Ok(place)
    }

    #[test]
    fn workers_are_started_one_by_one_and_used_again() {
        let mut desk = Desk::new(3, true);
        assert_eq!(put(&mut desk, 0), Ok(Place { slot: 0, fresh: true }));
        assert_eq!(put(&mut desk, 1), Ok(Place { slot: 1, fresh: true }));
        assert!(desk.ended(0, work(0)).is_some());
        assert_eq!(put(&mut desk, 2), Ok(Place { slot: 0, fresh: false }));
    }

    #[test]
    fn more_than_the_capacity_is_refused() {
        let mut desk = Desk::new(1, true);
        put(&mut desk, 0).unwrap();
        assert_eq!(put(&mut desk, 1), Err(Refusal::AtCapacity(1)));
        assert_eq!(put(&mut desk, 0), Err(Refusal::InHand));
        assert!(AgentError::from(Refusal::AtCapacity(1)).retryable());
    }

    #[test]
    fn a_crash_frees_the_work_but_not_the_slot_until_the_restart() {
        let mut desk = Desk::new(1, true);
        put(&mut desk, 0).unwrap();
        assert_eq!(desk.crashed(0), Some((work(0), ())));
        assert_eq!(put(&mut desk, 0), Err(Refusal::WorkersDown(1)));
        assert!(!desk.is_healthy());
        desk.restarted(0);
        desk.restarted(0);
        assert_eq!(put(&mut desk, 0), Ok(Place { slot: 0, fresh: false }));
        assert_eq!(put(&mut desk, 1), Err(Refusal::AtCapacity(1)));
    }

    #[test]
    fn the_end_of_work_that_was_lost_in_a_crash_frees_nothing() {
        let mut desk = Desk::new(1, true);
        put(&mut desk, 0).unwrap();
        desk.crashed(0);
        assert_eq!(desk.ended(0, work(0)), None);
        assert_eq!(desk.workers_down(), 1);
    }

    #[test]
    fn a_drained_agent_ends_what_it_has_and_a_retired_one_stays_so() {
        let mut desk = Desk::new(2, true);
        put(&mut desk, 0).unwrap();
        desk.set_mode(Mode::Retiring);
        desk.set_mode(Mode::Taking);
        assert_eq!(put(&mut desk, 1), Err(Refusal::NotTaking(Mode::Retiring)));
        assert!(!desk.is_finished());
        desk.ended(0, work(0));
        assert!(desk.is_finished());
    }

    #[test]
    fn an_agent_that_cannot_be_reached_takes_nothing() {
        let mut desk = Desk::new(1, false);
        assert_eq!(put(&mut desk, 0), Err(Refusal::Unreachable));
        desk.set_reachable(true);
        assert!(put(&mut desk, 0).is_ok());
    }
}
