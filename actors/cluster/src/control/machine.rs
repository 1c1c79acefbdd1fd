//! How commands change what the cluster agrees on. Pure: times come with the commands.

use std::collections::BTreeMap;

use super::command::{ControlAnswer, ControlCommand, ControlRefusal, Seats};
use super::leases::{FencingToken, LEASE_LIMIT, LEASE_RANGE_US, Lease, LeaseName, RENEWAL_LIMIT};
use super::member::Member;
use super::shards::ShardTable;
use super::state::ControlState;
use crate::consensus::{GROUP_LIMIT, GroupId, StorageId};
use crate::node::{ClusterId, NodeId, NodeRecord};

/// Members that a cluster may have.
const MEMBER_LIMIT: usize = 1_000;

type Applied = Result<ControlAnswer, ControlRefusal>;

impl ControlState {
    /// Applies a command that stands at `token` in the log. A refusal changes nothing.
    pub(crate) fn apply(&mut self, command: ControlCommand, token: FencingToken) -> ControlAnswer {
        self.take(command, token).unwrap_or_else(ControlAnswer::Refused)
    }

    fn take(&mut self, mut command: ControlCommand, token: FencingToken) -> Applied {
        if let Some(at_us) = command.at_us() {
            // A new leader's clock may be behind its predecessor's.
            self.clock_us = self.clock_us.max(*at_us);
            *at_us = self.clock_us;
        }
        if let ControlCommand::Form { cluster, groups, founder, storage, at_us } = command {
            return self.form(cluster, groups, founder, storage, at_us);
        }
        if self.cluster.is_none() {
            return Err(ControlRefusal::NotFormed);
        }
        match command {
            ControlCommand::Form { .. } => Err(ControlRefusal::AlreadyFormed),
            ControlCommand::Admit { record, storage, at_us } => self.admit(record, storage, at_us),
            ControlCommand::Mark { node, up, at_us } => self.mark(node, up, at_us),
            ControlCommand::Drain { node, draining } => {
                self.change(node, |member| member.draining = draining)
            }
            ControlCommand::Remove { node } => self.remove(node),
            ControlCommand::Seat { epoch, seats } => self.seat(epoch, seats),
            ControlCommand::Spread { epoch } => self.spread(epoch),
            ControlCommand::Acquire { name, holder, for_us, at_us } => {
                self.acquire(name, holder, for_us, at_us, token)
            }
            ControlCommand::Release { name, token } => {
                if self.leases.get(&name).is_some_and(|lease| lease.token == token) {
                    self.leases.remove(&name);
                }
                Ok(self.done())
            }
            ControlCommand::Expire { at_us } => {
                self.leases.retain(|_, lease| lease.until_us > at_us);
                Ok(self.done())
            }
            ControlCommand::Renew { holder, leases, at_us } => self.renew(holder, leases, at_us),
        }
    }

    fn form(
        &mut self,
        cluster: ClusterId,
        groups: u32,
        founder: NodeRecord,
        storage: StorageId,
        at_us: i64,
    ) -> Applied {
        if self.cluster.is_some() {
            return Err(ControlRefusal::AlreadyFormed);
        }
        if !(1..=GROUP_LIMIT).contains(&groups) {
            let (what, limit) = ("number of work groups".to_owned(), GROUP_LIMIT.into());
            return Err(ControlRefusal::Limit { what, found: groups.into(), limit });
        }
        let node = founder.id;
        (self.cluster, self.groups) = (Some(cluster), groups);
        let seats = Seats { voters: [node].into(), preferred: Some(node), pinned: false };
        self.seats = (0..=groups).map(|group| (GroupId(group), seats.clone())).collect();
        self.members.insert(node, admitted(founder, storage, at_us));
        self.shards = self.shards.spread(&self.weights()).unwrap_or_default();
        Ok(self.changed())
    }

    fn admit(&mut self, record: NodeRecord, storage: StorageId, at_us: i64) -> Applied {
        let taken = self
            .members
            .values()
            .find(|member| member.record.name == record.name && member.record.id != record.id);
        if let Some(member) = taken {
            let (name, node) = (record.name.to_string(), member.record.id);
            return Err(ControlRefusal::NameTaken { name, node });
        }
        let full = self.members.len() >= MEMBER_LIMIT;
        match self.members.get_mut(&record.id) {
            None if full => {
                let (what, limit) = ("number of members".to_owned(), MEMBER_LIMIT as u64);
                return Err(ControlRefusal::Limit { what, found: limit + 1, limit });
            }
            None => {
                self.members.insert(record.id, admitted(record, storage, at_us));
            }
            Some(member) if member.storage != storage => return Err(ControlRefusal::Forgetful),
            Some(member) if record.incarnation < member.record.incarnation => {
                return Err(ControlRefusal::Outdated);
            }
            Some(member) => {
                (member.record, member.down_since_us) = (record, None);
            }
        }
        Ok(self.changed())
    }

    fn mark(&mut self, node: NodeId, up: bool, at_us: i64) -> Applied {
        let member = self.members.get_mut(&node).ok_or(ControlRefusal::NotMember(node))?;
        if member.down_since_us.is_none() == up {
            return Ok(self.done());
        }
        member.down_since_us = (!up).then_some(at_us);
        Ok(self.changed())
    }

    fn change(&mut self, node: NodeId, with: impl FnOnce(&mut Member)) -> Applied {
        with(self.members.get_mut(&node).ok_or(ControlRefusal::NotMember(node))?);
        Ok(self.changed())
    }

    fn remove(&mut self, node: NodeId) -> Applied {
        self.members.remove(&node).ok_or(ControlRefusal::NotMember(node))?;
        for seats in self.seats.values_mut() {
            // The last voter stays: without it the group could never change again.
            if seats.voters.len() > 1 {
                seats.voters.remove(&node);
            }
            seats.preferred = seats.preferred.filter(|preferred| *preferred != node);
        }
        self.leases.retain(|_, lease| lease.holder != node);
        Ok(self.changed())
    }

    fn seat(&mut self, epoch: u64, seats: BTreeMap<GroupId, Seats>) -> Applied {
        if epoch != self.epoch {
            return Err(ControlRefusal::Stale { current: self.epoch });
        }
        let is_known = |group: &GroupId| group.0 <= self.groups;
        for (group, seats) in &seats {
            let unknown = seats.voters.iter().find(|node| !self.members.contains_key(*node));
            if let Some(unknown) = unknown {
                return Err(ControlRefusal::NotMember(*unknown));
            }
            if !is_known(group) || seats.voters.is_empty() {
                let (what, found) = ("group or its voters".to_owned(), group.0.into());
                return Err(ControlRefusal::Limit { what, found, limit: self.groups.into() });
            }
        }
        self.seats.extend(seats);
        Ok(self.changed())
    }

    fn spread(&mut self, epoch: u64) -> Applied {
        if epoch != self.shards.epoch {
            return Err(ControlRefusal::Stale { current: self.shards.epoch });
        }
        if let Some(table) = self.shards.spread(&self.weights()) {
            self.shards = table;
        }
        Ok(self.done())
    }

    fn acquire(
        &mut self,
        name: LeaseName,
        holder: NodeId,
        for_us: u64,
        at_us: i64,
        token: FencingToken,
    ) -> Applied {
        check_duration(for_us)?;
        if !self.members.contains_key(&holder) {
            return Err(ControlRefusal::NotMember(holder));
        }
        let until_us = until(at_us, for_us);
        let full = self.leases.len() >= LEASE_LIMIT;
        match self.leases.get_mut(&name) {
            Some(lease) if lease.holder == holder && lease.until_us > at_us => {
                // A renewal keeps the fence, and never shortens.
                lease.until_us = lease.until_us.max(until_us);
                return Ok(ControlAnswer::Leased { token: lease.token, until_us: lease.until_us });
            }
            Some(lease) if lease.until_us > at_us => {
                let Lease { holder, until_us, .. } = *lease;
                return Err(ControlRefusal::Held { holder, until_us });
            }
            None if full => {
                let (what, limit) = ("number of leases".to_owned(), LEASE_LIMIT as u64);
                return Err(ControlRefusal::Limit { what, found: limit + 1, limit });
            }
            _ => {}
        }
        self.leases.insert(name, Lease { holder, token, until_us });
        Ok(ControlAnswer::Leased { token, until_us })
    }

    fn renew(&mut self, holder: NodeId, leases: Vec<(LeaseName, u64)>, at_us: i64) -> Applied {
        if leases.len() > RENEWAL_LIMIT {
            let (what, limit) = ("number of renewals".to_owned(), RENEWAL_LIMIT as u64);
            return Err(ControlRefusal::Limit { what, found: leases.len() as u64, limit });
        }
        leases.iter().try_for_each(|(_, for_us)| check_duration(*for_us))?;
        let mut renewed = Vec::with_capacity(leases.len());
        for (name, for_us) in leases {
            if let Some(lease) = self.leases.get_mut(&name)
                && lease.holder == holder
                && lease.until_us > at_us
            {
                lease.until_us = lease.until_us.max(until(at_us, for_us));
                renewed.push(name);
            }
        }
        Ok(ControlAnswer::Renewed { leases: renewed })
    }

    /// The nodes that may have shards, with their weights.
    #[must_use]
    pub fn weights(&self) -> BTreeMap<NodeId, u32> {
        let available = self.members.values().filter(|member| member.is_available());
        available.map(|member| (member.record.id, member.record.capacity)).collect()
    }

    /// The shards as they are once all are where they belong.
    #[must_use]
    pub fn is_spread(&self) -> bool {
        self.shards.is_settled(&self.weights())
    }

    fn changed(&mut self) -> ControlAnswer {
        self.epoch += 1;
        self.done()
    }

    fn done(&self) -> ControlAnswer {
        ControlAnswer::Done { epoch: self.epoch }
    }
}

fn check_duration(for_us: u64) -> Result<(), ControlRefusal> {
    let (least, most) = LEASE_RANGE_US;
    if (least..=most).contains(&for_us) {
        return Ok(());
    }
    let what = "microseconds of a lease".to_owned();
    Err(ControlRefusal::Limit { what, found: for_us, limit: most })
}

fn until(at_us: i64, for_us: u64) -> i64 {
    at_us.saturating_add(i64::try_from(for_us).unwrap_or(i64::MAX))
}

fn admitted(record: NodeRecord, storage: StorageId, admitted_at_us: i64) -> Member {
    Member { record, storage, admitted_at_us, down_since_us: None, draining: false }
}

impl ShardTable {
    /// Shards that `node` has, by number.
    pub fn of(&self, node: NodeId) -> impl Iterator<Item = u16> + '_ {
        (0..super::shards::SHARDS).filter(move |shard| self.owner(*shard) == Some(node))
    }
}
