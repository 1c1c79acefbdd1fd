//! What the choice by asking needs: who has room, and whether there still is when it is decided.

use rand_chacha::ChaCha12Rng;

use super::{AgentSlot, ClassId, Matching};
use crate::task::Allocation;

impl Matching {
    /// How the agents of the class are chosen.
    pub(crate) fn allocation_of(&self, id: ClassId) -> Allocation {
        self.classes.get(id).map_or_else(Allocation::default, |class| class.requirement.allocation)
    }

    /// Up to `most` agents of the class that have room, the best measured first.
    pub(crate) fn with_room(
        &self,
        id: ClassId,
        most: usize,
        chance: &mut ChaCha12Rng,
    ) -> Vec<AgentSlot> {
        let Some(class) = self.classes.get(id) else { return Vec::new() };
        let free = class.in_turn(&self.roster, chance).take(most);
        free.map(|index| self.roster.slot_at(index)).collect()
    }

    /// Makes an agent busy with one execution more, if it is there and has room.
    pub(crate) fn occupy(&mut self, slot: AgentSlot) -> bool {
        let Some(agent) = self.roster.get_mut(slot) else { return false };
        if agent.standing().is_none() {
            return false;
        }
        agent.running += 1;
        self.refresh(slot.index);
        true
    }

    /// Notes that a round of the class is over.
    pub(crate) fn end_round(&mut self, id: ClassId) {
        if let Some(class) = self.classes.get_mut(id) {
            class.rounds = class.rounds.saturating_sub(1);
            self.classes.offer(id);
        }
    }
}
