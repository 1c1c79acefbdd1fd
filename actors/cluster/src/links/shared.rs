//! What the handle, the actors and the connections of a node's links share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::RwLock;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::config::LinksConfig;
use super::error::LinkError;
use super::event::Feeds;
use super::identity::ClusterIdentity;
use super::peer::Peer;
use super::port::{Answer, Credit, HeartbeatListener, Port};
use super::refusals::Refusals;
use super::view::LinkView;
use crate::node::{NodeId, NodeRecord};
use crate::wire::Service;

pub(crate) struct Shared {
    pub(crate) own: NodeRecord,
    pub(crate) config: LinksConfig,
    pub(crate) cluster: Arc<ClusterIdentity>,
    /// Everybody else who is known. Sorted, so that what is done to all is done in one order.
    peers: RwLock<BTreeMap<NodeId, Arc<Peer>>>,
    ports: [RwLock<Option<Arc<dyn Port>>>; Service::COUNT],
    pub(crate) listener: RwLock<Option<Arc<dyn HeartbeatListener>>>,
    pub(crate) feeds: Feeds,
    pub(crate) refusals: Refusals,
}

impl Shared {
    pub(crate) fn new(
        config: LinksConfig,
        own: NodeRecord,
        cluster: Arc<ClusterIdentity>,
    ) -> Arc<Self> {
        Arc::new(Self {
            own,
            config,
            cluster,
            peers: RwLock::default(),
            ports: Default::default(),
            listener: RwLock::default(),
            feeds: Feeds::default(),
            refusals: Refusals::default(),
        })
    }

    pub(crate) fn learn(&self, record: NodeRecord) -> bool {
        if record.id == self.own.id {
            return false;
        }
        let mut peers = self.peers.write();
        if let Some(peer) = peers.get(&record.id) {
            return peer.learn(record);
        }
        if peers.len() >= self.config.max_nodes as usize {
            return false;
        }
        peers.insert(record.id, Arc::new(Peer::new(record)));
        true
    }

    pub(crate) fn forget(&self, node: NodeId) {
        self.peers.write().remove(&node);
    }

    pub(crate) fn record(&self, node: NodeId) -> Option<NodeRecord> {
        self.peers.read().get(&node).map(|peer| peer.record())
    }

    pub(crate) fn known(&self) -> Vec<NodeRecord> {
        self.peers.read().values().map(|peer| peer.record()).collect()
    }

    pub(crate) fn peer(&self, node: NodeId) -> Result<Arc<Peer>, LinkError> {
        self.peers.read().get(&node).map(Arc::clone).ok_or(LinkError::Unknown)
    }

    pub(crate) fn views(&self) -> Vec<LinkView> {
        self.peers.read().values().map(|peer| peer.view()).collect()
    }

    pub(crate) async fn meet(
        &self,
        address: &str,
        _within: Duration,
    ) -> Result<NodeRecord, LinkError> {
        Err(LinkError::Unreachable(format!("{address}: not connected")))
    }

    pub(crate) fn serve(&self, service: Service, port: Arc<dyn Port>) {
        *self.ports[service.index()].write() = Some(port);
    }

    pub(crate) fn port(&self, service: Service) -> Option<Arc<dyn Port>> {
        self.ports[service.index()].read().clone()
    }

    pub(crate) fn cast_here(&self, service: Service, body: Bytes) -> Result<(), LinkError> {
        let port = self.port(service).ok_or_else(|| not_served(service))?;
        port.cast_held(self.own.id, body, Credit { giver: None, bytes: 0 });
        Ok(())
    }

    pub(crate) async fn call_here(
        &self,
        service: Service,
        body: Bytes,
        deadline: Instant,
    ) -> Result<Bytes, LinkError> {
        let port = self.port(service).ok_or_else(|| not_served(service))?;
        let (sender, receiver) = oneshot::channel();
        port.call(self.own.id, body, Answer::here(deadline, sender));
        match timeout_at(deadline, receiver).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(LinkError::Unanswered),
            Err(_) => Err(LinkError::Deadline),
        }
    }
}

pub(crate) fn not_served(service: Service) -> LinkError {
    LinkError::Refused(format!("nobody serves {service} on this node"))
}
