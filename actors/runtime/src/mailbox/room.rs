//! The bound: one capacity, a reserve of each lane out of it, and slots outside of it.

use crate::priority::Priority;

/// So much room is much, however large the mailbox.
const ROOMY: u32 = 1024;

/// Counts what is queued or in hand, lane by lane.
///
/// Each lane has `reserve` places to itself; what it holds beyond them comes out of the part that
/// all lanes share. So a full shared part shuts out a lane only when it has filled its own.
#[derive(Debug)]
pub(crate) struct Room {
    reserve: u32,
    shared: u32,
    shared_used: u32,
    held: [u32; Priority::COUNT],
    slots: u32,
    max_slots: u32,
}

impl Room {
    /// Room for `capacity` messages, `reserve` of them for each lane, and `max_slots` beside.
    pub(crate) fn new(capacity: usize, reserve: usize, max_slots: usize) -> Self {
        let narrow = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Self {
            reserve: narrow(reserve),
            shared: narrow(capacity - Priority::COUNT * reserve),
            shared_used: 0,
            held: [0; Priority::COUNT],
            slots: 0,
            max_slots: narrow(max_slots),
        }
    }

    /// Takes a place in `lane`; false when there is none.
    pub(crate) fn admit(&mut self, lane: usize) -> bool {
        if self.held[lane] >= self.reserve {
            if self.shared_used == self.shared {
                return false;
            }
            self.shared_used += 1;
        }
        self.held[lane] += 1;
        true
    }

    /// Gives `count` places of `lane` back.
    pub(crate) fn release(&mut self, lane: usize, count: u32) {
        let beyond = self.held[lane].saturating_sub(self.reserve);
        self.shared_used -= beyond.min(count);
        self.held[lane] -= count;
    }

    /// Whether `lane` has a place left that is its own.
    pub(crate) fn has_reserve(&self, lane: usize) -> bool {
        self.held[lane] < self.reserve
    }

    /// Whether senders that are let in now find room for many messages: seven eighths of what
    /// all lanes share, or 1,024 places.
    pub(crate) fn is_roomy(&self) -> bool {
        self.shared - self.shared_used >= (self.shared - self.shared / 8).min(ROOMY)
    }

    /// Whether giving back a place of `from` makes room in `to`.
    pub(crate) fn release_helps(&self, from: usize, to: usize) -> bool {
        from == to || self.held[from] > self.reserve
    }

    /// Takes a slot outside of the bound; false when `max_slots` are taken.
    pub(crate) fn admit_slot(&mut self) -> bool {
        let free = self.slots < self.max_slots;
        self.slots += u32::from(free);
        free
    }

    /// Takes a slot although all may be taken: for one refusal to who has just asked too much.
    pub(crate) fn force_slot(&mut self) {
        self.slots += 1;
    }

    /// Gives `count` slots back.
    pub(crate) fn release_slots(&mut self, count: u32) {
        self.slots -= count;
    }

    /// Messages queued or in hand within the bound.
    pub(crate) fn held(&self) -> usize {
        self.held.iter().map(|&held| held as usize).sum()
    }

    /// Slots reserved, queued or in hand.
    pub(crate) fn slots(&self) -> usize {
        self.slots as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_one_lane_leaves_the_reserve_of_the_others() {
        let mut room = Room::new(20, 2, 1);
        let flood = (0..100).filter(|_| room.admit(4)).count();
        assert_eq!(flood, 12, "its own 2 and the 10 shared");
        for lane in 0..4 {
            assert!(room.admit(lane) && room.admit(lane) && !room.admit(lane));
        }
        assert_eq!(room.held(), 20);
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let mut room = Room::new(10, 1, 1);
        while room.admit(4) {}
        assert!(room.release_helps(4, 0) && !room.release_helps(0, 4));
        room.release(4, 6);
        assert_eq!(room.held(), 0);
        assert_eq!((0..100).filter(|_| room.admit(0)).count(), 6);
    }

    #[test]
    fn slots_have_a_limit_of_their_own() {
        let mut room = Room::new(1, 0, 2);
        assert!(room.admit_slot() && room.admit_slot() && !room.admit_slot());
        room.force_slot();
        assert_eq!(room.slots(), 3);
        room.release_slots(3);
        assert!(room.admit_slot());
    }
}
