//! What the cluster agrees on: the pure machine of the control group.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use synod_journal::Partition;

use super::command::Seats;
use super::leases::{Lease, LeaseName};
use super::member::Member;
use super::shards::ShardTable;
use crate::consensus::GroupId;
use crate::node::{ClusterId, NodeId, NodeRecord};

/// What the cluster agrees on. Equal on all nodes that have applied the same entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlState {
    /// Which cluster; none before it was formed.
    pub cluster: Option<ClusterId>,
    /// Rises whenever members, seats or the number of groups change.
    pub epoch: u64,
    /// How many work groups there are: 1 up to this number are their ids.
    pub groups: u32,
    /// The nodes that belong to it.
    pub members: BTreeMap<NodeId, Member>,
    /// Who should vote in which group and who should lead it, the control group included.
    pub seats: BTreeMap<GroupId, Seats>,
    /// Which node has which shard.
    pub shards: ShardTable,
    /// The latest time that a command came with, UTC microseconds: leases never see it go back.
    pub clock_us: i64,
    /// Locks and the seats of singletons.
    pub leases: BTreeMap<LeaseName, Lease>,
}

impl ControlState {
    /// The group of a partition.
    #[must_use]
    pub fn group_of(&self, partition: Partition) -> GroupId {
        GroupId::of(partition, self.groups)
    }

    /// All groups, the control group first.
    pub fn all_groups(&self) -> impl Iterator<Item = GroupId> + use<> {
        (0..=self.groups).map(GroupId)
    }

    /// What is known of a member.
    #[must_use]
    pub fn record(&self, node: NodeId) -> Option<&NodeRecord> {
        self.members.get(&node).map(|member| &member.record)
    }

    /// Who has a lease at that time, UTC microseconds.
    #[must_use]
    pub fn holder(&self, name: &LeaseName, now_us: i64) -> Option<&Lease> {
        self.leases.get(name).filter(|lease| lease.until_us > now_us)
    }
}
