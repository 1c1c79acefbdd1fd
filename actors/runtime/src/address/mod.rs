//! Addresses: how anyone sends to an actor, wherever and in whichever incarnation it runs.

mod ask;
mod options;
mod permit;
mod reply;

#[cfg(test)]
mod tests;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{SendError, TrySendError};
use crate::mailbox::{Envelope, Inbox, InboxId};
use crate::path::ActorPath;
use crate::route::Route;
use crate::scope::Scope;

pub use options::SendOptions;
pub use permit::Permit;
pub use reply::Reply;

/// The name of a role that takes messages of type `M`.
///
/// Cheap to clone. Names the role, not the incarnation: a restart changes nothing for who holds
/// it. Equal addresses lead to the same inbox.
pub struct Address<M> {
    place: Place<M>,
}

enum Place<M> {
    Here(Arc<Inbox<M>>),
    Elsewhere(Arc<Remote<M>>),
}

struct Remote<M> {
    id: InboxId,
    path: ActorPath,
    route: Arc<dyn Route<M>>,
}

impl<M: 'static> Address<M> {
    /// The address of `inbox`.
    #[must_use]
    pub fn of_inbox(inbox: Arc<Inbox<M>>) -> Self {
        Self { place: Place::Here(inbox) }
    }

    /// The address of `path` on another node, reached through `route`.
    #[must_use]
    pub fn routed(path: ActorPath, route: Arc<dyn Route<M>>) -> Self {
        Self { place: Place::Elsewhere(Arc::new(Remote { id: InboxId::next(), path, route })) }
    }

    /// Whom it names.
    #[must_use]
    pub fn path(&self) -> ActorPath {
        match &self.place {
            Place::Here(inbox) => inbox.path(),
            Place::Elsewhere(remote) => remote.path.clone(),
        }
    }

    /// Messages that wait or are in hand there; 0 for an address on another node.
    #[must_use]
    pub fn depth(&self) -> usize {
        match &self.place {
            Place::Here(inbox) => inbox.depth(),
            Place::Elsewhere(_) => 0,
        }
    }

    /// Whether the receiver has ended for good, as far as is known here.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        match &self.place {
            Place::Here(inbox) => inbox.is_closed(),
            Place::Elsewhere(remote) => remote.route.is_closed(),
        }
    }

    fn id(&self) -> InboxId {
        match &self.place {
            Place::Here(inbox) => inbox.id(),
            Place::Elsewhere(remote) => remote.id,
        }
    }
}

impl<M: Send + 'static> Address<M> {
    /// Sends. Under the policy `wait` this waits for room, at most as long as the receiver's
    /// `max_wait_ms`; under the others it never waits.
    ///
    /// The message inherits priority, principal and correlation of what is being handled.
    pub async fn send(&self, message: M) -> Result<(), SendError> {
        let (priority, origin) = Scope::inherited();
        let envelope = Envelope::new(message, priority, origin);
        self.submit(envelope, None, Duration::MAX).await
    }

    /// Like [`Address::send`], with what `options` say about the message.
    pub async fn send_with(&self, message: M, options: SendOptions) -> Result<(), SendError> {
        let time_to_live = options.time_to_live;
        let (priority, origin) = options.resolve();
        self.submit(Envelope::new(message, priority, origin), time_to_live, Duration::MAX).await
    }

    /// Sends without waiting; a message that was not accepted comes back.
    pub fn try_send(&self, message: M) -> Result<(), TrySendError<M>> {
        let (priority, origin) = Scope::inherited();
        self.offer(Envelope::new(message, priority, origin), None)
    }

    /// Like [`Address::try_send`], with what `options` say about the message.
    pub fn try_send_with(&self, message: M, options: SendOptions) -> Result<(), TrySendError<M>> {
        let time_to_live = options.time_to_live;
        let (priority, origin) = options.resolve();
        self.offer(Envelope::new(message, priority, origin), time_to_live)
    }

    /// Takes a slot for one message to come, outside of the mailbox's bound. `Full` when
    /// `max_reserved` slots are taken, `Closed` after the receiver's end or for another node.
    pub fn reserve(&self) -> Result<Permit<M>, SendError> {
        let Place::Here(inbox) = &self.place else { return Err(SendError::Closed) };
        inbox.reserve_slot()?;
        Ok(Permit::of_slot(inbox))
    }

    fn offer(
        &self,
        envelope: Envelope<M>,
        time_to_live: Option<Duration>,
    ) -> Result<(), TrySendError<M>> {
        match &self.place {
            Place::Here(inbox) => inbox.offer(stamped(inbox, envelope, time_to_live)),
            Place::Elsewhere(remote) => remote.deliver(envelope, time_to_live),
        }
    }

    async fn submit(
        &self,
        envelope: Envelope<M>,
        time_to_live: Option<Duration>,
        longest: Duration,
    ) -> Result<(), SendError> {
        match &self.place {
            Place::Here(inbox) => {
                inbox.submit(stamped(inbox, envelope, time_to_live), longest).await
            }
            Place::Elsewhere(remote) => Ok(remote.deliver(envelope, time_to_live)?),
        }
    }
}

/// Gives the message its time-to-live, reading the clock only when it has one.
fn stamped<M>(
    inbox: &Inbox<M>,
    mut envelope: Envelope<M>,
    time_to_live: Option<Duration>,
) -> Envelope<M> {
    if envelope.expires.is_none()
        && let Some(time_to_live) = time_to_live.or(inbox.config().ttl())
    {
        envelope.expires = Some(inbox.now() + time_to_live);
    }
    envelope
}

impl<M: 'static> Remote<M> {
    fn deliver(
        &self,
        mut envelope: Envelope<M>,
        time_to_live: Option<Duration>,
    ) -> Result<(), TrySendError<M>> {
        if envelope.expires.is_none() {
            envelope.expires = time_to_live.map(|time_to_live| Instant::now() + time_to_live);
        }
        let (message, metadata) = envelope.into_parts();
        self.route.deliver(message, metadata)
    }
}

impl<M> Clone for Address<M> {
    fn clone(&self) -> Self {
        let place = match &self.place {
            Place::Here(inbox) => Place::Here(Arc::clone(inbox)),
            Place::Elsewhere(remote) => Place::Elsewhere(Arc::clone(remote)),
        };
        Self { place }
    }
}

impl<M: 'static> PartialEq for Address<M> {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl<M: 'static> Eq for Address<M> {}

impl<M: 'static> Hash for Address<M> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id().hash(state);
    }
}

impl<M: 'static> fmt::Debug for Address<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Address").field(&self.path().as_str()).finish()
    }
}
