//! What the handle, the actors and the connections of a node's links share.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::RwLock;
use synod_runtime::System;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::actor::LinksMessage;
use super::admission::Known;
use super::config::LinksConfig;
use super::demand::Demands;
use super::error::LinkError;
use super::event::Feeds;
use super::handshake::{Acquaintance, Failure, Met, call_out};
use super::identity::ClusterIdentity;
use super::peer::{Claim, Peer};
use super::port::{Answer, Credit, HeartbeatListener, Port};
use super::refusals::{By, Refusals};
use super::tcp::refusal_in;
use super::transport::Transport;
use super::view::LinkView;
use crate::node::{NodeId, NodeRecord};
use crate::wire::{Greeting, Refusal, RefusalCode, Service, StreamKind};

/// How long two nodes that call one another at once take to have their connection.
const CROSSING: Duration = Duration::from_millis(50);

type Ports = [Option<Arc<dyn Port>>; Service::COUNT];

pub(crate) struct Shared {
    pub(crate) own: NodeRecord,
    pub(crate) config: LinksConfig,
    pub(crate) cluster: Arc<ClusterIdentity>,
    pub(crate) transport: Arc<dyn Transport>,
    /// Set at the first start.
    pub(crate) system: OnceLock<System>,
    pub(crate) demands: Demands,
    /// Everybody else who is known. Sorted, so that what is done to all is done in one order.
    peers: RwLock<BTreeMap<NodeId, Arc<Peer>>>,
    ports: RwLock<Ports>,
    pub(crate) listener: RwLock<Option<Arc<dyn HeartbeatListener>>>,
    pub(crate) feeds: Feeds,
    pub(crate) refusals: Refusals,
    epochs: AtomicU64,
}

impl Shared {
    pub(crate) fn new(
        config: LinksConfig,
        own: NodeRecord,
        cluster: Arc<ClusterIdentity>,
        transport: Arc<dyn Transport>,
    ) -> Arc<Self> {
        Arc::new(Self {
            own,
            config,
            cluster,
            transport,
            system: OnceLock::new(),
            demands: Demands::default(),
            peers: RwLock::default(),
            ports: RwLock::default(),
            listener: RwLock::default(),
            feeds: Feeds::default(),
            refusals: Refusals::default(),
            epochs: AtomicU64::new(0),
        })
    }

    /// A number that no other connection of this node has.
    pub(crate) fn next_epoch(&self) -> u64 {
        self.epochs.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A random number for a handshake; before the start there are no handshakes.
    pub(crate) fn nonce(&self) -> u64 {
        self.system.get().map_or(0, |system| system.entropy().next_u64())
    }
}

/// The address book.
impl Shared {
    pub(crate) fn learn(&self, record: NodeRecord) -> bool {
        if record.id == self.own.id {
            return false;
        }
        let node = record.id;
        let noted = self.note(record);
        if noted {
            self.demands.tell(LinksMessage::learned(node));
        }
        noted
    }

    fn note(&self, record: NodeRecord) -> bool {
        let mut peers = self.peers.write();
        if let Some(peer) = peers.get(&record.id) {
            return peer.learn(record);
        }
        if peers.len() >= self.config.max_nodes as usize {
            return false;
        }
        let peer = Peer::new(record, &self.config, self.demands.clone());
        peers.insert(peer.record().id, Arc::new(peer));
        true
    }

    pub(crate) fn forget(&self, node: NodeId) {
        let forgotten = self.peers.write().remove(&node);
        if let Some(peer) = forgotten {
            self.demands.tell(LinksMessage::forgotten(node));
            for channel in StreamKind::ALL.into_iter().filter_map(|kind| peer.used_channel(kind)) {
                channel.abandon("the node has been forgotten");
            }
        }
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

    pub(crate) fn peers(&self) -> Vec<(NodeId, Arc<Peer>)> {
        let peers = self.peers.read();
        peers.iter().map(|(node, peer)| (*node, Arc::clone(peer))).collect()
    }

    /// Whether control connections are kept to all nodes.
    pub(crate) fn is_mesh(&self) -> bool {
        self.peers.read().len() <= self.config.mesh as usize
    }

    pub(crate) fn name_of(&self, node: NodeId) -> String {
        self.record(node)
            .map_or_else(|| node.to_string(), |record| format!("{} ({node})", record.name))
    }

    pub(crate) fn views(&self) -> Vec<LinkView> {
        let listener = self.listener.read().clone();
        let now = Instant::now();
        let phi = |node| listener.as_ref().and_then(|listener| listener.phi(node, now));
        self.peers().into_iter().map(|(node, peer)| peer.view(phi(node))).collect()
    }

    /// A heartbeat has come from a node.
    pub(crate) fn heard(&self, from: NodeId, round_trip: Option<Duration>) {
        if let Some(listener) = &*self.listener.read() {
            listener.heard(from, Instant::now(), round_trip);
        }
    }

    /// No heartbeat is to be expected of a node.
    pub(crate) fn silenced(&self, node: NodeId) {
        if let Some(listener) = &*self.listener.read() {
            listener.silenced(node, Instant::now());
        }
    }
}

/// Handshakes.
impl Shared {
    pub(crate) fn acquainted(&self, node: NodeId) -> Option<Known> {
        self.peers.read().get(&node).map(|peer| peer.known())
    }

    /// Claims the place of a connection that this node calls for; an error when there is one, or
    /// is about to be.
    pub(crate) fn claim_call(
        &self,
        node: NodeId,
        kind: StreamKind,
    ) -> Result<Option<Claim>, Failure> {
        let Ok(peer) = self.peer(node) else { return Ok(None) };
        peer.claim_call(kind, self.own.id < node).map(Some).ok_or(Failure::Crossed)
    }

    /// Whether a caller gets a connection besides those that there are or are about to be.
    pub(crate) fn claim_answer(&self, theirs: &Greeting) -> Result<Option<Claim>, Refusal> {
        let node = theirs.record.id;
        let peers = self.peers.read();
        let Some(peer) = peers.get(&node) else {
            if peers.len() < self.config.max_nodes as usize {
                return Ok(None);
            }
            let reason = format!("{} nodes are known, and no more may be", peers.len());
            return Err(Refusal::new(RefusalCode::Full, reason));
        };
        peer.claim_answer(theirs.stream, self.own.id < node).map(Some).ok_or_else(|| {
            let reason = "both have called one another; the lower id's call counts";
            Refusal::new(RefusalCode::Crossed, reason)
        })
    }

    /// What an error of the transport means: a refusal when it is about certificates.
    pub(crate) fn note_failed_call(&self, by: By, party: &str, error: &io::Error) -> Failure {
        let Some((code, reason)) = refusal_in(error) else {
            return Failure::Broken(format!("{party}: {error}"));
        };
        let refusal = Refusal::new(code, reason);
        self.refusals.note(by, party, &refusal);
        Failure::Refused(refusal)
    }

    pub(crate) async fn meet(
        self: &Arc<Self>,
        address: &str,
        within: Duration,
    ) -> Result<NodeRecord, LinkError> {
        if self.system.get().is_none() {
            let reason = "the links of this node have not started".to_owned();
            return Err(LinkError::Unreachable(reason));
        }
        timeout(within, self.meet_at(address)).await.map_err(|_| LinkError::Deadline)?
    }

    async fn meet_at(self: &Arc<Self>, address: &str) -> Result<NodeRecord, LinkError> {
        loop {
            match call_out(self, address, None, StreamKind::Control).await {
                Ok(Met::New(acquaintance)) => {
                    let record = acquaintance.theirs.record.clone();
                    self.learn(record.clone());
                    self.hand_over(*acquaintance).await?;
                    return Ok(record);
                }
                Ok(Met::Known(record)) => return Ok(record),
                // The seed calls this node itself; it will be known in a moment.
                Err(failure) if failure.is_crossed() => sleep(CROSSING).await,
                Err(failure) => return Err(failure.into()),
            }
        }
    }

    /// Gives a connection to the links.
    pub(crate) async fn hand_over(&self, acquaintance: Acquaintance) -> Result<(), LinkError> {
        let message = LinksMessage::arrived(acquaintance);
        let Some(links) = self.demands.address() else { return Err(LinkError::Unknown) };
        links.send(message).await.map_err(|error| LinkError::Unreachable(error.to_string()))
    }
}

/// What is served here.
impl Shared {
    pub(crate) fn serve(&self, service: Service, port: Arc<dyn Port>) {
        self.ports.write()[service.index()] = Some(port);
    }

    pub(crate) fn ports(&self) -> Ports {
        self.ports.read().clone()
    }

    fn port(&self, service: Service) -> Result<Arc<dyn Port>, LinkError> {
        let port = self.ports.read()[service.index()].clone();
        port.ok_or_else(|| LinkError::Refused(not_served(service)))
    }

    pub(crate) fn cast_here(&self, service: Service, body: Bytes) -> Result<(), LinkError> {
        self.port(service)?.cast_held(self.own.id, body, Credit { room: None });
        Ok(())
    }

    /// Asks this node itself; the answer comes to the receiver.
    pub(crate) fn begin_here(
        &self,
        service: Service,
        body: Bytes,
        deadline: Instant,
    ) -> Result<oneshot::Receiver<Result<Bytes, LinkError>>, LinkError> {
        let port = self.port(service)?;
        let (sender, receiver) = oneshot::channel();
        port.call(self.own.id, body, Answer::here(deadline, sender));
        Ok(receiver)
    }

    pub(crate) async fn call_here(
        &self,
        service: Service,
        body: Bytes,
        deadline: Instant,
    ) -> Result<Bytes, LinkError> {
        let receiver = self.begin_here(service, body, deadline)?;
        match timeout_at(deadline, receiver).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(LinkError::Unanswered),
            Err(_) => Err(LinkError::Deadline),
        }
    }
}

pub(crate) fn not_served(service: Service) -> String {
    format!("nobody serves {service} on that node")
}
