//! What a node offers: local addresses by name, for each kind and version of message they take.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use synod_runtime::{ActorPath, Address, Request, WireMessage};

use super::desk::WireAsk;
use super::error::{OfferError, RemoteError};
use super::letter::{BodyCodec, Label, answer};
use crate::links::Answer;

/// How long the receiver of a request may take whose asker named no limit; links always name one.
const LONGEST: Duration = Duration::from_secs(3_600);

/// A local receiver of messages of one kind and version.
pub(super) trait Receiver: Send + Sync {
    /// Puts a one-way message into the mailbox.
    fn tell(&self, label: &Label, body: &[u8]) -> Result<(), RemoteError>;
    /// Puts a request there, and answers when it is answered.
    fn ask(&self, label: &Label, body: &[u8], answer: Answer);
    fn path(&self) -> ActorPath;
    fn is_closed(&self) -> bool;
    /// The local address: whose offer it is.
    fn address(&self) -> &dyn Any;
}

fn unreadable(why: &impl ToString) -> RemoteError {
    RemoteError::Unreadable(why.to_string())
}

/// Takes one-way messages of type `M`.
pub(super) struct Telling<M, N> {
    address: Address<N>,
    kind: PhantomData<fn(M)>,
}

impl<M, N: 'static> Telling<M, N> {
    pub(super) fn new(address: &Address<N>) -> Arc<Self> {
        Arc::new(Self { address: address.clone(), kind: PhantomData })
    }
}

impl<M: WireMessage, N: From<M> + Send + 'static> Receiver for Telling<M, N> {
    fn tell(&self, label: &Label, body: &[u8]) -> Result<(), RemoteError> {
        let message: M = BodyCodec::decode(body).map_err(|why| unreadable(&why))?;
        let sent = self.address.try_send_with(message.into(), label.options());
        sent.map_err(|refused| refused.split().1.into())
    }

    fn ask(&self, label: &Label, _: &[u8], to: Answer) {
        let why = format!("{} is a message, not a request", label.kind);
        fail(to, RemoteError::Refused(why));
    }

    fn path(&self) -> ActorPath {
        self.address.path()
    }

    fn is_closed(&self) -> bool {
        self.address.is_closed()
    }

    fn address(&self) -> &dyn Any {
        &self.address
    }
}

/// Answers requests of type `Q`.
pub(super) struct Asking<Q, N> {
    address: Address<N>,
    kind: PhantomData<fn(Q)>,
}

impl<Q, N: 'static> Asking<Q, N> {
    pub(super) fn new(address: &Address<N>) -> Arc<Self> {
        Arc::new(Self { address: address.clone(), kind: PhantomData })
    }
}

impl<Q: WireAsk, N: From<Request<Q>> + Send + 'static> Receiver for Asking<Q, N> {
    fn tell(&self, label: &Label, _: &[u8]) -> Result<(), RemoteError> {
        Err(RemoteError::Refused(format!("{} is a request, not a message", label.kind)))
    }

    fn ask(&self, label: &Label, body: &[u8], to: Answer) {
        let question: Q = match BodyCodec::decode(body) {
            Ok(question) => question,
            Err(why) => return fail(to, unreadable(&why)),
        };
        let within = label.within().unwrap_or(LONGEST).min(to.within());
        let (address, options) = (self.address.clone(), label.options());
        let mut asking = async move { address.ask_with(question, within, options).await }.boxed();
        // Its first turn puts the request into the mailbox, in its order among the messages.
        match (&mut asking).now_or_never() {
            Some(outcome) => reply(to, outcome.map_err(RemoteError::from)),
            // As many at once as the link's window allows; each ends by its deadline.
            None => drop(tokio::spawn(async move {
                reply(to, asking.await.map_err(RemoteError::from));
            })),
        }
    }

    fn path(&self) -> ActorPath {
        self.address.path()
    }

    fn is_closed(&self) -> bool {
        self.address.is_closed()
    }

    fn address(&self) -> &dyn Any {
        &self.address
    }
}

/// Answers a call of another desk.
pub(super) fn reply<T: serde::Serialize>(to: Answer, outcome: Result<T, RemoteError>) {
    match answer(&outcome) {
        Ok(bytes) => to.send(bytes),
        Err(why) => fail(to, RemoteError::Refused(format!("the reply can't be sent: {why}"))),
    }
}

/// Tells the caller why there is no answer.
pub(super) fn fail(to: Answer, why: RemoteError) {
    match answer::<()>(&Err(why)) {
        Ok(bytes) => to.send(bytes),
        Err(why) => to.refuse(why.to_string()),
    }
}

type Kinds = BTreeMap<(String, u16), Arc<dyn Receiver>>;

/// All offers of a node.
#[derive(Default)]
pub(super) struct Offers {
    names: BTreeMap<String, Kinds>,
    count: usize,
}

impl Offers {
    /// Offers a receiver; one of an actor that has ended gives way.
    pub(super) fn add<M: WireMessage, N: 'static>(
        &mut self,
        name: &str,
        receiver: Arc<dyn Receiver>,
        most: usize,
    ) -> Result<(), OfferError> {
        let is_same = |there: &Arc<dyn Receiver>| {
            let ours = receiver.address().downcast_ref::<Address<N>>();
            ours.is_some() && there.address().downcast_ref::<Address<N>>() == ours
        };
        let key = (M::KIND.to_owned(), M::VERSION);
        let there = self.names.get(name).and_then(|kinds| kinds.get(&key));
        if there.is_some_and(|there| !there.is_closed() && !is_same(there)) {
            return Err(OfferError::Taken { name: name.to_owned(), kind: M::KIND });
        }
        if there.is_none() {
            if self.count >= most {
                self.sweep();
            }
            if self.count >= most {
                return Err(OfferError::TooMany(most));
            }
            self.count += 1;
        }
        self.names.entry(name.to_owned()).or_default().insert(key, receiver);
        Ok(())
    }

    /// Takes a name back.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        let removed = self.names.remove(name);
        self.count -= removed.as_ref().map_or(0, BTreeMap::len);
        removed.is_some()
    }

    /// Forgets what belongs to actors that have ended.
    fn sweep(&mut self) {
        self.names.retain(|_, kinds| {
            kinds.retain(|_, receiver| !receiver.is_closed());
            !kinds.is_empty()
        });
        self.count = self.names.values().map(BTreeMap::len).sum();
    }

    /// Who takes this kind of message under this name.
    pub(super) fn find(
        &self,
        name: &str,
        kind: &str,
        version: u16,
    ) -> Result<Arc<dyn Receiver>, RemoteError> {
        let kinds = self.kinds(name)?;
        let wanted = |(there, _): &(&(String, u16), &Arc<dyn Receiver>)| {
            there.0 == kind && there.1 == version
        };
        let Some((_, receiver)) = kinds.iter().find(wanted) else {
            let mut takes = String::new();
            for (kind, version) in kinds.keys() {
                let comma = if takes.is_empty() { "" } else { ", " };
                // Writing to a string can't fail.
                let _ = write!(takes, "{comma}{kind} version {version}");
            }
            let (name, kind) = (name.to_owned(), kind.to_owned());
            return Err(RemoteError::UnknownKind { name, kind, version, takes });
        };
        if receiver.is_closed() { Err(RemoteError::Closed) } else { Ok(Arc::clone(receiver)) }
    }

    /// Whoever has this name, whatever it takes.
    pub(super) fn whoever(&self, name: &str) -> Result<Arc<dyn Receiver>, RemoteError> {
        let kinds = self.kinds(name)?;
        let living = kinds.values().find(|receiver| !receiver.is_closed());
        living.map(Arc::clone).ok_or(RemoteError::Closed)
    }

    fn kinds(&self, name: &str) -> Result<&Kinds, RemoteError> {
        self.names.get(name).ok_or_else(|| RemoteError::UnknownName(name.to_owned()))
    }
}
