//! The handle through which families offer addresses to other nodes and reach theirs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use synod_runtime::{ActorPath, Address, Ask, DeadReason, Request, System, WireMessage};
use tokio::sync::Semaphore;

use super::actor::RemoteMessage;
use super::config::RemoteConfig;
use super::error::{OfferError, RemoteError};
use super::flight::{Arrived, Flight, Sent};
use super::letter::{BodyCodec, Call, Cast, answered, seal};
use super::offers::{Asking, Offers, Receiver, Telling};
use super::route::{AskRoute, TellRoute};
use super::spawning::Types;
use super::watching::{MonitorNews, Watch, Watched, Watching};
use crate::feed::Listener;
use crate::links::Peers;
use crate::node::NodeId;
use crate::wire::Service;

/// A request that can be asked of another node: it and its reply go over a wire.
pub trait WireAsk: WireMessage + Ask<Reply: Serialize + DeserializeOwned> {}

impl<Q> WireAsk for Q
where
    Q: WireMessage + Ask,
    Q::Reply: Serialize + DeserializeOwned,
{
}

/// Whom an address on another node names. It can be sent to others, who make an address of it:
/// so an actor subscribes to one of another node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RemoteName {
    /// The node.
    pub node: NodeId,
    /// The name under which it offers the actor.
    pub name: String,
}

impl RemoteName {
    /// The actor offered as `name` on `node`.
    #[must_use]
    pub fn new(node: NodeId, name: impl Into<String>) -> Self {
        Self { node, name: name.into() }
    }

    pub(super) fn path(&self) -> ActorPath {
        ActorPath::new(format!("//{}/{}", self.node, self.name))
    }
}

/// What the handle, the routes, the port and the actor share.
pub(super) struct Shared {
    pub(super) config: RemoteConfig,
    pub(super) peers: Peers,
    pub(super) actor: OnceLock<Address<RemoteMessage>>,
    /// Set at the first start.
    pub(super) system: OnceLock<System>,
    pub(super) offers: RwLock<Offers>,
    pub(super) types: RwLock<Types>,
    pub(super) flights: Mutex<BTreeMap<NodeId, Arc<Mutex<Flight>>>>,
    pub(super) arrived: Mutex<BTreeMap<NodeId, Arrived>>,
    /// Whether the actor has been told that there is something to confirm.
    pub(super) is_due: AtomicBool,
    pub(super) asks: Arc<Semaphore>,
    pub(super) watching: Mutex<Watching>,
    pub(super) watched: Mutex<Watched>,
    /// One-way messages that became dead letters.
    pub(super) lost: AtomicU64,
}

impl Shared {
    pub(super) fn own(&self) -> NodeId {
        self.peers.own().id
    }

    /// What is on its way to a node.
    pub(super) fn flight(&self, node: NodeId) -> Arc<Mutex<Flight>> {
        Arc::clone(self.flights.lock().entry(node).or_default())
    }

    /// Tells of messages that did not arrive.
    pub(super) fn bury(&self, letters: Vec<Sent>, why: &str) {
        if letters.is_empty() {
            return;
        }
        let lost = letters.len() as u64;
        self.lost.fetch_add(lost, Ordering::Relaxed);
        metrics::counter!("synod_remote_lost_total").increment(lost);
        tracing::info!(lost, why, "messages to another node became dead letters");
        let Some(system) = self.system.get() else { return };
        let at = system.clock().utc();
        for Sent { to, metadata, .. } in letters {
            system.dead_letters().record(&to, &metadata, DeadReason::Closed, at);
        }
    }

    /// Everything on its way to a node is lost.
    pub(super) fn lose(&self, node: NodeId, why: &str) {
        let flight = self.flights.lock().get(&node).map(Arc::clone);
        if let Some(flight) = flight {
            let lost = flight.lock().lose();
            self.bury(lost, why);
        }
    }

    /// Says something without waiting; false when it did not go out.
    pub(super) fn cast(&self, to: NodeId, cast: &Cast) -> bool {
        let sent = seal(cast, &[]).map_err(|why| why.to_string()).and_then(|letter| {
            let sent = self.peers.try_cast(to, Service::Message, letter);
            sent.map_err(|why| why.to_string())
        });
        if let Err(why) = &sent {
            tracing::debug!(node = %to, why, "a word to another desk did not go out");
        }
        sent.is_ok()
    }

    async fn call<T: DeserializeOwned>(
        &self,
        to: NodeId,
        call: &Call,
        body: &[u8],
        within: Duration,
    ) -> Result<T, RemoteError> {
        let letter = seal(call, body).map_err(|why| RemoteError::Unreached(why.to_string()))?;
        answered(&self.peers.call(to, Service::Message, letter, within).await?)
    }

    /// Begins, or begins again, a watch.
    pub(super) async fn watch(
        &self,
        node: NodeId,
        watch: u64,
        name: String,
        within: Duration,
    ) -> Result<(), RemoteError> {
        self.call(node, &Call::Watch { name, watch }, &[], within).await
    }

    pub(super) fn unwatch(&self, node: NodeId, watch: u64) {
        if self.watching.lock().end(watch) {
            self.cast(node, &Cast::Unwatch { watch });
        }
    }
}

/// Offers addresses of this node to others, and reaches theirs. Cheap to clone.
#[derive(Clone)]
pub struct RemoteDesk {
    pub(super) shared: Arc<Shared>,
}

/// What is offered to others.
impl RemoteDesk {
    /// Offers `address` to other nodes as `name`, for messages of type `M`. Older versions are
    /// offered beside it, each as a type of its own.
    ///
    /// # Errors
    /// [`OfferError`]; an actor that has ended for good gives its names up.
    pub fn offer<M, N>(&self, name: &str, address: &Address<N>) -> Result<(), OfferError>
    where
        M: WireMessage,
        N: From<M> + Send + 'static,
    {
        self.add::<M, N>(name, Telling::<M, N>::new(address))
    }

    /// Offers `address` to other nodes as `name`, for requests of type `Q`.
    ///
    /// # Errors
    /// As [`RemoteDesk::offer`].
    pub fn offer_requests<Q, N>(&self, name: &str, address: &Address<N>) -> Result<(), OfferError>
    where
        Q: WireAsk,
        N: From<Request<Q>> + Send + 'static,
    {
        self.add::<Q, N>(name, Asking::<Q, N>::new(address))
    }

    fn add<M: WireMessage, N: 'static>(
        &self,
        name: &str,
        receiver: Arc<dyn Receiver>,
    ) -> Result<(), OfferError> {
        let most = self.shared.config.max_offers;
        self.shared.offers.write().add::<M, N>(name, receiver, most)
    }

    /// Takes a name back; false when there was none.
    pub fn withdraw(&self, name: &str) -> bool {
        self.shared.offers.write().remove(name)
    }

    /// What others call an actor that this node offers as `name`.
    #[must_use]
    pub fn name(&self, name: impl Into<String>) -> RemoteName {
        RemoteName::new(self.shared.own(), name)
    }
}

/// What others offer.
impl RemoteDesk {
    /// The address of whoever is offered as `name` on `node`, for messages of type `M`. Nothing
    /// is asked: what is not taken there becomes a dead letter here.
    #[must_use]
    pub fn address<M: WireMessage>(&self, node: NodeId, name: &str) -> Address<M> {
        let to = RemoteName::new(node, name);
        let path = to.path();
        Address::routed(path, Arc::new(TellRoute::new(Arc::clone(&self.shared), to)))
    }

    /// The same for requests of type `Q`: `address.ask(question, within)` as of any address.
    /// Whatever goes wrong but the deadline is [`AskError::Unanswered`](synod_runtime::AskError);
    /// [`RemoteDesk::ask`] says more.
    #[must_use]
    pub fn requests<Q: WireAsk>(&self, node: NodeId, name: &str) -> Address<Request<Q>> {
        let to = RemoteName::new(node, name);
        let path = to.path();
        Address::routed(path, Arc::new(AskRoute::new(Arc::clone(&self.shared), to)))
    }

    /// Asks whoever is offered as `name` on `node`, with priority, principal and trace of what is
    /// being handled.
    ///
    /// # Errors
    /// [`RemoteError`], with the other node's reason.
    pub async fn ask<Q: WireAsk>(
        &self,
        node: NodeId,
        name: &str,
        question: Q,
        within: Duration,
    ) -> Result<Q::Reply, RemoteError> {
        let to = RemoteName::new(node, name);
        let (path, why) = (to.path(), Arc::<Mutex<Option<RemoteError>>>::default());
        let route = AskRoute::telling(Arc::clone(&self.shared), to, Arc::clone(&why));
        let address = Address::<Request<Q>>::routed(path, Arc::new(route));
        let asked = address.ask(question, within).await;
        asked.map_err(|error| why.lock().take().unwrap_or_else(|| error.into()))
    }

    /// The address, once the node has said that it takes messages of type `M` under that name.
    ///
    /// # Errors
    /// [`RemoteError`]
    pub async fn find<M: WireMessage>(
        &self,
        node: NodeId,
        name: &str,
        within: Duration,
    ) -> Result<Address<M>, RemoteError> {
        let (kind, version) = (M::KIND.to_owned(), M::VERSION);
        let find = Call::Find { name: name.to_owned(), kind, version };
        self.shared.call::<String>(node, &find, &[], within).await?;
        Ok(self.address(node, name))
    }

    /// Watches an actor of another node: `listener` is told of its crashes, of its end with the
    /// reason, and of the end of its node, until the watch is dropped.
    ///
    /// # Errors
    /// [`RemoteError`]; [`RemoteError::Closed`] when it has ended already.
    pub async fn monitor(
        &self,
        name: &RemoteName,
        listener: Listener<MonitorNews>,
        within: Duration,
    ) -> Result<Watch, RemoteError> {
        let shared = &self.shared;
        let begun = shared.watching.lock().begin(name, listener, shared.config.max_watches);
        let id = begun.ok_or(RemoteError::Full)?;
        // Dropped on an error, or with this future, it takes the watch back.
        let watch = Watch { desk: Arc::clone(shared), node: name.node, id };
        shared.watch(name.node, id, name.name.clone(), within).await?;
        Ok(watch)
    }

    /// Has `node` make an actor of the type `C` out of `config`, offered there as `name`.
    ///
    /// # Errors
    /// [`RemoteError::UnknownType`] when it makes none; [`RemoteError::Refused`] with the reason
    /// when it could not; [`RemoteError`] besides.
    pub async fn spawn<C: WireMessage>(
        &self,
        node: NodeId,
        name: &str,
        config: &C,
        within: Duration,
    ) -> Result<RemoteName, RemoteError> {
        let body = BodyCodec::encode(config);
        let body: Bytes = body.map_err(|why| RemoteError::Unreached(why.to_string()))?;
        let (kind, version) = (C::KIND.to_owned(), C::VERSION);
        let spawn = Call::Spawn { kind, version, name: name.to_owned() };
        self.shared.call::<()>(node, &spawn, &body, within).await?;
        Ok(RemoteName::new(node, name))
    }

    /// One-way messages to a node of which it is not known yet that they arrived.
    #[must_use]
    pub fn unconfirmed(&self, node: NodeId) -> usize {
        let flight = self.shared.flights.lock().get(&node).map(Arc::clone);
        flight.map_or(0, |flight| flight.lock().open())
    }

    /// One-way messages that were accepted here and became dead letters, since the start.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for RemoteDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteDesk").field("own", &self.shared.own()).finish_non_exhaustive()
    }
}
