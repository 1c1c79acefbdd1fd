//! A batch: the next messages of an inbox in the hands of its actor.

use super::envelope::Charge;
use super::envelope::Envelope;
use super::expiry::Expiry;
use super::inbox::Inbox;
use super::state::{Taken, Tally};
use tokio::time::Instant;

use crate::dead_letters::DeadReason;
use crate::metadata::Metadata;
use crate::priority::Priority;

/// A message and what is known of it, about to be handled.
#[derive(Debug)]
pub struct Delivery<M> {
    /// The message.
    pub message: M,
    /// What travelled beside it; a crash's dead letter is made of this.
    pub metadata: Metadata,
}

/// The right to handle the next messages of an inbox, at most as many as its configuration says.
///
/// The messages are taken out of the inbox without being counted out one by one; however the
/// batch ends (finished, dropped by a panic, dropped with a killed handler), what was not popped
/// stays in front of its lanes in order, and what was popped stops counting against the bound.
pub struct Batch<'a, M> {
    inbox: &'a Inbox<M>,
    /// None when there was nothing to take, or nobody to take it for.
    taken: Option<Taken<M>>,
    left: usize,
    fairness: u64,
    tally: Tally,
}

impl<'a, M> Batch<'a, M> {
    pub(super) fn new(inbox: &'a Inbox<M>, taken: Option<Taken<M>>) -> Self {
        let config = inbox.config();
        let (left, fairness) = (config.batch, u64::from(config.fairness));
        Self { inbox, taken, left, fairness, tally: Tally::default() }
    }

    /// The next message to handle; what is known of it replaces `metadata`. Expired ones become
    /// dead letters on the way: those that had expired by `now`, which may be when the batch
    /// began.
    ///
    /// Message and metadata are moved once, from the lane to where they are used: this is the
    /// path of every message.
    #[inline]
    pub fn pop_into(&mut self, metadata: &mut Metadata, now: Instant) -> Option<M> {
        loop {
            let lane = self.next_lane()?;
            let taken = self.taken.as_mut()?;
            let Envelope { message, header } = taken.lanes.pop(lane)?;
            match header.charge() {
                Charge::Bound => self.tally.places[lane] += 1,
                Charge::Slot => self.tally.slots[lane] += 1,
            }
            self.tally.lanes |= 1 << lane;
            if !header.expires.is_never() && Expiry::at(now) >= header.expires {
                self.inbox.bury(message, &header, DeadReason::Expired);
                continue;
            }
            metadata.priority = Priority::ALL[lane];
            metadata.expires = header.expires.instant();
            metadata.kind = header.kind;
            metadata.origin = header.origin;
            self.tally.delivered += 1;
            return Some(message);
        }
    }

    /// Like [`Batch::pop_into`], for who has no place for the metadata yet.
    pub fn pop(&mut self) -> Option<Delivery<M>> {
        let mut metadata = Metadata::new(std::any::type_name::<M>);
        let message = self.pop_into(&mut metadata, self.inbox.now())?;
        Some(Delivery { message, metadata })
    }

    /// Whether nothing is left to pop.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.left == 0 || self.taken.as_ref().is_none_or(|taken| taken.lanes.is_empty())
    }

    /// Whether as many messages have been popped as one batch may take.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.left == 0
    }

    /// Ends the batch and begins the next one at once, without a wake in between; false when
    /// there is nothing to take, and then the batch is over.
    pub fn renew(&mut self) -> bool {
        let Some(taken) = self.taken.take() else { return false };
        let tally = std::mem::take(&mut self.tally);
        self.taken = self.inbox.exchange(taken, &tally);
        self.left = self.inbox.config().batch;
        self.taken.is_some()
    }

    /// Ends the batch: what was not popped stays queued, and the inbox wakes its actor again when
    /// anything is. Dropping does the same; this says that it is meant.
    pub fn finish(self) {}

    /// Whose turn it is: the most urgent lane, or by age; none when the batch is over.
    #[inline]
    fn next_lane(&mut self) -> Option<usize> {
        let taken = self.taken.as_mut()?;
        let urgent = taken.lanes.most_urgent()?;
        self.left = self.left.checked_sub(1)?;
        self.tally.is_full = self.left == 0;
        taken.served += 1;
        let by_age = self.fairness > 0 && taken.served.is_multiple_of(self.fairness);
        if by_age { taken.lanes.longest_waiting() } else { Some(urgent) }
    }
}

impl<M> Drop for Batch<'_, M> {
    fn drop(&mut self) {
        if let Some(taken) = self.taken.take() {
            self.inbox.give_back(taken, &self.tally);
        }
    }
}

impl<M> std::fmt::Debug for Batch<'_, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch").field("left", &self.left).finish_non_exhaustive()
    }
}
