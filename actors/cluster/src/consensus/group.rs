//! What a group is called, and how it looks from this node.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use synod_journal::{Partition, Stream};

use crate::node::NodeId;

/// Work groups that a cluster may have.
pub const GROUP_LIMIT: u32 = 64;

/// One replicated log: 0 is the control group, 1 and up are the work groups.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct GroupId(pub u32);

impl GroupId {
    /// The group that keeps what the cluster agrees on about itself.
    pub const CONTROL: Self = Self(0);

    /// The group of a partition when there are so many work groups.
    #[must_use]
    pub fn of(partition: Partition, groups: u32) -> Self {
        Self(1 + u32::from(partition.get()) % groups.max(1))
    }

    /// The stream of the node's journal that holds this group's log.
    #[must_use]
    pub fn stream(self) -> Stream {
        // 64 bytes are more than any number takes.
        Stream::parse(&format!("raft.{self}")).unwrap_or(Stream::new("raft"))
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which disk a replica is on: random, minted when a node's journal first holds a group. A node
/// that has lost its disk has another one, and is refused until it is admitted anew: what it
/// voted for and acknowledged before, it no longer knows.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct StorageId(pub u64);

impl fmt::Display for StorageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A group as this node sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupView {
    /// Which group.
    pub group: GroupId,
    /// The term, which is also the fence of its leader.
    pub term: u64,
    /// Who leads it, as far as is known here.
    pub leader: Option<NodeId>,
    /// Whether this node leads it and has applied all that was committed before its term.
    pub is_leader_here: bool,
    /// Who votes.
    pub voters: BTreeSet<NodeId>,
    /// Who follows without a vote.
    pub learners: BTreeSet<NodeId>,
    /// How many entries the log here has ever had.
    pub last: u64,
    /// How many of them are known to be committed.
    pub committed: u64,
    /// How many of them are applied here.
    pub applied: u64,
    /// As leader: whether a majority was heard of within the lease. Otherwise: whether there is a
    /// leader.
    pub quorum_ok: bool,
    /// Why the group does not run here, if it does not.
    pub fault: Option<Arc<str>>,
}

impl GroupView {
    /// Whether this node may take what the group is asked to store.
    #[must_use]
    pub fn accepts(&self) -> bool {
        self.is_leader_here && self.quorum_ok && self.fault.is_none()
    }
}
