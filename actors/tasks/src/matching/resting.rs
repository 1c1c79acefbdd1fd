//! Agents that refused work are left alone for a while, so that what is queued is not thrown at
//! them in vain.

use super::{AgentSlot, Matching};

/// First rest after a refusal, microseconds; doubled with each further one.
const FIRST_REST_US: u64 = 20_000;

/// Longest rest after refusals, microseconds.
const LONGEST_REST_US: u64 = 2_000_000;

/// Longest rest that an agent can ask for, microseconds.
const LONGEST_ASKED_REST_US: u64 = 300_000_000;

impl Matching {
    /// Lets an agent rest after a refusal: longer with each in a row, and at least as long as it
    /// asked for (microseconds).
    pub(super) fn refused(&mut self, slot: AgentSlot, asked: Option<u64>, now: u64) {
        let Some(agent) = self.roster.get_mut(slot) else { return };
        agent.counts.refused += 1;
        let rest = (FIRST_REST_US << agent.refusals.min(7)).min(LONGEST_REST_US);
        agent.refusals = agent.refusals.saturating_add(1);
        let asked = asked.unwrap_or(0).min(LONGEST_ASKED_REST_US);
        self.rest(slot, now.saturating_add(rest.max(asked)));
    }

    fn rest(&mut self, slot: AgentSlot, until: u64) {
        let Some(agent) = self.roster.get_mut(slot) else { return };
        if let Some(before) = agent.resting.replace(until) {
            self.resting.remove(&(before, slot));
        }
        self.resting.insert((until, slot));
    }

    /// When the next rest is over, on the monotonic clock.
    pub(crate) fn next_wake(&self) -> Option<u64> {
        self.resting.first().map(|(until, _)| *until)
    }

    /// Ends the rests that are over.
    pub(crate) fn wake(&mut self, now: u64) {
        while let Some((until, slot)) = self.resting.first().copied() {
            if until > now {
                break;
            }
            self.resting.pop_first();
            if let Some(agent) = self.roster.get_mut(slot) {
                agent.resting = None;
                self.refresh(slot.index);
            }
        }
    }
}
