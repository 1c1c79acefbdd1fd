//! Who can do what, who is free, and what is to be done next.
//!
//! Work is queued by *requirement class*: executions that ask the same of their agent. A class
//! knows its members, and the free ones among them by measured level, so that finding the next
//! execution and the best agent for it does not depend on how much is queued or how many agents
//! there are: constant time for the choice, time linear in the number of classes an agent belongs
//! to when it becomes free or busy. Only a requirement that is new is compared with all agents
//! that have its rarest capability.

mod asking;
mod class;
mod classes;
mod free;
mod requirement;
mod resting;
mod roster;
mod score;
mod standing;
mod team;
#[cfg(test)]
mod tests;

pub(crate) use classes::{ClassId, TooManyRequirements};
pub(crate) use requirement::Requirement;
pub(crate) use roster::{Agent, AgentSlot};
pub(crate) use team::Team;

use std::collections::BTreeSet;
use std::sync::Arc;

use rand_chacha::ChaCha12Rng;
use synod_agents::{AgentCard, AgentId, AgentKey, AgentStatus};
use synod_runtime::Priority;

use self::class::Class;
use self::classes::Classes;
use self::roster::Roster;
use crate::queue::{Place, Weights};
use crate::task::TaskId;

/// How an execution went, as far as the choice of agents is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Showing {
    /// It succeeded, after this many microseconds.
    Succeeded(u64),
    /// It failed, after this many microseconds.
    Failed(u64),
    /// It was lost.
    Lost,
    /// The agent took no work; it says when to ask again, in microseconds.
    Refused(Option<u64>),
    /// It says nothing about the agent: cancelled, or never sent.
    Nothing,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// This is given to this agent, which is busy with it from here on.
    Given(Match),
    /// The agents of this class are to be asked who does it; a round of it is open from here on.
    Asked { task: TaskId, part: u16, class: ClassId },
}

/// What is to be dispatched next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Match {
    pub task: TaskId,
    pub part: u16,
    pub agent: AgentSlot,
}

/// Agents, requirement classes and their queues.
#[derive(Debug)]
pub(crate) struct Matching {
    roster: Roster,
    classes: Classes,
    /// Agents that are left alone, by when that ends.
    resting: BTreeSet<(u64, AgentSlot)>,
    queued: [usize; Priority::COUNT],
}

impl Matching {
    /// `requirements` is the most classes that are kept.
    pub(crate) fn new(requirements: usize) -> Self {
        Self {
            roster: Roster::default(),
            classes: Classes::new(requirements),
            resting: BTreeSet::new(),
            queued: [0; Priority::COUNT],
        }
    }

    /// Sets the most classes that are kept from now on.
    pub(crate) fn set_requirements(&mut self, most: usize) {
        self.classes.set_limit(most);
    }

    /// How many agents there are.
    pub(crate) fn agents(&self) -> usize {
        self.roster.len()
    }

    /// Every agent, in no particular order.
    pub(crate) fn roster(&self) -> impl Iterator<Item = &Agent> {
        self.roster.all().map(|(_, agent)| agent)
    }

    pub(crate) fn agent(&self, slot: AgentSlot) -> Option<&Agent> {
        self.roster.get(slot)
    }

    /// How much is queued, by lane.
    pub(crate) fn queued(&self) -> [usize; Priority::COUNT] {
        self.queued
    }

    /// Adds an agent; one of the same key is replaced.
    pub(crate) fn join(&mut self, card: Arc<AgentCard>, status: AgentStatus) -> AgentSlot {
        self.leave(&card.key());
        let slot = self.roster.join(card.clone(), status);
        for id in self.classes.met_by(&card) {
            self.enlist(id, slot.index);
        }
        self.refresh(slot.index);
        slot
    }

    /// Takes out an agent; false when there is none of this key. What it has in hand answers for
    /// itself.
    pub(crate) fn leave(&mut self, key: &AgentKey) -> bool {
        let Some(slot) = self.roster.find(key) else { return false };
        let Some(agent) = self.roster.leave(slot.index) else { return false };
        for (id, member) in agent.memberships {
            if let Some(class) = self.classes.get_mut(id) {
                class.leave(member);
            }
        }
        true
    }

    /// What is queued for this agent alone, and nobody there to do it.
    pub(crate) fn stranded(&self, agent: &AgentId) -> Vec<(TaskId, u16)> {
        let classes = self.classes.naming(agent);
        let deserted = classes.filter(|class| {
            class.is_deserted()
                && class.requirement.agents.as_slice() == std::slice::from_ref(agent)
        });
        deserted.flat_map(|class| class.lanes.entries()).collect()
    }

    pub(crate) fn set_status(&mut self, key: &AgentKey, status: AgentStatus) {
        let Some(slot) = self.roster.find(key) else { return };
        if let Some(agent) = self.roster.get_mut(slot) {
            agent.status = status;
        }
        self.refresh(slot.index);
    }

    pub(crate) fn find(&self, key: &AgentKey) -> Option<AgentSlot> {
        self.roster.find(key)
    }

    /// Whether an agent of this id is registered, in any version.
    pub(crate) fn knows(&self, id: &AgentId) -> bool {
        self.roster.knows(id)
    }

    /// Whether any agent has a capability of this name.
    pub(crate) fn has_capability(&self, name: &str) -> bool {
        self.roster.has_capability(name)
    }

    /// The class of a requirement; made when it is new.
    pub(crate) fn class_of(
        &mut self,
        requirement: &Requirement,
    ) -> Result<ClassId, TooManyRequirements> {
        if let Some(id) = self.classes.find(requirement) {
            return Ok(id);
        }
        if self.classes.is_full() {
            for id in self.classes.idle() {
                self.disband(id);
            }
            if self.classes.is_full() {
                return Err(TooManyRequirements);
            }
        }
        let id = self.classes.insert(requirement);
        for index in self.roster.meeting(requirement) {
            self.enlist(id, index);
            self.refresh(index);
        }
        Ok(id)
    }

    /// Notes that one more open part names the class.
    pub(crate) fn hold(&mut self, id: ClassId) {
        if let Some(class) = self.classes.get_mut(id) {
            class.references += 1;
        }
    }

    /// Notes that one part fewer names the class.
    pub(crate) fn let_go(&mut self, id: ClassId) {
        if let Some(class) = self.classes.get_mut(id) {
            class.references = class.references.saturating_sub(1);
        }
    }

    /// The registered agents that meet the requirement of the class, free or not.
    pub(crate) fn capable(&self, id: ClassId) -> impl Iterator<Item = &Agent> {
        let members = self.classes.get(id).into_iter().flat_map(Class::agents);
        members.filter_map(|(_, index)| self.roster.at(index))
    }

    /// Whether any registered agent meets the requirement of the class, free or not.
    pub(crate) fn is_served(&self, id: ClassId) -> bool {
        self.classes.get(id).is_some_and(|class| !class.is_deserted())
    }

    /// Up to `count` different agents (by id) that meet the requirement of the class: free ones as
    /// it chooses, then others.
    pub(crate) fn choose(
        &self,
        id: ClassId,
        count: usize,
        chance: &mut ChaCha12Rng,
    ) -> Vec<AgentId> {
        let mut chosen: Vec<AgentId> = Vec::with_capacity(count);
        let Some(class) = self.classes.get(id) else { return chosen };
        let free = class.in_turn(&self.roster, chance);
        for index in free.chain(class.agents().map(|(_, agent)| agent)) {
            if chosen.len() == count {
                break;
            }
            if let Some(agent) = self.roster.at(index)
                && !chosen.contains(&agent.card.id)
            {
                chosen.push(agent.card.id.clone());
            }
        }
        chosen
    }

    /// The smallest team that has all capabilities of the class's requirement; found anew only
    /// when agents have come or gone.
    ///
    /// # Errors
    /// The capabilities nobody has, by index.
    pub(crate) fn team(&mut self, id: ClassId) -> Result<Team, Vec<usize>> {
        let revision = self.roster.revision();
        let Some(class) = self.classes.get_mut(id) else { return Err(Vec::new()) };
        if let Some((found_in, team)) = &class.team
            && *found_in == revision
        {
            return team.clone();
        }
        let masks = self.roster.coverings(&class.requirement);
        let team = team::smallest(&masks, class.requirement.capabilities.len());
        class.team = Some((revision, team.clone()));
        team
    }

    /// Queues an execution.
    pub(crate) fn queue(
        &mut self,
        id: ClassId,
        priority: Priority,
        tenant: &Arc<str>,
        place: Place,
        task: TaskId,
    ) {
        let Some(class) = self.classes.get_mut(id) else { return };
        let before = class.lanes.len();
        class.lanes.push(priority, tenant, place, task);
        self.queued[priority.lane()] += class.lanes.len() - before;
        self.classes.offer(id);
    }

    /// Takes an execution out of the queue, if it is there.
    pub(crate) fn unqueue(&mut self, id: ClassId, priority: Priority, tenant: &str, place: Place) {
        let Some(class) = self.classes.get_mut(id) else { return };
        if class.lanes.remove(priority, tenant, place) {
            self.queued[priority.lane()] -= 1;
        }
    }

    /// What can be given out next, and to whom.
    /// `limit`: how often a lane may be overtaken, see [`Classes::pick`].
    pub(crate) fn next(
        &mut self,
        limit: u32,
        weights: &Weights,
        chance: &mut ChaCha12Rng,
    ) -> Option<Next> {
        let (id, lane) = self.classes.pick(limit)?;
        let class = self.classes.get_mut(id)?;
        if class.requirement.allocation.asks() {
            let (task, part) = class.lanes.pop(lane, weights)?;
            class.rounds += 1;
            self.queued[lane] -= 1;
            return Some(Next::Asked { task, part, class: id });
        }
        let index = class.choice(&self.roster, chance)?;
        let (task, part) = class.lanes.pop(lane, weights)?;
        self.queued[lane] -= 1;
        if let Some(agent) = self.roster.at_mut(index) {
            agent.running += 1;
        }
        self.refresh(index);
        Some(Next::Given(Match { task, part, agent: self.roster.slot_at(index) }))
    }

    /// Takes back what an agent had in hand, and what it showed. A generation that is gone is
    /// ignored.
    pub(crate) fn release(&mut self, slot: AgentSlot, showing: Showing, now: u64) {
        let Some(agent) = self.roster.get_mut(slot) else { return };
        agent.running = agent.running.saturating_sub(1);
        if !matches!(showing, Showing::Refused(_) | Showing::Nothing) {
            agent.refusals = 0;
        }
        match showing {
            Showing::Succeeded(ran_us) => {
                agent.counts.completed += 1;
                agent.measure.record(ran_us, true);
            }
            Showing::Failed(ran_us) => {
                agent.counts.failed += 1;
                agent.measure.record(ran_us, false);
            }
            Showing::Lost => agent.counts.lost += 1,
            Showing::Refused(wait) => self.refused(slot, wait, now),
            Showing::Nothing => {}
        }
        self.refresh(slot.index);
    }

    /// Forgets everything that is queued, and every class; the agents stay, and so does what they
    /// have in hand.
    pub(crate) fn clear_queues(&mut self, requirements: usize) {
        self.classes = Classes::new(requirements);
        self.queued = [0; Priority::COUNT];
        let all: Vec<u32> = self.roster.all().map(|(index, _)| index).collect();
        for index in all {
            if let Some(agent) = self.roster.at_mut(index) {
                agent.memberships.clear();
            }
        }
    }

    fn enlist(&mut self, id: ClassId, index: u32) {
        let Some(class) = self.classes.get_mut(id) else { return };
        let Some(agent) = self.roster.at_mut(index) else { return };
        let rank = class.requirement.rank_of(&agent.card.id);
        let member = class.join(index, rank);
        agent.memberships.push((id, member));
    }

    fn disband(&mut self, id: ClassId) {
        let Some(class) = self.classes.remove(id) else { return };
        for (_, index) in class.agents() {
            if let Some(agent) = self.roster.at_mut(index) {
                agent.memberships.retain(|(known, _)| *known != id);
            }
        }
    }

    /// Tells the agent's classes how it stands.
    fn refresh(&mut self, index: u32) {
        let Some(agent) = self.roster.at(index) else { return };
        let standing = agent.standing();
        for (id, member) in &agent.memberships {
            if let Some(class) = self.classes.get_mut(*id) {
                class.place(*member, standing);
            }
            if standing.is_some() {
                self.classes.offer(*id);
            }
        }
    }
}
