//! What a group is opened with, what it is told, and how it ends.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::bounds::{MAX_PARTICIPANTS, MAX_TEXT, MAX_WAIT_MS, longest, within};
use crate::protocol::Refusal;
use crate::sync::barrier::Arrival;
use crate::sync::phase::{Moved, Needed};

/// Most barriers, and most phases.
const MAX_PARTS: usize = 1_000;
/// Bytes of the longest name.
pub(crate) const MAX_NAME: usize = 128;

/// What a group is opened with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GroupSetup {
    /// What it is for, for people; at most 4 KiB.
    pub purpose: String,
    /// Who is in it at first: 1 to 100,000, each once, the first in rank first.
    pub members: Vec<GroupMember>,
    /// Where members wait for each other; at most 1,000.
    pub barriers: Vec<BarrierSetup>,
    /// What all go through together; none when there are no phases.
    pub phases: PhaseSetup,
    /// Milliseconds that a leader leads without renewing, 1 to a week; 0: there is no leader.
    pub lease_ms: u64,
    /// Milliseconds that the group may last; 1 to a week. Default an hour.
    pub lasts_ms: u64,
}

impl Default for GroupSetup {
    fn default() -> Self {
        Self {
            purpose: String::new(),
            members: Vec::new(),
            barriers: Vec::new(),
            phases: PhaseSetup::default(),
            lease_ms: 0,
            lasts_ms: 3_600_000,
        }
    }
}

/// A member.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GroupMember {
    /// Its name; an agent's id when it is one.
    pub name: String,
    /// Whether it is an agent that is told of what happens.
    pub agent: bool,
}

impl GroupMember {
    /// An agent.
    #[must_use]
    pub fn agent(name: impl Into<String>) -> Self {
        Self { name: name.into(), agent: true }
    }
}

/// A place where members wait for each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BarrierSetup {
    /// Its name.
    pub name: String,
    /// How many it takes, 1 to 100,000; 0, the default: as many as there are members at first.
    pub parties: u32,
    /// Milliseconds that the first may wait for the last; 1 to a week. Default 60 s.
    pub within_ms: u64,
}

impl Default for BarrierSetup {
    fn default() -> Self {
        Self { name: String::new(), parties: 0, within_ms: 60_000 }
    }
}

/// What all go through together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PhaseSetup {
    /// Their names, in order; at most 1,000, each once.
    pub names: Vec<String>,
    /// How many have to be done with one; default all.
    pub needed: Needed,
    /// Milliseconds that each may last; 1 to a week. Default 600 s.
    pub within_ms: u64,
}

impl Default for PhaseSetup {
    fn default() -> Self {
        Self { names: Vec::new(), needed: Needed::All, within_ms: 600_000 }
    }
}

impl GroupSetup {
    pub(super) fn check(&self) -> Result<(), Refusal> {
        longest("purpose", &self.purpose, MAX_TEXT)?;
        within("lasts_ms", self.lasts_ms, 1, MAX_WAIT_MS)?;
        within("lease_ms", self.lease_ms, 0, MAX_WAIT_MS)?;
        let (found, most) = (self.members.len(), MAX_PARTICIPANTS);
        within("members", found as u64, 1, most as u64)?;
        names("members", self.members.iter().map(|member| member.name.as_str()))?;
        for (at, member) in self.members.iter().enumerate() {
            member.check(&format!("members[{at}]"))?;
        }
        within("barriers", self.barriers.len() as u64, 0, MAX_PARTS as u64)?;
        names("barriers", self.barriers.iter().map(|barrier| barrier.name.as_str()))?;
        for (at, barrier) in self.barriers.iter().enumerate() {
            let parties = u64::from(barrier.parties);
            within(&format!("barriers[{at}].parties"), parties, 0, most as u64)?;
            within(&format!("barriers[{at}].within_ms"), barrier.within_ms, 1, MAX_WAIT_MS)?;
        }
        within("phases.names", self.phases.names.len() as u64, 0, MAX_PARTS as u64)?;
        names("phases.names", self.phases.names.iter().map(String::as_str))?;
        within("phases.within_ms", self.phases.within_ms, 1, MAX_WAIT_MS)?;
        match self.phases.needed {
            Needed::Quorum(0) => {
                Err(Refusal::invalid("phases.needed.quorum", "0, expected 1 or more"))
            }
            _ => Ok(()),
        }
    }
}

impl GroupMember {
    pub(super) fn check(&self, field: &str) -> Result<(), Refusal> {
        name(&format!("{field}.name"), &self.name)?;
        if self.agent && synod_agents::AgentId::new(&self.name).is_err() {
            let reason = format!("'{}', expected the id of an agent", self.name);
            return Err(Refusal::invalid(format!("{field}.name"), reason));
        }
        Ok(())
    }
}

/// Refuses what is no name.
pub(crate) fn name(field: &str, name: &str) -> Result<(), Refusal> {
    if name.trim().is_empty() {
        return Err(Refusal::invalid(field, "empty, expected a name"));
    }
    if name.chars().any(char::is_control) {
        return Err(Refusal::invalid(field, "a control character, expected a name without"));
    }
    longest(field, name, MAX_NAME)
}

/// Refuses what are no names, or one given twice.
pub(crate) fn names<'a>(field: &str, all: impl Iterator<Item = &'a str>) -> Result<(), Refusal> {
    let mut seen = BTreeSet::new();
    for (at, one) in all.enumerate() {
        name(&format!("{field}[{at}]"), one)?;
        if !seen.insert(one) {
            let reason = format!("'{one}' is there before, expected each once");
            return Err(Refusal::invalid(format!("{field}[{at}]"), reason));
        }
    }
    Ok(())
}

/// What a group is told.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupInput {
    /// Somebody joins, the last in rank.
    Join {
        /// Who.
        member: GroupMember,
    },
    /// A member leaves.
    Leave {
        /// Who.
        member: String,
    },
    /// A member is dead; said by a node, or by whoever opened the group.
    Died {
        /// Who.
        member: String,
        /// How that is known.
        reason: String,
    },
    /// A member has come to a barrier.
    Arrive {
        /// Who.
        member: String,
        /// Which barrier.
        barrier: String,
    },
    /// A broken barrier is to be used again; those who waited have to come again.
    Reset {
        /// Which member wants it.
        member: String,
        /// Which barrier.
        barrier: String,
    },
    /// A member is done with a phase.
    Done {
        /// Who.
        member: String,
        /// Which phase.
        phase: String,
    },
    /// The leader goes on.
    Renew {
        /// Who leads.
        member: String,
        /// Its token.
        token: u64,
    },
    /// The leader steps down.
    StepDown {
        /// Who leads.
        member: String,
        /// Its token.
        token: u64,
    },
    /// The group is no longer needed; said by its leader, a node, or whoever opened it.
    Close {
        /// Why.
        reason: String,
    },
}

/// What whoever told a group something hears.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupAnswer {
    /// It is noted; so many members are there now.
    Members(u32),
    /// What the arrival came to.
    Arrival(Arrival),
    /// The barrier is whole; its generation.
    Reset(u64),
    /// What the phase came to.
    Phase(Moved),
    /// The leader has until then: UTC microseconds.
    Leads(i64),
    /// Another leads now, or nobody.
    SteppedDown,
    /// The group has ended.
    Closed,
}

/// How a group ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupOutcome {
    /// It was closed: why.
    Closed(String),
    /// Its time is over.
    Expired,
    /// Nobody is left.
    Deserted,
}
