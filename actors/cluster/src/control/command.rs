//! What the control group can be told, and what it answers.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::leases::{FencingToken, LeaseName};
use crate::consensus::{GroupId, StorageId};
use crate::node::{ClusterId, NodeId, NodeRecord};

/// A change of what the cluster agrees on. Times are the proposing leader's, UTC microseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlCommand {
    /// Begins a cluster; only the first counts.
    Form {
        /// Its identity.
        cluster: ClusterId,
        /// How many work groups it has, for good: 1 to [`GROUP_LIMIT`](crate::GROUP_LIMIT).
        groups: u32,
        /// Its first member.
        founder: NodeRecord,
        /// The founder's disk.
        storage: StorageId,
        /// When.
        at_us: i64,
    },
    /// Admits a node, or takes note of its new incarnation, address or labels.
    Admit {
        /// Who.
        record: NodeRecord,
        /// Its disk. Another than before means that it has lost what it voted for: refused until
        /// the node has been removed.
        storage: StorageId,
        /// When.
        at_us: i64,
    },
    /// Notes that a node is down, or up again.
    Mark {
        /// Who.
        node: NodeId,
        /// Whether it is up.
        up: bool,
        /// When.
        at_us: i64,
    },
    /// Lets a node give away what it leads, or lead again.
    Drain {
        /// Who.
        node: NodeId,
        /// Whether it is to be drained.
        draining: bool,
    },
    /// Removes a node for good. Its id can be admitted again with another disk.
    Remove {
        /// Who.
        node: NodeId,
    },
    /// Says who should vote in which group, and who should lead it. Taken only at the epoch it
    /// was decided at.
    Seat {
        /// The epoch of the table that it was decided on.
        epoch: u64,
        /// The seats that change.
        seats: BTreeMap<GroupId, Seats>,
    },
    /// Spreads the shards over the nodes that are available, moving few of them.
    Spread {
        /// The epoch of the shard table that it was decided on.
        epoch: u64,
    },
    /// Takes a lease, or renews it: a lock, or the seat of a singleton.
    Acquire {
        /// Which.
        name: LeaseName,
        /// For whom.
        holder: NodeId,
        /// For how long, microseconds.
        for_us: u64,
        /// When.
        at_us: i64,
    },
    /// Gives a lease back.
    Release {
        /// Which.
        name: LeaseName,
        /// The token it was given with.
        token: FencingToken,
    },
    /// Forgets leases that have run out.
    Expire {
        /// When.
        at_us: i64,
    },
    /// Renews all leases of a node with one entry, however many there are.
    Renew {
        /// Whose.
        holder: NodeId,
        /// Which, and for how long each, microseconds; at most
        /// [`RENEWAL_LIMIT`](crate::RENEWAL_LIMIT).
        leases: Vec<(LeaseName, u64)>,
        /// When.
        at_us: i64,
    },
}

impl ControlCommand {
    /// The time that it comes with, if it has one.
    pub(crate) fn at_us(&mut self) -> Option<&mut i64> {
        match self {
            Self::Form { at_us, .. }
            | Self::Admit { at_us, .. }
            | Self::Mark { at_us, .. }
            | Self::Acquire { at_us, .. }
            | Self::Expire { at_us }
            | Self::Renew { at_us, .. } => Some(at_us),
            Self::Drain { .. }
            | Self::Remove { .. }
            | Self::Seat { .. }
            | Self::Spread { .. }
            | Self::Release { .. } => None,
        }
    }
}

/// Who should vote in a group, and who should lead it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seats {
    /// The voters: an odd number, if there are as many nodes.
    pub voters: BTreeSet<NodeId>,
    /// The voter that should lead.
    pub preferred: Option<NodeId>,
    /// Whether an operator said so: leaders are spread around it for as long as it can lead.
    pub pinned: bool,
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlAnswer {
    /// It was done; the epoch of the state after it.
    Done {
        /// The epoch.
        epoch: u64,
    },
    /// A lease was given or renewed.
    Leased {
        /// The fence: higher than any given for that name before.
        token: FencingToken,
        /// Until when, UTC microseconds.
        until_us: i64,
    },
    /// Nothing was changed.
    Refused(ControlRefusal),
    /// These leases are renewed; the others that were named are no longer the holder's.
    Renewed {
        /// Which.
        leases: Vec<LeaseName>,
    },
}

/// Why a command changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ControlRefusal {
    /// There is a cluster already.
    #[error("the cluster was formed before")]
    AlreadyFormed,
    /// There is no cluster yet.
    #[error("the cluster is not formed")]
    NotFormed,
    /// No such member.
    #[error("node {0} is not a member")]
    NotMember(NodeId),
    /// Another node has that name.
    #[error("the name {name} belongs to node {node}")]
    NameTaken {
        /// The name.
        name: String,
        /// Whose it is.
        node: NodeId,
    },
    /// The record is older than the one that is known.
    #[error("a newer start of the node is known")]
    Outdated,
    /// The node was admitted with another disk.
    #[error("the node was admitted with another disk: remove it, then let it join")]
    Forgetful,
    /// The state has changed since the decision.
    #[error("the table is at epoch {current}")]
    Stale {
        /// The epoch it is at.
        current: u64,
    },
    /// Someone else has the lease.
    #[error("held by node {holder} until {until_us}")]
    Held {
        /// Who.
        holder: NodeId,
        /// Until when, UTC microseconds.
        until_us: i64,
    },
    /// A limit is reached, or a value is out of its range.
    #[error("{what} of {found} is not within {limit}")]
    Limit {
        /// What.
        what: String,
        /// What was asked for.
        found: u64,
        /// What is allowed.
        limit: u64,
    },
}
