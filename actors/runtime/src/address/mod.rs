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

use crate::clock::after;
use crate::error::{SendError, TrySendError};
use crate::mailbox::{Expiry, Header, Inbox, InboxId};
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
        match self.try_send(message) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(message)) => {
                self.wait_for_room(message, Header::inherited::<M>(), None, Duration::MAX).await
            }
            Err(refused) => Err(refused.into()),
        }
    }

    /// Like [`Address::send`], with what `options` say about the message.
    pub async fn send_with(&self, message: M, options: SendOptions) -> Result<(), SendError> {
        match self.try_send_with(message, options.clone()) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(message)) => {
                let (header, time_to_live) = options.resolve::<M>();
                self.wait_for_room(message, header, time_to_live, Duration::MAX).await
            }
            Err(refused) => Err(refused.into()),
        }
    }

    /// Sends without waiting; a message that was not accepted comes back.
    #[inline]
    pub fn try_send(&self, message: M) -> Result<(), TrySendError<M>> {
        match &self.place {
            Place::Here(inbox) if inbox.config().ttl_ms.is_none() => {
                inbox.offer(message, Scope::priority().lane(), Header::inherited::<M>)
            }
            _ => self.offer(message, Header::inherited::<M>(), None),
        }
    }

    /// Like [`Address::try_send`], with what `options` say about the message.
    pub fn try_send_with(&self, message: M, options: SendOptions) -> Result<(), TrySendError<M>> {
        let (header, time_to_live) = options.resolve::<M>();
        self.offer(message, header, time_to_live)
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
        message: M,
        mut header: Header,
        time_to_live: Option<Duration>,
    ) -> Result<(), TrySendError<M>> {
        match &self.place {
            Place::Here(inbox) => {
                if time_to_live.is_some() || inbox.config().ttl_ms.is_some() {
                    limit(inbox, &mut header, time_to_live);
                }
                inbox.offer(message, header.lane(), || header)
            }
            Place::Elsewhere(remote) => remote.deliver(message, header, time_to_live),
        }
    }

    /// Goes on with a message that had no room, if the mailbox lets senders wait.
    async fn wait_for_room(
        &self,
        message: M,
        mut header: Header,
        time_to_live: Option<Duration>,
        longest: Duration,
    ) -> Result<(), SendError> {
        let Place::Here(inbox) = &self.place else { return Err(SendError::Full) };
        limit(inbox, &mut header, time_to_live);
        inbox.wait_for_room(message, header, longest).await
    }
}

/// Gives the message its time-to-live, if it has one and no deadline.
fn limit<M>(inbox: &Inbox<M>, header: &mut Header, time_to_live: Option<Duration>) {
    if header.expires.is_never()
        && let Some(time_to_live) = time_to_live.or(inbox.config().ttl())
    {
        header.expires = Expiry::at(after(inbox.now(), time_to_live));
    }
}

impl<M: 'static> Remote<M> {
    #[cold]
    fn deliver(
        &self,
        message: M,
        mut header: Header,
        time_to_live: Option<Duration>,
    ) -> Result<(), TrySendError<M>> {
        if header.expires.is_never()
            && let Some(time_to_live) = time_to_live
        {
            header.expires = Expiry::at(after(Instant::now(), time_to_live));
        }
        self.route.deliver(message, header.metadata())
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
