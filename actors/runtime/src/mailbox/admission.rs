//! The senders' side of the inbox: how a message gets in.
//!
//! The way in that meets no obstacle is inlined into the sender and moves the message once, into
//! its lane; every obstacle is a call of its own.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::config::Overflow;
use super::envelope::{Envelope, Header};
use super::inbox::{Binding, Inbox};
use super::state::Waker;
use super::waiting::Ticket;
use crate::dead_letters::DeadReason;
use crate::error::{SendError, TrySendError};
use crate::interceptor::Verdict;

type Admission = oneshot::Receiver<Result<(), SendError>>;

impl<M> Inbox<M> {
    /// Accepts the message or gives it back; never waits.
    ///
    /// The header of a message for `lane` is made when there is a place for it: until then it
    /// would be moved from call to call.
    #[inline(always)]
    pub(crate) fn offer(
        &self,
        message: M,
        lane: usize,
        header: impl FnOnce() -> Header,
    ) -> Result<(), TrySendError<M>> {
        if self.is_intercepted() {
            return self.offer_judged(message, header());
        }
        let mut state = self.lock();
        if !state.admit(lane) {
            drop(state);
            return self.offer_slowly(message, header());
        }
        let wake = state.push(message, header());
        drop(state);
        call(wake);
        Ok(())
    }

    /// Accepts a message that [`Inbox::offer`] had no room for, under the policy `wait` as soon
    /// as there is room for it, but not after `longest`. A sender that stops waiting (dropped
    /// future) takes its message along.
    pub(crate) async fn wait_for_room(
        &self,
        message: M,
        header: Header,
        longest: Duration,
    ) -> Result<(), SendError> {
        let Some((ticket, admission)) = self.enter_line(message, header)? else { return Ok(()) };
        let place = Place { inbox: self, ticket };
        place.hold(admission, longest.min(self.config().max_wait())).await
    }

    /// Takes a slot outside of the bound for a message to come.
    pub(crate) fn reserve_slot(&self) -> Result<(), SendError> {
        let mut state = self.lock();
        if state.closed {
            return Err(SendError::Closed);
        }
        if state.room.admit_slot() { Ok(()) } else { Err(SendError::Full) }
    }

    /// Takes a slot beyond the limit, for a refusal that its asker must hear.
    pub(crate) fn force_slot(&self) {
        self.lock().room.force_slot();
    }

    /// Gives an unused slot back.
    pub(crate) fn release_slot(&self) {
        self.lock().room.release_slots(1);
    }

    /// Accepts a message into the slot that was taken for it; a dead letter after the end.
    pub(crate) fn fill_slot(&self, message: M, header: Header) {
        let header = header.in_slot();
        let mut state = self.lock();
        if state.closed {
            state.room.release_slots(1);
            drop(state);
            return self.bury(message, &header, DeadReason::Closed);
        }
        let wake = state.push(message, header);
        drop(state);
        call(wake);
    }

    #[inline]
    fn is_intercepted(&self) -> bool {
        self.binding.get().is_some_and(|binding| binding.services.interceptors.armed())
    }

    #[cold]
    fn offer_judged(&self, message: M, header: Header) -> Result<(), TrySendError<M>> {
        if let Some(Binding { path, services }) = self.binding.get() {
            let metadata = header.metadata();
            if let Verdict::Refuse(reason) = services.interceptors.judge(path, &metadata) {
                self.tell_dead(&metadata, DeadReason::Refused);
                return Err(TrySendError::Refused(message, reason));
            }
        }
        self.offer_slowly(message, header)
    }

    /// The way in for a message that meets an obstacle, whatever it is.
    #[cold]
    fn offer_slowly(&self, message: M, header: Header) -> Result<(), TrySendError<M>> {
        let mut state = self.lock();
        if state.closed {
            return Err(TrySendError::Closed(message));
        }
        let lane = header.lane();
        let mut shed = None;
        // Asked again: there may be room meanwhile.
        if !state.admit(lane) {
            if self.config().overflow == Overflow::ShedOldest {
                shed = state.shed_for(lane);
            }
            if shed.is_none() {
                return Err(TrySendError::Full(message));
            }
        }
        let wake = state.push(message, header);
        drop(state);
        call(wake);
        self.bury_shed(shed);
        Ok(())
    }

    fn bury_shed(&self, shed: Option<Envelope<M>>) {
        if let Some(Envelope { message, header }) = shed {
            self.bury(message, &header, DeadReason::Shed);
        }
    }

    /// Puts the sender in line; none when there was room for its message by now.
    fn enter_line(
        &self,
        message: M,
        header: Header,
    ) -> Result<Option<(Ticket, Admission)>, SendError> {
        let config = self.config();
        let mut state = self.lock();
        let refused = if state.closed {
            SendError::Closed
        } else if state.admit(header.lane()) {
            let wake = state.push(message, header);
            drop(state);
            call(wake);
            return Ok(None);
        } else if config.overflow != Overflow::Wait || state.waiting_senders() >= config.max_waiting
        {
            SendError::Full
        } else {
            let (admitted, admission) = oneshot::channel();
            return Ok(Some((state.wait_in_line(message, header, admitted), admission)));
        };
        // Before the message is dropped, which runs code of its owner.
        drop(state);
        Err(refused)
    }
}

#[inline]
fn call(wake: Option<Waker>) {
    if let Some(wake) = wake {
        wake();
    }
}

/// A place in the line of waiting senders; given up when dropped.
struct Place<'a, M> {
    inbox: &'a Inbox<M>,
    ticket: Ticket,
}

impl<M> Place<'_, M> {
    async fn hold(self, mut admission: Admission, longest: Duration) -> Result<(), SendError> {
        if let Ok(ended) = timeout(longest, &mut admission).await {
            return ended.unwrap_or(Err(SendError::Closed));
        }
        if self.leave() {
            return Err(SendError::Full);
        }
        // Too late to leave: the message is in, the word of it is on its way.
        admission.await.unwrap_or(Err(SendError::Closed))
    }

    /// Takes the message out of the line; false when it is not there any more.
    fn leave(&self) -> bool {
        let withdrawn = self.inbox.lock().withdraw(self.ticket);
        withdrawn.is_some()
    }
}

impl<M> Drop for Place<'_, M> {
    fn drop(&mut self) {
        self.leave();
    }
}
