//! What an execution asks of its agent; executions that ask the same share a queue.

use synod_agents::{AgentCard, AgentId};

use crate::task::{Allocation, CapabilityRequirement};

/// Capabilities an agent must have, all of them, the agents that are allowed, and how one of those
/// that meet it is chosen.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Requirement {
    /// All must be there.
    pub capabilities: Vec<CapabilityRequirement>,
    /// One of these, the earlier the better; empty means any.
    pub agents: Vec<AgentId>,
    /// Of those that meet it, who gets it.
    pub allocation: Allocation,
}

impl Requirement {
    /// Whether the agent of this card can do it.
    pub(crate) fn is_met_by(&self, card: &AgentCard) -> bool {
        (self.agents.is_empty() || self.agents.contains(&card.id))
            && self.capabilities.iter().all(|capability| has(card, capability))
    }

    /// Which of the capabilities the agent has, bit by bit, the first in the lowest bit.
    pub(crate) fn covered_by(&self, card: &AgentCard) -> u64 {
        let covers = |at: usize| has(card, &self.capabilities[at]);
        (0..self.capabilities.len()).filter(|at| covers(*at)).fold(0, |mask, at| mask | 1 << at)
    }

    /// Where the agent stands among the named ones; `None` when none are named.
    pub(crate) fn rank_of(&self, agent: &AgentId) -> Option<usize> {
        self.agents.iter().position(|named| named == agent)
    }

    /// In words, for people.
    pub(crate) fn describe(&self) -> Vec<String> {
        let agents = self.agents.iter().map(|agent| format!("agent {agent}"));
        agents.chain(self.capabilities.iter().map(ToString::to_string)).collect()
    }
}

fn has(card: &AgentCard, required: &CapabilityRequirement) -> bool {
    required.min_version.as_ref().is_none_or(|lowest| card.version >= *lowest)
        && card.find(&required.name).is_some()
}
