//! What operators and the API do with the cluster, through the node that was asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use synod_cluster::{
    Control, ControlCommand, ControlError, ControlRefusal, GroupId, Groups, LeaveCluster,
    MembershipMessage, NodeId, Peers, RemoteDesk, RemoveMember, Seats, Service, ShardTable,
    ShowMembers,
};
use synod_runtime::{Address, AskError};

use super::leaving::{HAND_OVER, Leaving};
use super::owner::UnderWay;
use super::remote_agent::hand_over;
use super::view::{ClusterView, Sources};

/// How long a part of the cluster may take to answer.
const WITHIN: Duration = Duration::from_secs(5);

/// The cluster of this node. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    pub(super) peers: Peers,
    pub(super) groups: Groups,
    pub(super) control: Control,
    pub(super) membership: Address<MembershipMessage>,
    pub(super) leaving: Arc<Leaving>,
    pub(super) under_way: UnderWay,
    pub(super) desk: RemoteDesk,
}

/// Why the cluster did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// No member has this id or name.
    #[error("no member is called {0:?}")]
    UnknownNode(String),
    /// There is no such group, or the node has no vote in it.
    #[error("{0}")]
    Invalid(String),
    /// A part of this node did not answer.
    #[error("the membership of this node did not answer: {0}")]
    Unanswered(#[from] AskError),
    /// The control group did not do it.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// Another node would have had to do it, and could not be asked.
    #[error("node {node} could not be asked: {reason}")]
    Unreachable {
        /// Which node.
        node: String,
        /// Why.
        reason: String,
    },
}

impl Cluster {
    /// The cluster as this node knows it.
    ///
    /// # Errors
    /// [`ClusterError::Unanswered`].
    pub async fn view(&self) -> Result<ClusterView, ClusterError> {
        let membership = self.membership.ask(ShowMembers, WITHIN).await?;
        let sources = Sources {
            own: self.peers.own(),
            control: &self.control.read(),
            membership: &membership,
            groups: &self.groups.list(),
            links: &self.peers.views(),
        };
        Ok(sources.view())
    }

    /// Which node has which shard, as this node knows it.
    #[must_use]
    pub fn shards(&self) -> ShardTable {
        self.control.read().shards.clone()
    }

    /// A member by its id or its name.
    ///
    /// # Errors
    /// [`ClusterError::UnknownNode`].
    pub fn node(&self, text: &str) -> Result<NodeId, ClusterError> {
        let state = self.control.read();
        let id = text.parse::<NodeId>().ok().filter(|id| state.members.contains_key(id));
        let named = || {
            let of_name = state.members.values().find(|one| one.record.name.as_str() == text);
            of_name.map(|member| member.record.id)
        };
        id.or_else(named).ok_or_else(|| ClusterError::UnknownNode(text.to_owned()))
    }

    /// Lets a node give away what it leads and get no more, or get it again. Its running work
    /// gets a moment to end; the rest goes on elsewhere and counts as handed back.
    ///
    /// # Errors
    /// [`ClusterError`]
    pub async fn drain(&self, node: NodeId, draining: bool) -> Result<(), ClusterError> {
        if draining {
            self.have_hand_over(node).await?;
        }
        self.propose(ControlCommand::Drain { node, draining }).await
    }

    /// Has a node, this one or another, hand over its work.
    async fn have_hand_over(&self, node: NodeId) -> Result<(), ClusterError> {
        if node == self.peers.own().id {
            self.leaving.hand_over().await;
            return Ok(());
        }
        let within = WITHIN + HAND_OVER;
        let order = hand_over().map_err(|why| ClusterError::Invalid(why.to_string()))?;
        match self.peers.call(node, Service::Remote, order, within).await {
            Ok(_) => Ok(()),
            // One that can't be asked leads nothing for long.
            Err(why) if why.is_unsent() => Ok(()),
            Err(why) => {
                Err(ClusterError::Unreachable { node: node.to_string(), reason: why.to_string() })
            }
        }
    }

    /// Removes a node for good.
    ///
    /// # Errors
    /// [`ClusterError`]
    pub async fn remove(&self, node: NodeId) -> Result<(), ClusterError> {
        self.propose(ControlCommand::Remove { node }).await?;
        self.membership.ask(RemoveMember { node }, WITHIN).await?;
        Ok(())
    }

    /// Lets this node leave: it hands over what it leads, is removed, and tells the others.
    ///
    /// # Errors
    /// [`ClusterError`]
    pub async fn leave(&self) -> Result<(), ClusterError> {
        let own = self.peers.own().id;
        self.drain(own, true).await?;
        self.propose(ControlCommand::Remove { node: own }).await?;
        self.membership.ask(LeaveCluster, WITHIN).await?;
        Ok(())
    }

    /// Hands over what this node leads, before it stops. It stays a member: it is to come back.
    pub(crate) async fn part(&self) {
        if tokio::time::timeout(HAND_OVER, self.leaving.depart()).await.is_err() {
            tracing::warn!("not everything was handed over in time; the others elect");
        }
        self.under_way.settle().await;
    }

    /// Says who should lead a group from now on.
    ///
    /// # Errors
    /// [`ClusterError`]
    pub async fn transfer_leader(&self, group: u32, to: NodeId) -> Result<(), ClusterError> {
        let state = self.control.read();
        let group = GroupId(group);
        let Some(seats) = state.seats.get(&group) else {
            return Err(ClusterError::Invalid(format!("there is no group {group}")));
        };
        if !seats.voters.contains(&to) {
            return Err(ClusterError::Invalid(format!("node {to} does not vote in group {group}")));
        }
        let seats = Seats { preferred: Some(to), pinned: true, ..seats.clone() };
        let seats = BTreeMap::from([(group, seats)]);
        self.propose(ControlCommand::Seat { epoch: state.epoch, seats }).await
    }

    async fn propose(&self, command: ControlCommand) -> Result<(), ClusterError> {
        match self.control.propose(command, WITHIN).await {
            Ok(_) => Ok(()),
            Err(ControlError::Refused(ControlRefusal::NotMember(node))) => {
                Err(ClusterError::UnknownNode(node.to_string()))
            }
            Err(why) => Err(why.into()),
        }
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("own", &self.peers.own().id).finish_non_exhaustive()
    }
}
