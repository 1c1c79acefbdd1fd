//! The handle through which a node asks the control group.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::command::{ControlAnswer, ControlCommand, ControlRefusal};
use super::state::ControlState;
use crate::consensus::{GroupError, Groups};
use crate::node::{ClusterId, NodeId, NodeRecord};

/// Asks the control group, wherever it is led. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Control {
    pub(super) groups: Groups,
}

/// Why the control group did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum ControlError {
    /// It said no. Nothing was changed.
    #[error(transparent)]
    Refused(#[from] ControlRefusal),
    /// Its leader is not known or can't be reached. Nothing was changed.
    #[error("the control group has no leader that can be reached: {0}")]
    NoLeader(String),
    /// It is unknown whether it was done.
    #[error("it is unknown whether the control group did it: {0}")]
    OutcomeUnknown(String),
    /// The group itself failed.
    #[error(transparent)]
    Group(#[from] GroupError),
}

impl Control {
    /// A handle over the node's groups. The control group answers other nodes' requests from now
    /// on.
    #[must_use]
    pub fn new(groups: Groups) -> Self {
        let control = Self { groups };
        control.serve();
        control
    }

    /// What this node knows to be agreed on. It may be behind.
    #[must_use]
    pub fn read(&self) -> Arc<ControlState> {
        self.watch().borrow().clone()
    }

    /// Follows what this node knows to be agreed on.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<ControlState>> {
        self.groups.site.control.subscribe()
    }

    /// What is agreed on: not older than any change that was answered before this call.
    ///
    /// # Errors
    /// [`ControlError::NoLeader`], [`ControlError::Group`].
    pub async fn read_linearizable(
        &self,
        within: Duration,
    ) -> Result<Arc<ControlState>, ControlError> {
        self.read_through_leader(within).await
    }

    /// Has a change agreed on, through the leader wherever it is.
    ///
    /// # Errors
    /// [`ControlError`]
    pub async fn propose(
        &self,
        command: ControlCommand,
        within: Duration,
    ) -> Result<ControlAnswer, ControlError> {
        self.propose_through_leader(command, within).await
    }

    /// Forms a cluster of this node alone: the control group and `groups` work groups, which this
    /// node leads when this returns. Forming again what was begun goes on with it.
    ///
    /// # Errors
    /// [`ControlError`]
    pub async fn form(
        &self,
        cluster: ClusterId,
        groups: u32,
        own: NodeRecord,
        within: Duration,
    ) -> Result<(), ControlError> {
        self.form_here(cluster, groups, own, within).await
    }

    /// Joins the cluster that `via` belongs to, which must be reachable; or makes this node's new
    /// incarnation known to it. Returns once this node is a member and has heard from the control
    /// group; the overseer gives it seats in groups later.
    ///
    /// # Errors
    /// [`ControlError`]
    pub async fn join(
        &self,
        via: NodeId,
        own: NodeRecord,
        within: Duration,
    ) -> Result<(), ControlError> {
        self.join_there(via, own, within).await
    }
}
