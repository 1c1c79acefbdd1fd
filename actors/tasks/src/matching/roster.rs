//! The agents there are: what they can do, how they stand, and what they have in hand.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use synod_agents::{AgentCard, AgentId, AgentKey, AgentStatus};

use super::classes::ClassId;
use super::requirement::Requirement;
use super::score::Measure;
use super::standing::Standing;

/// Names an agent for as long as it is registered; a slot that is used again has a new generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AgentSlot {
    pub index: u32,
    pub generation: u32,
}

/// A registered agent.
#[derive(Debug)]
pub(crate) struct Agent {
    pub card: Arc<AgentCard>,
    /// `id@version`.
    pub label: Arc<str>,
    pub status: AgentStatus,
    /// Executions it has in hand from here.
    pub running: u32,
    pub measure: Measure,
    pub counts: AgentCounts,
    /// Refusals in a row.
    pub refusals: u32,
    /// Until when it is left alone after a refusal, on the monotonic clock.
    pub resting: Option<u64>,
    /// The classes it is a member of, and its number in each.
    pub memberships: Vec<(ClassId, u32)>,
}

/// What an agent's executions ended in, since the engine began.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct AgentCounts {
    pub completed: u64,
    pub failed: u64,
    pub lost: u64,
    pub refused: u64,
}

impl Agent {
    fn new(card: Arc<AgentCard>, status: AgentStatus) -> Self {
        Self {
            label: Arc::from(card.key().to_string()),
            card,
            status,
            running: 0,
            measure: Measure::default(),
            counts: AgentCounts::default(),
            refusals: 0,
            resting: None,
            memberships: Vec::new(),
        }
    }

    /// How it stands as a choice, if it can be given work now.
    pub(crate) fn standing(&self) -> Option<Standing> {
        let (running, capacity) = (self.running, self.card.limits.max_concurrent_tasks);
        let free =
            self.status == AgentStatus::Active && self.resting.is_none() && running < capacity;
        let level = || self.measure.level(running, capacity);
        free.then(|| Standing { level: level(), running, capacity })
    }
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    agent: Option<Agent>,
}

/// The agents, by slot, by key and by capability.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    slots: Vec<Slot>,
    vacant: Vec<u32>,
    by_key: HashMap<AgentKey, u32>,
    by_id: HashMap<AgentId, BTreeSet<u32>>,
    by_capability: HashMap<String, BTreeSet<u32>>,
    revision: u64,
}

impl Roster {
    /// How many agents there are.
    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Rises with every agent that comes or goes.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn get(&self, slot: AgentSlot) -> Option<&Agent> {
        let known = self.slots.get(slot.index as usize)?;
        known.agent.as_ref().filter(|_| known.generation == slot.generation)
    }

    pub(crate) fn get_mut(&mut self, slot: AgentSlot) -> Option<&mut Agent> {
        let known = self.slots.get_mut(slot.index as usize)?;
        known.agent.as_mut().filter(|_| known.generation == slot.generation)
    }

    pub(crate) fn at(&self, index: u32) -> Option<&Agent> {
        self.slots.get(index as usize)?.agent.as_ref()
    }

    pub(crate) fn at_mut(&mut self, index: u32) -> Option<&mut Agent> {
        self.slots.get_mut(index as usize)?.agent.as_mut()
    }

    pub(crate) fn slot_at(&self, index: u32) -> AgentSlot {
        let generation = self.slots.get(index as usize).map_or(0, |slot| slot.generation);
        AgentSlot { index, generation }
    }

    pub(crate) fn find(&self, key: &AgentKey) -> Option<AgentSlot> {
        self.by_key.get(key).map(|index| self.slot_at(*index))
    }

    /// Every agent with its number, in no particular order.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u32, &Agent)> {
        let slots = (0..).zip(&self.slots);
        slots.filter_map(|(index, slot)| Some((index, slot.agent.as_ref()?)))
    }

    /// Adds an agent whose key is not there.
    pub(crate) fn join(&mut self, card: Arc<AgentCard>, status: AgentStatus) -> AgentSlot {
        self.revision += 1;
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            (self.slots.len() - 1) as u32
        });
        self.by_key.insert(card.key(), index);
        self.by_id.entry(card.id.clone()).or_default().insert(index);
        for capability in &card.capabilities {
            self.by_capability.entry(capability.name.clone()).or_default().insert(index);
        }
        let slot = &mut self.slots[index as usize];
        slot.generation += 1;
        slot.agent = Some(Agent::new(card, status));
        self.slot_at(index)
    }

    /// Takes out an agent.
    pub(crate) fn leave(&mut self, index: u32) -> Option<Agent> {
        let agent = self.slots.get_mut(index as usize)?.agent.take()?;
        self.revision += 1;
        self.vacant.push(index);
        self.by_key.remove(&agent.card.key());
        drop_from(&mut self.by_id, &agent.card.id, index);
        for capability in &agent.card.capabilities {
            drop_from(&mut self.by_capability, capability.name.as_str(), index);
        }
        Some(agent)
    }

    /// Whether an agent of this id is registered, in any version.
    pub(crate) fn knows(&self, id: &AgentId) -> bool {
        self.by_id.contains_key(id)
    }

    /// Whether any agent has a capability of this name.
    pub(crate) fn has_capability(&self, name: &str) -> bool {
        self.by_capability.contains_key(name)
    }

    /// The agents that meet a requirement, in order of their numbers.
    pub(crate) fn meeting(&self, requirement: &Requirement) -> Vec<u32> {
        let meets =
            |index: &u32| self.at(*index).is_some_and(|agent| requirement.is_met_by(&agent.card));
        if !requirement.agents.is_empty() {
            let named = requirement.agents.iter().filter_map(|id| self.by_id.get(id)).flatten();
            let known: BTreeSet<u32> = named.copied().filter(meets).collect();
            return known.into_iter().collect();
        }
        let capable =
            requirement.capabilities.iter().map(|known| self.by_capability.get(&known.name));
        let fewest = capable.min_by_key(|agents| agents.map_or(0, BTreeSet::len)).flatten();
        fewest.into_iter().flatten().copied().filter(meets).collect()
    }

    /// Every set of the required capabilities that some agent has between its own, as bits.
    pub(crate) fn coverings(&self, requirement: &Requirement) -> BTreeSet<u64> {
        let capable =
            requirement.capabilities.iter().filter_map(|c| self.by_capability.get(&c.name));
        let agents: BTreeSet<u32> = capable.flatten().copied().collect();
        let masks = agents.into_iter().filter_map(|index| self.at(index));
        masks.map(|agent| requirement.covered_by(&agent.card)).filter(|mask| *mask != 0).collect()
    }
}

fn drop_from<K, Q>(index: &mut HashMap<K, BTreeSet<u32>>, key: &Q, agent: u32)
where
    K: std::borrow::Borrow<Q> + std::hash::Hash + Eq,
    Q: std::hash::Hash + Eq + ?Sized,
{
    if let Some(agents) = index.get_mut(key) {
        agents.remove(&agent);
        if agents.is_empty() {
            index.remove(key);
        }
    }
}
