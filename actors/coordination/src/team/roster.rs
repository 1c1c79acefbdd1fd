//! Who is in a team, what each can do and holds.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use synod_agents::AgentId;

use super::setup::TeamMember;

/// A member and the pieces of work that it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seat {
    pub(super) member: TeamMember,
    pub(super) rank: u64,
    pub(super) works: BTreeSet<u64>,
}

/// The members.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Roster {
    seats: BTreeMap<String, Seat>,
    by_rank: BTreeMap<u64, String>,
    last_rank: u64,
}

impl Roster {
    pub(super) fn add(&mut self, member: TeamMember) {
        self.last_rank += 1;
        let (rank, name) = (self.last_rank, member.name.clone());
        self.by_rank.insert(rank, name.clone());
        self.seats.insert(name, Seat { member, rank, works: BTreeSet::new() });
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<Seat> {
        let seat = self.seats.remove(name)?;
        self.by_rank.remove(&seat.rank);
        Some(seat)
    }

    pub(super) fn len(&self) -> usize {
        self.seats.len()
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.seats.contains_key(name)
    }

    pub(super) fn has_role(&self, name: &str, role: &str) -> bool {
        self.seats.get(name).is_some_and(|seat| can(seat, role))
    }

    /// Where a member is reached that is an agent.
    pub(super) fn agent(&self, name: &str) -> Option<AgentId> {
        let seat = self.seats.get(name).filter(|seat| seat.member.agent)?;
        AgentId::new(&seat.member.name).ok()
    }

    pub(super) fn holds(&mut self, name: &str, work: u64) {
        if let Some(seat) = self.seats.get_mut(name) {
            seat.works.insert(work);
        }
    }

    pub(super) fn lets_go(&mut self, name: &str, work: u64) {
        if let Some(seat) = self.seats.get_mut(name) {
            seat.works.remove(&work);
        }
    }

    /// All, by rank.
    pub(super) fn seats(&self) -> impl Iterator<Item = &Seat> {
        self.by_rank.values().filter_map(|name| self.seats.get(name))
    }

    /// Those with a role, the least busy first, then by rank.
    pub(super) fn able(&self, role: &str) -> Vec<String> {
        let able = self.seats().filter(|seat| can(seat, role));
        let mut able: Vec<_> = able.map(|seat| (seat.works.len(), seat)).collect();
        able.sort_by_key(|(load, _)| *load);
        able.into_iter().map(|(_, seat)| seat.member.name.clone()).collect()
    }

    /// The least busy one with a role that is none of these.
    pub(super) fn another(&self, role: &str, tried: &BTreeSet<String>) -> Option<String> {
        let able = self.seats().filter(|seat| can(seat, role));
        let fresh = able.filter(|seat| !tried.contains(&seat.member.name));
        fresh.min_by_key(|seat| (seat.works.len(), seat.rank)).map(|of| of.member.name.clone())
    }

    /// Who has room for more than it holds.
    pub(super) fn vacancies(&self, capacity: u32) -> Vacancies<'_> {
        let mut vacancies = Vacancies { roster: self, capacity, by_role: BTreeMap::new() };
        for seat in self.seats.values() {
            vacancies.enter(seat, seat.works.len());
        }
        vacancies
    }
}

fn can(seat: &Seat, role: &str) -> bool {
    role.is_empty() || seat.member.roles.iter().any(|of| of == role)
}

/// Members with room, by role; the empty role is any.
pub(super) struct Vacancies<'a> {
    roster: &'a Roster,
    capacity: u32,
    by_role: BTreeMap<&'a str, BTreeSet<(usize, u64, &'a str)>>,
}

impl<'a> Vacancies<'a> {
    fn enter(&mut self, seat: &'a Seat, load: usize) {
        if load >= self.capacity as usize {
            return;
        }
        let place = (load, seat.rank, seat.member.name.as_str());
        for role in seat.member.roles.iter().map(String::as_str).chain([""]) {
            self.by_role.entry(role).or_default().insert(place);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_role.get("").is_none_or(BTreeSet::is_empty)
    }

    /// Takes the least busy one with a role, one that has not tried it if there is one.
    pub(super) fn take(&mut self, role: &str, tried: &BTreeSet<String>) -> Option<String> {
        let able = self.by_role.get(role)?;
        let fresh = able.iter().find(|(_, _, name)| !tried.contains(*name));
        let place = *fresh.or_else(|| able.first())?;
        let (load, _, name) = place;
        let roster = self.roster;
        let seat = roster.seats.get(name)?;
        for role in seat.member.roles.iter().map(String::as_str).chain([""]) {
            if let Some(able) = self.by_role.get_mut(role) {
                able.remove(&place);
            }
        }
        self.enter(seat, load + 1);
        Some(name.to_owned())
    }
}
