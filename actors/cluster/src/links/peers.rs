//! The handle through which all else talks to other nodes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use synod_runtime::after;
use tokio::time::{Instant, timeout_at};

use super::error::LinkError;
use super::event::LinkFeed;
use super::identity::ClusterIdentity;
use super::port::{Answer, HeartbeatListener, Port};
use super::shared::Shared;
use super::view::LinkView;
use crate::node::{NodeId, NodeRecord};
use crate::wire::Service;

/// Talks to other nodes; cheap to clone. What is sent from one task to one service of one node
/// arrives in order while the connection lasts; across a break there is neither order nor a
/// promise, but what was lost is told: calls end with an error, casts are counted in
/// [`LinkEvent::Down`](super::LinkEvent::Down).
#[derive(Clone)]
pub struct Peers {
    pub(crate) shared: Arc<Shared>,
}

impl Peers {
    /// What this node tells others of itself.
    #[must_use]
    pub fn own(&self) -> &NodeRecord {
        &self.shared.own
    }

    /// Which cluster this node belongs to.
    #[must_use]
    pub fn cluster(&self) -> &Arc<ClusterIdentity> {
        &self.shared.cluster
    }

    /// Notes where a node is to be found. Of two records of a node the newer incarnation wins.
    /// False when nothing was noted: it is older, or of this node, or one node too many.
    pub fn learn(&self, record: NodeRecord) -> bool {
        self.shared.learn(record)
    }

    /// Forgets a node: its connections are closed, calls on their way end with an error. It can
    /// be learned again, from the incarnation on that was known.
    pub fn forget(&self, node: NodeId) {
        self.shared.forget(node);
    }

    /// What is known of a node.
    #[must_use]
    pub fn record(&self, node: NodeId) -> Option<NodeRecord> {
        if node == self.shared.own.id {
            return Some(self.shared.own.clone());
        }
        self.shared.record(node)
    }

    /// All nodes that are known, this one not among them.
    #[must_use]
    pub fn known(&self) -> Vec<NodeRecord> {
        self.shared.known()
    }

    /// Connects to an address whose node is not known yet, such as a seed, and learns who it is.
    /// The connection is kept as the node's control connection.
    ///
    /// # Errors
    /// [`LinkError::Unreachable`], [`LinkError::Refused`] with the other side's reason, or
    /// [`LinkError::Deadline`].
    pub async fn meet(&self, address: &str, within: Duration) -> Result<NodeRecord, LinkError> {
        self.shared.meet(address, within).await
    }

    /// Sends a one-way message if there is room for it now. `Ok` means that it is queued.
    ///
    /// # Errors
    /// Those of [`Peers::cast`], without waiting; [`LinkError::Full`].
    pub fn try_cast(&self, to: NodeId, service: Service, body: Bytes) -> Result<(), LinkError> {
        if to == self.shared.own.id {
            return self.shared.cast_here(service, body);
        }
        self.shared.peer(to)?.try_cast(service, body).map_err(|(error, _)| error)
    }

    /// Sends a one-way message, and waits for room in the queue to the node if need be. `Ok`
    /// means that it is queued.
    ///
    /// # Errors
    /// [`LinkError::Unknown`], [`LinkError::Unreachable`], [`LinkError::TooLarge`], or
    /// [`LinkError::Deadline`] when there was no room in time.
    pub async fn cast(
        &self,
        to: NodeId,
        service: Service,
        body: Bytes,
        within: Duration,
    ) -> Result<(), LinkError> {
        if to == self.shared.own.id {
            return self.shared.cast_here(service, body);
        }
        let peer = self.shared.peer(to)?;
        match peer.try_cast(service, body) {
            Ok(()) => Ok(()),
            Err((LinkError::Full, body)) => {
                let deadline = after(Instant::now(), within);
                let queued = peer.cast(service, body);
                timeout_at(deadline, queued).await.unwrap_or(Err(LinkError::Deadline))
            }
            Err((error, _)) => Err(error),
        }
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// [`LinkError`]; [`LinkError::is_unsent`] tells whether it certainly did not arrive.
    pub async fn call(
        &self,
        to: NodeId,
        service: Service,
        body: Bytes,
        within: Duration,
    ) -> Result<Bytes, LinkError> {
        let deadline = after(Instant::now(), within);
        if to == self.shared.own.id {
            return self.shared.call_here(service, body, deadline).await;
        }
        let peer = self.shared.peer(to)?;
        let answer = peer.call(service, body, deadline);
        timeout_at(deadline, answer).await.unwrap_or(Err(LinkError::Deadline))
    }

    /// Asks if there is room for the question now: it is queued when this returns, in its order
    /// among what else is sent. The answer comes to the future.
    ///
    /// # Errors
    /// Those of [`Peers::try_cast`]; the future ends with a [`LinkError`] as [`Peers::call`] does.
    pub fn try_call(
        &self,
        to: NodeId,
        service: Service,
        body: Bytes,
        within: Duration,
    ) -> Result<impl Future<Output = Result<Bytes, LinkError>> + Send + use<>, LinkError> {
        let deadline = after(Instant::now(), within);
        let (receiver, unanswered) = if to == self.shared.own.id {
            (self.shared.begin_here(service, body, deadline)?, LinkError::Unanswered)
        } else {
            let called = self.shared.peer(to)?.try_call(service, body, deadline);
            (called?, LinkError::Broken)
        };
        Ok(async move {
            match timeout_at(deadline, receiver).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(unanswered),
                Err(_) => Err(LinkError::Deadline),
            }
        })
    }

    /// Serves `service` on this node from now on; one port replaces the other.
    pub fn serve(&self, service: Service, port: Arc<dyn Port>) {
        self.shared.serve(service, port);
    }

    /// Lets `listener` hear the heartbeats of other nodes, and judge them.
    pub fn listen(&self, listener: Arc<dyn HeartbeatListener>) {
        *self.shared.listener.write() = Some(listener);
    }

    /// The links to all nodes that are known, by id.
    #[must_use]
    pub fn views(&self) -> Vec<LinkView> {
        self.shared.views()
    }

    /// How many connections this node refused or had refused, since its start.
    #[must_use]
    pub fn refusals(&self) -> u64 {
        self.shared.refusals.total()
    }

    /// Follows the links: the last `capacity` (at least one) events that have not been taken.
    #[must_use]
    pub fn subscribe(&self, capacity: usize) -> LinkFeed {
        self.shared.feeds.add(capacity)
    }
}

impl std::fmt::Debug for Peers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peers").field("own", &self.shared.own.id).finish_non_exhaustive()
    }
}

impl Answer {
    pub(crate) fn here(
        deadline: Instant,
        sender: tokio::sync::oneshot::Sender<Result<Bytes, LinkError>>,
    ) -> Self {
        Self { way: Some(super::port::Way::Here(sender)), deadline }
    }
}
