//! Asking: a request goes out with a deadline, exactly one outcome comes back.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::reply::ReplySlot;
use super::{Address, Permit, Place, Reply, SendOptions};
use crate::clock::after;
use crate::deadlines::{DeadlineKey, Deadlines, Expire};
use crate::error::{AskError, SendError, TrySendError};
use crate::mailbox::Header;
use crate::message::{Ask, Request};
use crate::scope::Scope;

impl<M: Send + 'static> Address<M> {
    /// Asks and waits for the reply, at most for `within`, the wait for room included.
    ///
    /// An actor that has other messages to handle should use [`Address::ask_into`] instead.
    pub async fn ask<Q: Ask>(&self, question: Q, within: Duration) -> Result<Q::Reply, AskError>
    where
        M: From<Request<Q>>,
    {
        let deadline = self.begin(within)?;
        let (reply, answer) = Reply::awaited(deadline);
        let message = M::from(Request::new(question, reply));
        let lane = Scope::priority().lane();
        let header = || Header::inherited::<M>().of_request::<Q>(deadline);
        let offered = match &self.place {
            Place::Here(inbox) => inbox.offer(message, lane, header),
            Place::Elsewhere(remote) => remote.deliver(message, header(), None),
        };
        if let Err(refused) = offered {
            self.retry(refused, header(), within).await?;
        }
        self.answer(answer, deadline).await
    }

    /// Like [`Address::ask`], with what `options` say about the request; its time-to-live is
    /// `within`.
    pub async fn ask_with<Q: Ask>(
        &self,
        question: Q,
        within: Duration,
        options: SendOptions,
    ) -> Result<Q::Reply, AskError>
    where
        M: From<Request<Q>>,
    {
        let deadline = self.begin(within)?;
        let (reply, answer) = Reply::awaited(deadline);
        let message = M::from(Request::new(question, reply));
        let header = || options.clone().resolve::<M>().0.of_request::<Q>(deadline);
        if let Err(refused) = self.offer(message, header(), None) {
            self.retry(refused, header(), within).await?;
        }
        self.answer(answer, deadline).await
    }

    /// Asks without waiting: the outcome, made a message by `map`, arrives at `reply_to` through
    /// a slot reserved now. Exactly one message arrives, whatever happens.
    ///
    /// A full receiver is [`AskError::Full`] at once. So is an asker that has all of its
    /// `max_reserved` slots taken; that refusal itself still arrives. `map` must not panic: it
    /// runs wherever the request ends.
    pub fn ask_into<Q, N>(
        &self,
        question: Q,
        within: Duration,
        reply_to: &Address<N>,
        map: impl FnOnce(Result<Q::Reply, AskError>) -> N + Send + 'static,
    ) where
        Q: Ask,
        N: Send + 'static,
        M: From<Request<Q>>,
    {
        self.ask_into_with(question, within, SendOptions::new(), reply_to, map);
    }

    /// Like [`Address::ask_into`], with what `options` say about the request; its time-to-live is
    /// `within`.
    pub fn ask_into_with<Q, N>(
        &self,
        question: Q,
        within: Duration,
        options: SendOptions,
        reply_to: &Address<N>,
        map: impl FnOnce(Result<Q::Reply, AskError>) -> N + Send + 'static,
    ) where
        Q: Ask,
        N: Send + 'static,
        M: From<Request<Q>>,
    {
        let permit = match reply_to.reserve() {
            Ok(permit) => permit,
            Err(error) => return reply_to.refuse(map(Err(error.into()))),
        };
        let deadline = self.deadline(within);
        let deadlines = reply_to.deadlines().or_else(|| self.deadlines()).unwrap_or_default();
        let pending = Pending::open(permit, map, deadlines, deadline);
        let slot: Arc<dyn ReplySlot<Q::Reply>> = Arc::clone(&pending) as _;
        let message = M::from(Request::new(question, Reply::into_slot(slot, deadline)));
        let header = options.resolve::<M>().0.of_request::<Q>(deadline);
        if let Err(refused) = self.offer(message, header, None) {
            let (message, error) = refused.split();
            // Settled before the request is dropped, which would settle it as unanswered.
            pending.settle(Err(error.into()));
            drop(message);
        }
    }

    /// The deadline of a question asked now and waited for in place.
    fn begin(&self, within: Duration) -> Result<Instant, AskError> {
        if Scope::is_handler_of(self.id()) {
            return Err(AskError::SelfAsk);
        }
        Ok(self.deadline(within))
    }

    /// Goes on with a request that was not accepted at once.
    async fn retry(
        &self,
        refused: TrySendError<M>,
        header: Header,
        within: Duration,
    ) -> Result<(), SendError> {
        match refused {
            TrySendError::Full(message) => self.wait_for_room(message, header, None, within).await,
            refused => Err(refused.into()),
        }
    }

    async fn answer<T>(
        &self,
        answer: oneshot::Receiver<T>,
        deadline: Instant,
    ) -> Result<T, AskError> {
        match timeout_at(deadline, answer).await {
            Ok(Ok(reply)) => Ok(reply),
            Err(_) => Err(AskError::Deadline),
            Ok(Err(_)) if Instant::now() >= deadline => Err(AskError::Deadline),
            Ok(Err(_)) => Err(AskError::Unanswered),
        }
    }

    fn deadline(&self, within: Duration) -> Instant {
        let now = match &self.place {
            Place::Here(inbox) => inbox.now(),
            Place::Elsewhere(_) => Instant::now(),
        };
        after(now, within)
    }

    fn deadlines(&self) -> Option<Arc<Deadlines>> {
        let Place::Here(inbox) = &self.place else { return None };
        inbox.services().map(|services| Arc::clone(&services.deadlines))
    }

    /// Delivers a refusal beside every limit: one for each request that could not be made, and
    /// whoever makes requests is the one who gets them.
    fn refuse(&self, message: M) {
        if let Place::Here(inbox) = &self.place {
            inbox.force_slot();
            Permit::of_slot(inbox).send(message);
        }
    }
}

/// A request whose asker doesn't wait: whoever comes first, the receiver or the deadline, takes
/// what is in it and sends the asker its one message.
struct Pending<T, N, F> {
    open: Mutex<Open<N, F>>,
    deadlines: Arc<Deadlines>,
    deadline: Instant,
    reply: PhantomData<fn(T)>,
}

struct Open<N, F> {
    waiter: Option<(Permit<N>, F)>,
    key: Option<DeadlineKey>,
}

impl<T, N, F> Pending<T, N, F>
where
    T: Send + 'static,
    N: Send + 'static,
    F: FnOnce(Result<T, AskError>) -> N + Send + 'static,
{
    fn open(permit: Permit<N>, map: F, deadlines: Arc<Deadlines>, deadline: Instant) -> Arc<Self> {
        let open = Mutex::new(Open { waiter: Some((permit, map)), key: None });
        let pending = Arc::new(Self { open, deadlines, deadline, reply: PhantomData });
        let expire: Arc<dyn Expire> = Arc::clone(&pending) as _;
        let key = pending.deadlines.schedule(deadline, expire);
        pending.open.lock().key = Some(key);
        pending
    }

    fn settle(&self, outcome: Result<T, AskError>) {
        let (waiter, key) = {
            let mut open = self.open.lock();
            (open.waiter.take(), open.key.take())
        };
        if let Some((permit, map)) = waiter {
            if let Some(key) = key {
                self.deadlines.cancel(key);
            }
            permit.send(map(outcome));
        }
    }
}

impl<T, N, F> ReplySlot<T> for Pending<T, N, F>
where
    T: Send + 'static,
    N: Send + 'static,
    F: FnOnce(Result<T, AskError>) -> N + Send + 'static,
{
    fn answer(&self, reply: T) {
        self.settle(Ok(reply));
    }

    fn abandon(&self) {
        let late = Instant::now() >= self.deadline;
        self.settle(Err(if late { AskError::Deadline } else { AskError::Unanswered }));
    }

    fn is_settled(&self) -> bool {
        // The asker's inbox has a lock of its own, which is not taken within this one.
        let asker = match &self.open.lock().waiter {
            Some((permit, _)) => permit.inbox(),
            None => None,
        };
        asker.is_none_or(|inbox| inbox.is_closed())
    }
}

impl<T, N, F> Expire for Pending<T, N, F>
where
    T: Send + 'static,
    N: Send + 'static,
    F: FnOnce(Result<T, AskError>) -> N + Send + 'static,
{
    fn expire(&self) {
        self.settle(Err(AskError::Deadline));
    }
}
