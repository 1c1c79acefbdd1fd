//! The handle through which a node's groups are asked.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use synod_journal::{JournalMessage, Stream};
use synod_runtime::Address;
use tokio::sync::watch;

use super::config::ConsensusConfig;
use super::error::GroupError;
use super::group::{GroupId, GroupView, StorageId};
use super::network::Network;
use super::replica::Replica;
use super::site::Site;
use crate::log::{adopt, local_streams};
use crate::node::NodeId;

/// Who works on what a group stores, as long as it is led here.
pub trait Tenant: Send + Sync + 'static {
    /// Another node is to lead: ends what it does, within a time of its own.
    fn let_go(&self) -> BoxFuture<'_, ()>;

    /// No other node took it: goes on.
    fn stay(&self) -> BoxFuture<'_, ()>;
}

/// The groups of this node. Cheap to clone; valid before the actor runs and after it has ended,
/// when every group is told of as stopped.
#[derive(Clone)]
pub struct Groups {
    pub(crate) site: Arc<Site>,
}

impl Groups {
    /// This node.
    #[must_use]
    pub fn own(&self) -> NodeId {
        self.site.own
    }

    /// The limits and times.
    #[must_use]
    pub fn config(&self) -> &ConsensusConfig {
        &self.site.config
    }

    /// The node's own journal.
    #[must_use]
    pub fn journal(&self) -> &Address<JournalMessage> {
        &self.site.journal
    }

    /// How other nodes are called.
    #[must_use]
    pub fn network(&self) -> &Arc<dyn Network> {
        &self.site.network
    }

    /// Which disk this node's groups are on, once the actor has started.
    ///
    /// # Errors
    /// [`GroupError::Stopped`] when it has not within the time.
    pub async fn storage(&self, within: Duration) -> Result<StorageId, GroupError> {
        self.site.storage(within).await
    }

    /// All groups that this node has ever held, by number, running or not.
    #[must_use]
    pub fn list(&self) -> Vec<GroupView> {
        self.site.replicas().iter().map(|replica| replica.view()).collect()
    }

    /// How a group looks from here now. A group that this node doesn't hold has a fault.
    #[must_use]
    pub fn view(&self, group: GroupId) -> GroupView {
        self.site.replica(group).view()
    }

    /// Follows a group, which need not be on this node yet.
    #[must_use]
    pub fn watch(&self, group: GroupId) -> watch::Receiver<GroupView> {
        self.site.replica(group).watch()
    }

    /// Runs a group on this node. What the journal has of it is read; a group of which it has
    /// nothing waits for a leader that counts this node among its members.
    ///
    /// # Errors
    /// [`GroupError::Storage`] when the journal can't be read, [`GroupError::Deadline`].
    pub async fn open(&self, group: GroupId, within: Duration) -> Result<(), GroupError> {
        self.site.open(group, within).await
    }

    /// Begins a group with this node as its only voter. A group that has begun is left as it is.
    ///
    /// # Errors
    /// Those of [`Groups::open`].
    pub async fn form(&self, group: GroupId, within: Duration) -> Result<(), GroupError> {
        self.open(group, within).await?;
        self.running(group)?.form(within).await
    }

    /// Lets a node follow a group that is led here, without a vote.
    ///
    /// # Errors
    /// [`GroupError::NotLeader`], [`GroupError::Changing`], [`GroupError::NoQuorum`].
    pub async fn add_learner(
        &self,
        group: GroupId,
        node: NodeId,
        storage: StorageId,
        within: Duration,
    ) -> Result<(), GroupError> {
        self.running(group)?.add_learner(node, storage, within).await
    }

    /// Says who votes in a group that is led here; each must follow it already. Who voted and
    /// does no longer, leaves the group.
    ///
    /// # Errors
    /// [`GroupError::NotLeader`], [`GroupError::Changing`], [`GroupError::NoQuorum`],
    /// [`GroupError::Invalid`].
    pub async fn change_voters(
        &self,
        group: GroupId,
        voters: BTreeSet<NodeId>,
        within: Duration,
    ) -> Result<(), GroupError> {
        self.running(group)?.change_voters(voters, within).await
    }

    /// Removes nodes that follow a group without a vote.
    ///
    /// # Errors
    /// Those of [`Groups::change_voters`].
    pub async fn remove_learners(
        &self,
        group: GroupId,
        nodes: BTreeSet<NodeId>,
        within: Duration,
    ) -> Result<(), GroupError> {
        self.running(group)?.remove_learners(nodes, within).await
    }

    /// Lets `tenant` know before a group that is led here is given to another node on purpose.
    pub fn house(&self, group: GroupId, tenant: Arc<dyn Tenant>) {
        self.site.tenants.write().insert(group, tenant);
    }

    /// Gives the leadership of a group that is led here to another voter, and waits until it has
    /// it. Whoever works on it has let go by then.
    ///
    /// # Errors
    /// [`GroupError::NotLeader`], [`GroupError::Invalid`], [`GroupError::Deadline`]: another
    /// election decides then.
    pub async fn transfer_leader(
        &self,
        group: GroupId,
        to: NodeId,
        within: Duration,
    ) -> Result<(), GroupError> {
        let replica = self.running(group)?;
        let tenant = self.site.tenants.read().get(&group).cloned();
        if let Some(tenant) = &tenant
            && self.view(group).is_leader_here
        {
            tenant.let_go().await;
        }
        let transferred = replica.transfer_leader(to, within).await;
        if let (Err(_), Some(tenant)) = (&transferred, &tenant) {
            tenant.stay().await;
        }
        transferred
    }

    /// Waits until what is applied here contains all that was committed anywhere before this
    /// call, having asked a majority (ReadIndex: Ongaro 2014, §6.4). On the leader alone.
    ///
    /// # Errors
    /// [`GroupError::NotLeader`], [`GroupError::NoQuorum`], [`GroupError::Deadline`].
    pub async fn barrier(&self, group: GroupId, within: Duration) -> Result<(), GroupError> {
        self.running(group)?.barrier(within).await
    }

    /// The same by the leader's lease alone: no call to another node, but the nodes' clocks must
    /// not drift apart by the difference between the longest election time-out and the lease.
    ///
    /// # Errors
    /// Those of [`Groups::barrier`].
    pub async fn lease(&self, group: GroupId, within: Duration) -> Result<(), GroupError> {
        self.running(group)?.lease(within).await
    }

    /// The streams that this node's own journal holds beside those of groups: what it had while it
    /// was alone. Each with how many records it ever had.
    ///
    /// # Errors
    /// [`GroupError::Storage`]
    pub async fn local_streams(&self) -> Result<Vec<(Stream, u64)>, GroupError> {
        local_streams(self).await
    }

    /// Makes what this node had alone in these streams the first state of a group that it leads:
    /// their versions, newest snapshots, records after them, blobs and epochs. False when the group
    /// has a state already, or there was nothing. The engines of those streams must not be running.
    ///
    /// # Errors
    /// [`GroupError::NotLeader`], [`GroupError::Storage`]; the group is as it was.
    pub async fn adopt_local(
        &self,
        group: GroupId,
        streams: &[Stream],
    ) -> Result<bool, GroupError> {
        adopt(self, group, streams).await
    }

    /// Whether this node can't write the log of a group at the moment.
    pub(crate) fn is_stalled(&self, group: GroupId) -> bool {
        self.running(group).is_ok_and(|replica| replica.stalled().is_some())
    }

    /// The members that have all but `nearly` entries of a group that is led here.
    pub(crate) fn caught_up(&self, group: GroupId, nearly: u64) -> BTreeSet<NodeId> {
        self.running(group).map(|replica| replica.caught_up(nearly)).unwrap_or_default()
    }

    pub(crate) fn running(&self, group: GroupId) -> Result<Arc<Replica>, GroupError> {
        let replica = self.site.replica(group);
        replica.check_running()?;
        Ok(replica)
    }
}

impl std::fmt::Debug for Groups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Groups").field("own", &self.site.own).finish_non_exhaustive()
    }
}
