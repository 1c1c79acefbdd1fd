//! How a message leaves: the kernel's seam for addresses outside of this process.

use std::marker::PhantomData;
use std::sync::Arc;

use parking_lot::Mutex;
use synod_runtime::{Metadata, Request, Route, TrySendError, WireMessage};
use tokio::time::Instant;

use super::desk::{RemoteName, Shared, WireAsk};
use super::error::RemoteError;
use super::flight::Sent;
use super::letter::{BodyCodec, Call, Cast, Label, answered, seal};
use crate::links::LinkError;
use crate::wire::Service;

/// Why a message is given back that can't become bytes.
const UNWRITABLE: &str = "it can't be written, or is larger than a link carries";

fn refusal<M>(message: M, why: &LinkError) -> TrySendError<M> {
    match why {
        LinkError::Full => TrySendError::Full(message),
        LinkError::Unknown => TrySendError::Refused(message, "its node is not known here"),
        LinkError::TooLarge => TrySendError::Refused(message, UNWRITABLE),
        _ => TrySendError::Refused(message, "its node can't be reached"),
    }
}

/// The way of one-way messages.
pub(super) struct TellRoute<M> {
    shared: Arc<Shared>,
    to: RemoteName,
    kind: PhantomData<fn(M)>,
}

impl<M: WireMessage> TellRoute<M> {
    pub(super) fn new(shared: Arc<Shared>, to: RemoteName) -> Self {
        Self { shared, to, kind: PhantomData }
    }

    /// To an actor of this node: no link, no number, and errors at once.
    fn here(&self, message: M, metadata: &Metadata) -> Result<(), TrySendError<M>> {
        let label = Label::of::<M>(&self.to.name, metadata, Instant::now());
        let Ok(body) = BodyCodec::encode(&message) else {
            return Err(TrySendError::Refused(message, UNWRITABLE));
        };
        match self.shared.tell(&label, &body) {
            Ok(()) => Ok(()),
            Err(RemoteError::Full) => Err(TrySendError::Full(message)),
            Err(RemoteError::Closed | RemoteError::UnknownName(_)) => {
                Err(TrySendError::Closed(message))
            }
            Err(_) => Err(TrySendError::Refused(message, "it takes other messages")),
        }
    }
}

impl<M: WireMessage> Route<M> for TellRoute<M> {
    fn deliver(&self, message: M, metadata: Metadata) -> Result<(), TrySendError<M>> {
        let (shared, to) = (&self.shared, &self.to);
        if to.node == shared.own() {
            return self.here(message, &metadata);
        }
        let now = Instant::now();
        let Ok(body) = BodyCodec::encode(&message) else {
            return Err(TrySendError::Refused(message, UNWRITABLE));
        };
        let label = Label::of::<M>(&to.name, &metadata, now);
        let flight = shared.flight(to.node);
        // Held until it is queued: numbers rise in the order of the queue.
        let mut flight = flight.lock();
        if flight.open() >= shared.config.max_unconfirmed {
            return Err(TrySendError::Full(message));
        }
        let Ok(letter) = seal(&Cast::Tell { number: flight.next(), label }, &body) else {
            return Err(TrySendError::Refused(message, UNWRITABLE));
        };
        match shared.peers.try_cast(to.node, Service::Message, letter) {
            Ok(()) => {
                flight.left(Sent { to: to.path(), metadata, at: now });
                Ok(())
            }
            Err(why) => Err(refusal(message, &why)),
        }
    }
}

/// Where the reason goes for which a request was not answered.
type Why = Arc<Mutex<Option<RemoteError>>>;

/// The way of requests.
pub(super) struct AskRoute<Q> {
    shared: Arc<Shared>,
    to: RemoteName,
    why: Option<Why>,
    kind: PhantomData<fn(Q)>,
}

impl<Q: WireAsk> AskRoute<Q> {
    pub(super) fn new(shared: Arc<Shared>, to: RemoteName) -> Self {
        Self { shared, to, why: None, kind: PhantomData }
    }

    /// The same for one request, whose failure is told.
    pub(super) fn telling(shared: Arc<Shared>, to: RemoteName, why: Why) -> Self {
        Self { shared, to, why: Some(why), kind: PhantomData }
    }

    fn note(&self, why: RemoteError) {
        if let Some(place) = &self.why {
            *place.lock() = Some(why);
        }
    }
}

impl<Q: WireAsk> Route<Request<Q>> for AskRoute<Q> {
    fn deliver(
        &self,
        request: Request<Q>,
        metadata: Metadata,
    ) -> Result<(), TrySendError<Request<Q>>> {
        let Ok(permit) = Arc::clone(&self.shared.asks).try_acquire_owned() else {
            return Err(TrySendError::Full(request));
        };
        let (now, deadline) = (Instant::now(), request.deadline());
        let label = Label::of::<Q>(&self.to.name, &metadata, now);
        let body = BodyCodec::encode(&request.body);
        let letter = body.and_then(|body| seal(&Call::Ask { label }, &body));
        let Ok(letter) = letter else {
            self.note(RemoteError::Refused(UNWRITABLE.to_owned()));
            return Err(TrySendError::Refused(request, UNWRITABLE));
        };
        let within = deadline.saturating_duration_since(now);
        let called = self.shared.peers.try_call(self.to.node, Service::Message, letter, within);
        let answer = match called {
            Ok(answer) => answer,
            Err(why) => {
                let given_back = refusal(request, &why);
                self.note(why.into());
                return Err(given_back);
            }
        };
        let (to, place) = (self.to.clone(), self.why.clone());
        let (_, reply) = request.into_parts();
        // Bounded by the permits; ends by the deadline.
        tokio::spawn(async move {
            let _permit = permit;
            let outcome = answer.await.map_err(RemoteError::from);
            match outcome.and_then(|bytes| answered::<Q::Reply>(&bytes)) {
                Ok(answer) => reply.send(answer),
                Err(why) => {
                    tracing::debug!(node = %to.node, name = to.name, %why, "no answer");
                    if let Some(place) = place {
                        *place.lock() = Some(why);
                    }
                    // Dropped, it tells the asker at once.
                    drop(reply);
                }
            }
        });
        Ok(())
    }
}
