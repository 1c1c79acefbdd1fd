//! The senders' side of the inbox: how a message gets in.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::config::Overflow;
use super::envelope::{Charge, Envelope};
use super::inbox::{Binding, Inbox};
use super::state::{Accepted, Rejected};
use super::waiting::Ticket;
use crate::dead_letters::DeadReason;
use crate::error::{SendError, TrySendError};
use crate::interceptor::Verdict;

/// What has become of a message whose sender would wait.
enum Entry {
    Accepted,
    InLine(Ticket, oneshot::Receiver<Result<(), SendError>>),
    Refused(SendError),
}

impl<M> Inbox<M> {
    /// Accepts the message or gives it back; never waits.
    pub(crate) fn offer(&self, envelope: Envelope<M>) -> Result<(), TrySendError<M>> {
        if let Some(reason) = self.judge(&envelope) {
            return Err(TrySendError::Refused(envelope.message, reason));
        }
        let offered = self.state.lock().offer(envelope);
        match offered {
            Ok(accepted) => {
                self.conclude(accepted);
                Ok(())
            }
            Err(Rejected::Full(envelope)) => Err(TrySendError::Full(envelope.message)),
            Err(Rejected::Closed(envelope)) => Err(TrySendError::Closed(envelope.message)),
        }
    }

    /// Accepts the message, under the policy `wait` as soon as there is room for it, but not
    /// after `longest`. A sender that stops waiting (dropped future) takes its message along.
    pub(crate) async fn submit(
        &self,
        envelope: Envelope<M>,
        longest: Duration,
    ) -> Result<(), SendError> {
        match self.enter(envelope) {
            Entry::Accepted => Ok(()),
            Entry::Refused(error) => Err(error),
            Entry::InLine(ticket, admitted) => {
                let place = Place { inbox: self, ticket };
                place.hold(admitted, longest.min(self.config().max_wait())).await
            }
        }
    }

    /// Takes a slot outside of the bound for a message to come.
    pub(crate) fn reserve_slot(&self) -> Result<(), SendError> {
        let mut state = self.state.lock();
        if state.closed.is_some() {
            return Err(SendError::Closed);
        }
        if state.room.admit_slot() { Ok(()) } else { Err(SendError::Full) }
    }

    /// Takes a slot beyond the limit, for a refusal that its asker must hear.
    pub(crate) fn force_slot(&self) {
        self.state.lock().room.force_slot();
    }

    /// Gives an unused slot back.
    pub(crate) fn release_slot(&self) {
        self.state.lock().room.release_slots(1);
    }

    /// Accepts a message into the slot that was taken for it; a dead letter after the end.
    pub(crate) fn fill_slot(&self, mut envelope: Envelope<M>) {
        envelope.charge = Charge::Slot;
        let mut state = self.state.lock();
        if let Some(reason) = state.closed {
            state.room.release_slots(1);
            drop(state);
            return self.bury(envelope, reason);
        }
        let wake = state.push(envelope);
        drop(state);
        self.conclude(Accepted { wake, shed: None });
    }

    /// Asks the interceptors, if there are any; the reason when one refuses.
    fn judge(&self, envelope: &Envelope<M>) -> Option<&'static str> {
        let Binding { path, services } = self.binding.get()?;
        if !services.interceptors.armed() {
            return None;
        }
        let metadata = envelope.metadata();
        match services.interceptors.judge(path, &metadata) {
            Verdict::Deliver => None,
            Verdict::Refuse(reason) => {
                self.tell_dead(&metadata, DeadReason::Refused);
                Some(reason)
            }
        }
    }

    fn enter(&self, envelope: Envelope<M>) -> Entry {
        if let Some(reason) = self.judge(&envelope) {
            return Entry::Refused(SendError::Refused(reason));
        }
        let mut state = self.state.lock();
        let rejected = match state.offer(envelope) {
            Ok(accepted) => {
                drop(state);
                self.conclude(accepted);
                return Entry::Accepted;
            }
            Err(rejected) => rejected,
        };
        // `left` is dropped after the lock: a message's drop runs code of its owner.
        let (left, error) = match rejected {
            Rejected::Closed(envelope) => (envelope, SendError::Closed),
            Rejected::Full(envelope) if self.config().overflow == Overflow::Wait => {
                let (admitted, admission) = oneshot::channel();
                match state.wait_in_line(envelope, admitted) {
                    Ok(ticket) => return Entry::InLine(ticket, admission),
                    Err(envelope) => (envelope, SendError::Full),
                }
            }
            Rejected::Full(envelope) => (envelope, SendError::Full),
        };
        drop(state);
        drop(left);
        Entry::Refused(error)
    }

    fn conclude(&self, accepted: Accepted<M>) {
        if let Some(wake) = accepted.wake {
            wake();
        }
        if let Some(shed) = accepted.shed {
            self.bury(shed, DeadReason::Shed);
        }
    }
}

/// A place in the line of waiting senders; given up when dropped.
struct Place<'a, M> {
    inbox: &'a Inbox<M>,
    ticket: Ticket,
}

impl<M> Place<'_, M> {
    async fn hold(
        self,
        mut admission: oneshot::Receiver<Result<(), SendError>>,
        longest: Duration,
    ) -> Result<(), SendError> {
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
        let withdrawn = self.inbox.state.lock().withdraw(self.ticket);
        withdrawn.is_some()
    }
}

impl<M> Drop for Place<'_, M> {
    fn drop(&mut self) {
        self.leave();
    }
}
