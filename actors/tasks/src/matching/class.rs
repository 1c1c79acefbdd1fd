//! A requirement class: the executions that ask the same of their agent, and who can do them.

use rand_chacha::ChaCha12Rng;

use super::free::Free;
use super::requirement::Requirement;
use super::standing::Standing;
use super::team::Team;
use crate::queue::Lanes;

/// One requirement, its queue and its agents.
#[derive(Debug, Default)]
pub(crate) struct Class {
    pub requirement: Requirement,
    /// What is queued.
    pub lanes: Lanes,
    /// Open parts that name this class; it is kept while there are any.
    pub references: u32,
    /// When it was last asked for, in steps of the classes' own clock.
    pub used: u64,
    /// Whether it is in the list of classes that may have something to dispatch.
    pub offered: bool,
    /// The team that was found last, and the roster's revision it was found in.
    pub team: Option<(u64, Result<Team, Vec<usize>>)>,
    members: Vec<Option<Member>>,
    vacant: Vec<u32>,
    free: Free,
    /// Rounds that are open for what was queued here.
    pub rounds: u64,
    /// The room of all its members, where they are asked.
    room: u64,
}

/// An agent that meets the requirement.
#[derive(Debug, Clone, Copy)]
struct Member {
    /// Its number in the roster.
    agent: u32,
    /// Its place in the order of named agents, where the requirement names them.
    rank: Option<usize>,
    /// While it is free: its level, and where in the level it is.
    free: Option<(usize, u32)>,
    /// Executions that it has room for, where the agents of the class are asked.
    room: u32,
}

impl Class {
    pub(crate) fn new(requirement: Requirement, used: u64) -> Self {
        Self { requirement, used, ..Self::default() }
    }

    /// Adds an agent, not yet free; says its number among the members.
    pub(crate) fn join(&mut self, agent: u32, rank: Option<usize>) -> u32 {
        let member = Member { agent, rank, free: None, room: 0 };
        if let Some(at) = self.vacant.pop() {
            self.members[at as usize] = Some(member);
            return at;
        }
        self.members.push(Some(member));
        (self.members.len() - 1) as u32
    }

    /// Takes out an agent.
    pub(crate) fn leave(&mut self, member: u32) {
        self.place(member, None);
        self.members[member as usize] = None;
        self.vacant.push(member);
    }

    /// Says that a member is free and how it stands, or that it isn't free. Named agents are taken
    /// in the order of their names, whatever was measured, unless another way of choosing is said.
    pub(crate) fn place(&mut self, member: u32, standing: Option<Standing>) {
        let Some(known) = self.members[member as usize] else { return };
        let allocation = self.requirement.allocation;
        if allocation.asks() {
            self.make_room(member, standing);
        }
        let level = standing.map(|standing| standing.level_by(allocation, known.rank));
        if known.free.map(|(level, _)| level) == level {
            return;
        }
        if let Some((old, at)) = known.free
            && let Some(moved) = self.free.take(old, at)
            && let Some(moved) = &mut self.members[moved as usize]
        {
            moved.free = Some((old, at));
        }
        let free = level.map(|level| (level, self.free.add(member, level)));
        if let Some(known) = &mut self.members[member as usize] {
            known.free = free;
        }
    }

    /// Notes how much room a member has.
    fn make_room(&mut self, member: u32, standing: Option<Standing>) {
        let Some(known) = &mut self.members[member as usize] else { return };
        let room = standing.map_or(0, |standing| standing.capacity - standing.running);
        self.room = self.room - u64::from(known.room) + u64::from(room);
        known.room = room;
    }

    /// Whether something is queued and somebody is free for it; where the agents are asked, no more
    /// rounds are open than there is room for what is decided in them.
    pub(crate) fn is_ready(&self) -> bool {
        !self.lanes.is_empty()
            && self.free.len() > 0
            && (!self.requirement.allocation.asks() || self.rounds < self.room)
    }

    /// Whether nobody meets the requirement, free or not.
    pub(crate) fn is_deserted(&self) -> bool {
        self.members.len() == self.vacant.len()
    }

    /// The best free agent, by chance among equals.
    pub(crate) fn best(&self, chance: &mut ChaCha12Rng) -> Option<u32> {
        self.free.best(chance).and_then(|member| self.agent_of(member))
    }

    /// Its free agents, the better before the worse.
    pub(super) fn free_by_level(&self, chance: &mut ChaCha12Rng) -> impl Iterator<Item = u32> {
        self.free.in_order(chance).filter_map(|member| self.agent_of(member))
    }

    /// A free agent by chance, each as likely as it weighs; see [`Free::weighted`].
    pub(super) fn weighted(
        &self,
        weight: impl Fn(u32) -> u64,
        chance: &mut ChaCha12Rng,
    ) -> Option<u32> {
        let weight = |member| self.agent_of(member).map_or(0, &weight);
        self.free.weighted(weight, chance).and_then(|member| self.agent_of(member))
    }

    /// Its agents, each with its number among the members.
    pub(crate) fn agents(&self) -> impl Iterator<Item = (u32, u32)> {
        let members = (0..).zip(&self.members);
        members.filter_map(|(at, member)| member.map(|member| (at, member.agent)))
    }

    fn agent_of(&self, member: u32) -> Option<u32> {
        self.members[member as usize].map(|member| member.agent)
    }
}
