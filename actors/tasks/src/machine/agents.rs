//! Agents come, change and go.

use std::collections::BTreeSet;
use std::sync::Arc;

use synod_agents::{AgentCard, AgentId, AgentKey, AgentStatus};

use super::{Effects, TaskMachine};
use crate::matching::AgentSlot;
use crate::modes::Unplannable;
use crate::task::{Moment, TaskId};

impl TaskMachine {
    /// An agent joins. In a list of all agents one that is known already, with the same card, keeps
    /// its seat and what was measured.
    pub(super) fn joined(
        &mut self,
        now: Moment,
        card: Arc<AgentCard>,
        status: AgentStatus,
        out: &mut Effects,
    ) -> AgentSlot {
        let slot = self.matching.join(card.clone(), status);
        if self.active {
            self.plan_waiting(now, &card, out);
        }
        slot
    }

    /// Who has this seat.
    pub(crate) fn agent_id(&self, slot: AgentSlot) -> Option<AgentId> {
        Some(self.matching.agent(slot)?.card.id.clone())
    }

    /// The seat of an agent whose card has not changed.
    pub(crate) fn seat_of(&self, card: &AgentCard) -> Option<AgentSlot> {
        let slot = self.matching.find(&card.key())?;
        let known = self.matching.agent(slot)?;
        (*known.card == *card).then_some(slot)
    }

    /// Tries again what waits for something that this agent has.
    fn plan_waiting(&mut self, now: Moment, card: &AgentCard, out: &mut Effects) {
        let mut tasks = self.waiting.for_name(card.id.as_str());
        for capability in &card.capabilities {
            tasks.extend(self.waiting.for_name(&capability.name));
        }
        // An agent may be called like what it can do, and a task is planned once.
        tasks.sort_unstable();
        tasks.dedup();
        for id in tasks {
            self.try_plan(now, id, out);
        }
    }

    /// Plans a task that waits; it goes on waiting when that is still not possible.
    pub(super) fn try_plan(&mut self, now: Moment, id: TaskId, out: &mut Effects) {
        let Some(spec) = self.task(id).map(|task| task.spec.clone()) else { return };
        match self.plan(&spec) {
            Ok(needs) => {
                self.waiting.remove(id);
                self.add_parts(now, id, needs, out);
            }
            Err(Unplannable::Missing(shortage)) => self.waiting.add(id, shortage.watch),
            // All requirements are taken: the next agent that comes is another try.
            Err(Unplannable::TooManyRequirements) => {
                let first = spec.require.capabilities.first().map(|known| known.name.clone());
                self.waiting.add(id, first.unwrap_or_default());
            }
        }
    }

    pub(super) fn only(&mut self, now: Moment, keys: &BTreeSet<AgentKey>, out: &mut Effects) {
        self.awaits_agents = false;
        let gone = self.matching.roster().map(|agent| agent.card.key());
        let gone: Vec<_> = gone.filter(|key| !keys.contains(key)).collect();
        for key in gone {
            self.left(now, &key, out);
        }
    }

    /// An agent is gone. What it has in hand answers for itself; what only it could have done, as
    /// a voter or a racer, fails.
    pub(super) fn left(&mut self, now: Moment, key: &AgentKey, out: &mut Effects) {
        if !self.matching.leave(key) || !self.active {
            return;
        }
        for (id, part) in self.matching.stranded(&key.id) {
            if self.is_stranded(id, part) {
                self.unqueue(id, part);
                self.fail_stranded(now, id, part, out);
            }
        }
    }
}
