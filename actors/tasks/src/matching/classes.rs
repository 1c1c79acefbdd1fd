//! All requirement classes, and which of them is served next.
//!
//! A class is touched only when something of it can move: it is *offered* when it has work and a
//! free agent, and work that waits for an agent that isn't there costs nothing and blocks nobody.

use std::cmp::Reverse;
use std::collections::HashMap;

use synod_agents::{AgentCard, AgentId};

use super::class::Class;
use super::requirement::Requirement;

/// Names a class, as long as an open part refers to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ClassId(u32);

impl ClassId {
    /// No class.
    pub(crate) const NONE: Self = Self(u32::MAX);
}

/// More different requirements are in use than the limit allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooManyRequirements;

/// The classes.
#[derive(Debug)]
pub(crate) struct Classes {
    all: Vec<Option<Class>>,
    vacant: Vec<u32>,
    by_requirement: HashMap<Requirement, ClassId>,
    /// Classes without named agents, by the first capability that they require.
    by_capability: HashMap<String, Vec<ClassId>>,
    /// Classes with named agents, by each name.
    by_agent: HashMap<AgentId, Vec<ClassId>>,
    offered: Vec<ClassId>,
    limit: usize,
    clock: u64,
}

impl Classes {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            all: Vec::new(),
            vacant: Vec::new(),
            by_requirement: HashMap::new(),
            by_capability: HashMap::new(),
            by_agent: HashMap::new(),
            offered: Vec::new(),
            limit,
            clock: 0,
        }
    }

    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    pub(crate) fn get(&self, id: ClassId) -> Option<&Class> {
        self.all.get(id.0 as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: ClassId) -> Option<&mut Class> {
        self.all.get_mut(id.0 as usize)?.as_mut()
    }

    /// The class of this requirement, if there is one.
    pub(crate) fn find(&mut self, requirement: &Requirement) -> Option<ClassId> {
        self.clock += 1;
        let id = *self.by_requirement.get(requirement)?;
        let clock = self.clock;
        if let Some(class) = self.get_mut(id) {
            class.used = clock;
        }
        Some(id)
    }

    /// Makes a class, still without agents.
    pub(crate) fn insert(&mut self, requirement: &Requirement) -> ClassId {
        let class = Class::new(requirement.clone(), self.clock);
        let id = match self.vacant.pop() {
            Some(at) => {
                self.all[at as usize] = Some(class);
                ClassId(at)
            }
            None => {
                self.all.push(Some(class));
                ClassId((self.all.len() - 1) as u32)
            }
        };
        self.by_requirement.insert(requirement.clone(), id);
        for agent in &requirement.agents {
            self.by_agent.entry(agent.clone()).or_default().push(id);
        }
        if let (true, Some(first)) =
            (requirement.agents.is_empty(), requirement.capabilities.first())
        {
            self.by_capability.entry(first.name.clone()).or_default().push(id);
        }
        id
    }

    /// Whether another class needs room to be made first.
    pub(crate) fn is_full(&self) -> bool {
        self.by_requirement.len() >= self.limit
    }

    /// The classes nobody refers to, those first that were not asked for the longest; at most an
    /// eighth of the limit, so that the search for them is paid for by as many new classes.
    pub(crate) fn idle(&self) -> Vec<ClassId> {
        let known = self.by_requirement.values().filter_map(|id| Some((*id, self.get(*id)?)));
        let mut idle: Vec<_> = known
            .filter(|(_, class)| class.references == 0)
            .map(|(id, class)| (class.used, id))
            .collect();
        idle.sort_unstable();
        idle.truncate(self.limit / 8 + 1);
        idle.into_iter().map(|(_, id)| id).collect()
    }

    /// Takes out a class.
    pub(crate) fn remove(&mut self, id: ClassId) -> Option<Class> {
        let class = self.all.get_mut(id.0 as usize)?.take()?;
        self.vacant.push(id.0);
        self.offered.retain(|offered| *offered != id);
        self.by_requirement.remove(&class.requirement);
        for agent in &class.requirement.agents {
            forget(&mut self.by_agent, agent, id);
        }
        if let Some(first) = class.requirement.capabilities.first() {
            forget(&mut self.by_capability, first.name.as_str(), id);
        }
        Some(class)
    }

    /// The classes whose requirement the agent of this card meets.
    pub(crate) fn met_by(&self, card: &AgentCard) -> Vec<ClassId> {
        let named = self.by_agent.get(&card.id).into_iter().flatten();
        let capabilities = card.capabilities.iter();
        let capable =
            capabilities.filter_map(|known| self.by_capability.get(&known.name)).flatten();
        let mut met: Vec<_> = named
            .chain(capable)
            .copied()
            .filter(|id| self.get(*id).is_some_and(|class| class.requirement.is_met_by(card)))
            .collect();
        met.sort_unstable();
        met.dedup();
        met
    }

    /// The classes that name this agent, among others or alone.
    pub(crate) fn naming(&self, agent: &AgentId) -> impl Iterator<Item = &Class> {
        let known = self.by_agent.get(agent).into_iter().flatten();
        known.filter_map(|id| self.get(*id))
    }

    /// Puts the class on the list if it has work and somebody for it.
    pub(crate) fn offer(&mut self, id: ClassId) {
        if let Some(class) = self.get_mut(id)
            && !class.offered
            && class.is_ready()
        {
            class.offered = true;
            self.offered.push(id);
        }
    }

    /// The class and the lane to serve next: the most urgent lane that can be served; among
    /// equals, and before all, one that has been overtaken most often. A lane that could have been
    /// served and was overtaken `limit` times comes next, so with `n` lanes competing none is
    /// overtaken more than `limit + n` times in a row.
    pub(crate) fn pick(&mut self, limit: u32) -> Option<(ClassId, usize)> {
        self.drop_unready();
        let waiting = self.offered.iter().filter_map(|id| Some((*id, self.get(*id)?)));
        let lanes = waiting.flat_map(|(id, class)| {
            class.lanes.waiting().map(move |(lane, overtaken)| (id, lane, overtaken))
        });
        let (picked, lane, _) = lanes.min_by_key(|(id, lane, overtaken)| {
            let overdue = *overtaken >= limit;
            (!overdue, if overdue { 0 } else { *lane }, Reverse(*overtaken), *id)
        })?;
        for at in 0..self.offered.len() {
            let id = self.offered[at];
            if let Some(class) = self.get_mut(id) {
                class.lanes.overtake((id == picked).then_some(lane));
            }
        }
        Some((picked, lane))
    }

    fn drop_unready(&mut self) {
        let all = &mut self.all;
        self.offered.retain(|id| {
            let Some(class) = &mut all[id.0 as usize] else { return false };
            class.offered = class.is_ready();
            class.offered
        });
    }
}

fn forget<K, Q>(index: &mut HashMap<K, Vec<ClassId>>, key: &Q, id: ClassId)
where
    K: std::borrow::Borrow<Q> + std::hash::Hash + Eq,
    Q: std::hash::Hash + Eq + ?Sized,
{
    if let Some(classes) = index.get_mut(key) {
        classes.retain(|known| *known != id);
        if classes.is_empty() {
            index.remove(key);
        }
    }
}
