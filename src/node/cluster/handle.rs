//! What operators and the API do with the cluster, through the node that was asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use synod_cluster::{
    ClusterId, Control, ControlCommand, ControlError, ControlRefusal, GroupId, Groups,
    LeaveCluster, MembershipMessage, NodeId, Peers, RemoteDesk, RemoveMember, Seats, Service,
    ShardTable, ShowMembers,
};
use synod_runtime::{Address, AskError};
use tokio::sync::watch;

use super::founder::{Entrance, has_own_work};
use super::leaving::{HAND_OVER, Leaving, RUNNING};
use super::owner::UnderWay;
use super::placing::{DepartPlaced, Offers, PlacedStatus, PlacerMessage};
use super::remote_agent::hand_over;
use super::view::{ClusterView, Sources};

/// How long a part of the cluster may take to answer.
const WITHIN: Duration = Duration::from_secs(5);

/// How long a node may take to join through an address that an operator names.
const JOIN: Duration = Duration::from_secs(15);

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
    /// What all nodes could host for the cluster.
    pub(super) offered: watch::Receiver<Arc<Offers>>,
    pub(super) placer: Option<Address<PlacerMessage>>,
    pub(super) entrance: Entrance,
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
    /// This node belongs to one already, or goes back to it.
    #[error("this node belongs to cluster {0}")]
    AlreadyIn(ClusterId),
    /// What this node has accepted alone would be unknown to a cluster that it joins.
    #[error("this node has work from the time it was alone, which the cluster would not know")]
    OwnWork,
    /// This node did not come in in time.
    #[error("this node did not join through {address}: {reason}")]
    NotJoined {
        /// Whom it asked.
        address: String,
        /// What kept it out last.
        reason: String,
    },
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

    /// The agents that the cluster places, by id, as this node knows them.
    #[must_use]
    pub fn placed(&self) -> Vec<PlacedStatus> {
        let offered = self.offered.borrow().clone();
        offered.statuses(&self.control.read())
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

    /// Joins the cluster that the node at `address` belongs to; in it when this returns.
    ///
    /// # Errors
    /// [`ClusterError::AlreadyIn`], [`ClusterError::OwnWork`]; [`ClusterError::NotJoined`], after
    /// which the address is no longer tried.
    pub async fn join(&self, address: &str) -> Result<(), ClusterError> {
        let known = self.peers.cluster().id().or(self.control.read().cluster);
        if let Some(cluster) = known {
            return Err(ClusterError::AlreadyIn(cluster));
        }
        let not_joined =
            |reason: String| ClusterError::NotJoined { address: address.to_owned(), reason };
        if has_own_work(&self.groups).await.map_err(|why| not_joined(why.to_string()))? {
            return Err(ClusterError::OwnWork);
        }
        self.entrance.invited.add(address);
        let mut is_in = self.entrance.is_in.clone();
        let came = is_in.wait_for(|is_in| *is_in);
        match tokio::time::timeout(JOIN, came).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(not_joined(self.entrance.invited.take_back(address))),
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
        self.give_up_placed().await;
        self.propose(ControlCommand::Remove { node: own }).await?;
        self.membership.ask(LeaveCluster, WITHIN).await?;
        Ok(())
    }

    /// Hands over what this node leads, before it stops. It stays a member: it is to come back.
    pub(crate) async fn part(&self) {
        let departs = async { tokio::join!(self.leaving.depart(), self.give_up_placed()) };
        if tokio::time::timeout(HAND_OVER, departs).await.is_err() {
            tracing::warn!("not everything was handed over in time; the others elect");
        }
        self.under_way.settle().await;
    }

    /// Stops the agents that the cluster has this node host, and takes none up any more.
    async fn give_up_placed(&self) {
        let Some(placer) = &self.placer else { return };
        if let Err(why) = placer.ask(DepartPlaced { within: RUNNING }, HAND_OVER).await {
            tracing::warn!(%why, "others host the placed agents once the leases have run out");
        }
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
