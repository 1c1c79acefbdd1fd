//! How a group is shown.

use serde::Serialize;

use super::machine::Group;
use super::setup::GroupOutcome;
use crate::sync::leader::Leadership;

/// Most names in one list of a view; counts say how many there are.
const MAX_SHOWN: usize = 1_000;

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct GroupView {
    /// What it is for.
    pub purpose: String,
    /// How many members there are.
    pub member_count: u32,
    /// The first 1,000 of them, by rank.
    pub members: Vec<String>,
    /// Where members wait for each other.
    pub barriers: Vec<BarrierView>,
    /// What all go through; none when there are no phases.
    pub phases: Option<PhaseView>,
    /// Who leads; none when nobody does.
    pub leader: Option<LeaseView>,
    /// Until when it may last: UTC microseconds.
    pub until_us: i64,
    /// How it ended; none while it goes on.
    pub outcome: Option<GroupOutcome>,
}

/// A barrier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct BarrierView {
    /// Its name.
    pub name: String,
    /// How many it takes.
    pub parties: u32,
    /// Which generation those who come now belong to, from 1.
    pub generation: u64,
    /// How many wait.
    pub waiting_count: u32,
    /// The first 1,000 of them.
    pub waiting: Vec<String>,
    /// Why it is broken, if it is.
    pub broken: Option<String>,
}

/// Where the phases stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct PhaseView {
    /// All, in order.
    pub names: Vec<String>,
    /// The one that goes on; none when all are over.
    pub current: Option<String>,
    /// How many are done with it.
    pub done_count: u32,
    /// Until when it may last: UTC microseconds.
    pub until_us: Option<i64>,
    /// Why it failed, if it did.
    pub failed: Option<String>,
}

/// Who leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LeaseView {
    /// Who.
    pub holder: String,
    /// The fencing token.
    pub token: u64,
    /// Until when: UTC microseconds.
    pub until_us: i64,
}

impl GroupView {
    pub(super) fn of(group: &Group) -> Self {
        let names = group.members.values().map(|member| member.name.clone());
        let barriers = group.barriers.iter().map(|(name, barrier)| BarrierView {
            name: name.clone(),
            parties: barrier.parties(),
            generation: barrier.generation(),
            waiting_count: barrier.waiting().count() as u32,
            waiting: barrier.waiting().take(MAX_SHOWN).map(str::to_owned).collect(),
            broken: barrier.broken().map(str::to_owned),
        });
        let phases = &group.phases;
        let phases = (!phases.names().is_empty()).then(|| PhaseView {
            names: phases.names().to_vec(),
            current: phases.current().map(str::to_owned),
            done_count: phases.done_by().count() as u32,
            until_us: phases.until().map(|until| until.0),
            failed: phases.failed().map(str::to_owned),
        });
        let lease = group.leadership.as_ref().and_then(Leadership::lease);
        Self {
            purpose: group.purpose.clone(),
            member_count: group.members.len() as u32,
            members: names.take(MAX_SHOWN).collect(),
            barriers: barriers.collect(),
            phases,
            leader: lease.map(|lease| LeaseView {
                holder: lease.holder.clone(),
                token: lease.token,
                until_us: lease.until.0,
            }),
            until_us: group.until.0,
            outcome: group.outcome.clone(),
        }
    }
}
