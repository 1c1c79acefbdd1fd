//! A batch: the next messages of an inbox in the hands of its actor.

use std::collections::VecDeque;
use std::sync::Arc;

use super::envelope::{Charge, Envelope};
use super::inbox::Inbox;
use super::state::Tally;
use crate::dead_letters::DeadReason;
use crate::metadata::Metadata;

/// A message and what is known of it, about to be handled.
#[derive(Debug)]
pub struct Delivery<M> {
    /// The message.
    pub message: M,
    /// What travelled beside it; a crash's dead letter is made of this.
    pub metadata: Metadata,
}

/// Messages taken out of an inbox, in the order in which they are to be handled.
///
/// However it ends (finished, dropped by a panic, dropped with a killed handler), what was not
/// popped returns to the front of its lanes in order, and what was popped stops counting against
/// the bound.
pub struct Batch<M> {
    inbox: Arc<Inbox<M>>,
    /// None when there was nobody to take messages for.
    queue: Option<VecDeque<Envelope<M>>>,
    tally: Tally,
}

impl<M> Batch<M> {
    pub(super) fn new(inbox: Arc<Inbox<M>>, queue: Option<VecDeque<Envelope<M>>>) -> Self {
        Self { inbox, queue, tally: Tally::default() }
    }

    /// The next message to handle. Expired ones become dead letters on the way.
    pub fn pop(&mut self) -> Option<Delivery<M>> {
        loop {
            let envelope = self.queue.as_mut()?.pop_front()?;
            self.tally.popped += 1;
            match envelope.charge {
                Charge::Bound => self.tally.places[envelope.priority.lane()] += 1,
                Charge::Slot => self.tally.slots += 1,
            }
            if envelope.expires.is_some_and(|expires| self.inbox.now() >= expires) {
                self.inbox.bury(envelope, DeadReason::Expired);
                continue;
            }
            self.tally.delivered += 1;
            let (message, metadata) = envelope.into_parts();
            return Some(Delivery { message, metadata });
        }
    }

    /// Messages not yet popped.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.as_ref().map_or(0, VecDeque::len)
    }

    /// Whether all have been popped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends the batch: what was not popped returns, and the inbox wakes its actor again when
    /// anything is queued. Dropping does the same; this says that it is meant.
    pub fn finish(self) {}
}

impl<M> Drop for Batch<M> {
    fn drop(&mut self) {
        if let Some(rest) = self.queue.take() {
            self.inbox.give_back(rest, &self.tally);
        }
    }
}

impl<M> std::fmt::Debug for Batch<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch").field("len", &self.len()).finish_non_exhaustive()
    }
}
