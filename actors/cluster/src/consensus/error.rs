//! What a group could not do, and what state was left.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::group::{GroupId, StorageId};
use crate::node::NodeId;

/// Why a group did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum GroupError {
    /// This node has no such group. Nothing was changed.
    #[error("group {0} is not on this node")]
    Unknown(GroupId),
    /// The group does not run here. Nothing was changed.
    #[error("group {group} does not run here: {reason}")]
    Stopped {
        /// Which group.
        group: GroupId,
        /// Why.
        reason: Arc<str>,
    },
    /// Another node leads the group, or none. Nothing was changed.
    #[error("group {group} is not led by this node, but by {}", named(*.leader))]
    NotLeader {
        /// Which group.
        group: GroupId,
        /// Who leads it, as far as is known here.
        leader: Option<NodeId>,
    },
    /// A majority could not be reached in time. Nothing was changed by a read; a change may yet
    /// come about.
    #[error("group {0} had no majority in time")]
    NoQuorum(GroupId),
    /// It was not done in time; it may yet be.
    #[error("group {0} did not do it in time")]
    Deadline(GroupId),
    /// A change of members is under way. Nothing was changed; try again.
    #[error("group {0} is changing its members")]
    Changing(GroupId),
    /// It can't be done as asked. Nothing was changed.
    #[error("group {group}: {reason}")]
    Invalid {
        /// Which group.
        group: GroupId,
        /// Why.
        reason: String,
    },
    /// The node has another disk than the one it was admitted with, so what it voted for is lost.
    #[error("storage {found} is not {expected}: the node has lost its disk and must be readmitted")]
    Forgetful {
        /// What it was admitted with.
        expected: StorageId,
        /// What it has.
        found: StorageId,
    },
    /// The journal of this node failed.
    #[error("group {group}: {reason}")]
    Storage {
        /// Which group.
        group: GroupId,
        /// Why.
        reason: Arc<str>,
    },
}

fn named(leader: Option<NodeId>) -> String {
    leader.map_or("nobody now".to_owned(), |leader| format!("node {leader}"))
}
