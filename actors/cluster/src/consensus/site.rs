//! What the groups of a node share.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::RwLock;
use synod_journal::JournalMessage;
use synod_runtime::{Address, AskError, Services};
use tokio::sync::watch;

use super::actor::{ConsensusMessage, OpenGroup};
use super::config::ConsensusConfig;
use super::error::GroupError;
use super::group::{GROUP_LIMIT, GroupId, StorageId};
use super::groups::Tenant;
use super::network::Network;
use super::replica::Replica;
use super::transfer::Transfers;
use crate::control::ControlState;
use crate::node::NodeId;

/// What the groups of a node share.
pub(crate) struct Site {
    pub(crate) own: NodeId,
    pub(crate) config: ConsensusConfig,
    pub(crate) journal: Address<JournalMessage>,
    pub(crate) network: Arc<dyn Network>,
    /// The actor that has the groups, and the node's services; known once there is an actor.
    pub(super) consensus: OnceLock<Address<ConsensusMessage>>,
    pub(super) services: OnceLock<Arc<Services>>,
    /// What the control group has agreed on, as far as it is applied here.
    pub(crate) control: watch::Sender<Arc<ControlState>>,
    /// Pieces of state on their way to other nodes.
    pub(crate) transfers: Transfers,
    pub(super) storage: watch::Sender<Option<StorageId>>,
    replicas: RwLock<BTreeMap<GroupId, Arc<Replica>>>,
    /// Who works on what the groups store.
    pub(super) tenants: RwLock<BTreeMap<GroupId, Arc<dyn Tenant>>>,
}

impl Site {
    pub(super) fn new(
        own: NodeId,
        config: ConsensusConfig,
        journal: Address<JournalMessage>,
        network: Arc<dyn Network>,
    ) -> Self {
        Self {
            own,
            config,
            journal,
            network,
            consensus: OnceLock::new(),
            services: OnceLock::new(),
            control: watch::Sender::new(Arc::default()),
            transfers: Transfers::default(),
            storage: watch::Sender::new(None),
            replicas: RwLock::default(),
            tenants: RwLock::default(),
        }
    }

    /// The place of a group on this node. One that can't be is given a place of its own.
    pub(crate) fn replica(&self, group: GroupId) -> Arc<Replica> {
        if let Some(replica) = self.replicas.read().get(&group) {
            return Arc::clone(replica);
        }
        let fresh = Arc::new(Replica::new(group, self.own, self.config.clone()));
        if group.0 > GROUP_LIMIT {
            return fresh;
        }
        Arc::clone(self.replicas.write().entry(group).or_insert(fresh))
    }

    pub(crate) fn replicas(&self) -> Vec<Arc<Replica>> {
        self.replicas.read().values().cloned().collect()
    }

    /// UTC microseconds by this node's clock; 0 before consensus has started.
    pub(crate) fn now_us(&self) -> i64 {
        self.services.get().map_or(0, |services| services.clock.utc().as_microsecond())
    }

    pub(crate) async fn storage(&self, within: Duration) -> Result<StorageId, GroupError> {
        let mut storage = self.storage.subscribe();
        let known = tokio::time::timeout(within, storage.wait_for(Option::is_some)).await;
        let known = known.ok().and_then(Result::ok).and_then(|known| *known);
        known.ok_or_else(|| GroupError::Stopped {
            group: GroupId::CONTROL,
            reason: "consensus has not started on this node".into(),
        })
    }

    pub(crate) async fn open(&self, group: GroupId, within: Duration) -> Result<(), GroupError> {
        let stopped = |reason: String| GroupError::Stopped { group, reason: reason.into() };
        let consensus = self.consensus.get();
        let consensus = consensus.ok_or_else(|| stopped("consensus does not run".to_owned()))?;
        match consensus.ask(OpenGroup { group }, within).await {
            Ok(opened) => opened?,
            Err(AskError::Deadline) => return Err(GroupError::Deadline(group)),
            Err(error) => return Err(stopped(format!("consensus does not run: {error}"))),
        }
        self.replica(group).started(within).await
    }
}
