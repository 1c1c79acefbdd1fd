//! What the inbox's lock protects. Nothing here drops a message, calls a waker or reads a clock:
//! what is to be dropped or called is handed out, to happen after the lock.

use std::collections::VecDeque;
use std::sync::Arc;

use super::config::{MailboxConfig, Overflow};
use super::envelope::{Charge, Envelope};
use super::lanes::Lanes;
use super::room::Room;
use super::waiting::{Admitted, Ticket, WaitingSenders};
use crate::dead_letters::DeadReason;
use crate::priority::Priority;

/// Tells the actor's cell that messages are there; once per batch.
pub(super) type Waker = Arc<dyn Fn() + Send + Sync>;

/// A batch buffer that has grown beyond this many places is not kept for the next batch.
const KEEP: usize = 256;

#[derive(Debug)]
pub(super) struct Limits {
    pub(super) batch: usize,
    pub(super) fairness: u64,
    pub(super) max_waiting: usize,
    pub(super) overflow: Overflow,
}

pub(super) struct State<M> {
    pub(super) lanes: Lanes<M>,
    pub(super) room: Room,
    pub(super) closed: Option<DeadReason>,
    pub(super) processed: u64,
    limits: Limits,
    waiting: Option<Box<WaitingSenders<M>>>,
    waker: Option<Waker>,
    /// Emptied buffer of the last batch.
    spare: VecDeque<Envelope<M>>,
    /// Order of acceptance of the next message.
    sequence: u64,
    /// Messages ever taken and not returned; every `fairness`-th goes by age.
    taken: u64,
    /// How many messages the next batch takes: it follows what the last ones could handle.
    stride: usize,
    /// A wake is on its way or a batch is in hand.
    awake: bool,
    in_hand: bool,
    paused: bool,
}

/// The message is in its lane.
pub(super) struct Accepted<M> {
    pub(super) wake: Option<Waker>,
    /// What gave way to it.
    pub(super) shed: Option<Envelope<M>>,
}

/// The message is not in its lane.
pub(super) enum Rejected<M> {
    Full(Envelope<M>),
    Closed(Envelope<M>),
}

/// What is left to do after the lock when a batch has ended.
pub(super) struct Aftermath<M> {
    pub(super) wake: Option<Waker>,
    pub(super) admitted: Vec<Admitted>,
    /// Returned to an inbox that has closed meanwhile.
    pub(super) undeliverable: Option<(VecDeque<Envelope<M>>, DeadReason)>,
}

/// What a batch has used up.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) places: [u32; Priority::COUNT],
    pub(super) slots: u32,
    pub(super) delivered: u32,
    pub(super) popped: u32,
}

impl<M> State<M> {
    pub(super) fn new(config: &MailboxConfig) -> Self {
        Self {
            lanes: Lanes::new(),
            room: Room::new(config.capacity, config.reserve, config.max_reserved),
            closed: None,
            processed: 0,
            limits: Limits {
                batch: config.batch,
                fairness: u64::from(config.fairness),
                max_waiting: config.max_waiting,
                overflow: config.overflow,
            },
            waiting: None,
            waker: None,
            spare: VecDeque::new(),
            sequence: 0,
            taken: 0,
            stride: config.batch,
            awake: false,
            in_hand: false,
            paused: false,
        }
    }

    /// Takes a message into its lane if there is room for it, or if room can be made.
    pub(super) fn offer(&mut self, envelope: Envelope<M>) -> Result<Accepted<M>, Rejected<M>> {
        if self.closed.is_some() {
            return Err(Rejected::Closed(envelope));
        }
        let lane = envelope.priority.lane();
        let mut shed = None;
        if self.has_waiting(lane) || !self.room.admit(lane) {
            shed = self.shed_for(lane);
            if shed.is_none() {
                return Err(Rejected::Full(envelope));
            }
        }
        Ok(Accepted { wake: self.push(envelope), shed })
    }

    /// Puts a sender in line; gives the message back when the line is full.
    pub(super) fn wait_in_line(
        &mut self,
        envelope: Envelope<M>,
        admitted: Admitted,
    ) -> Result<Ticket, Envelope<M>> {
        if self.waiting_senders() >= self.limits.max_waiting {
            return Err(envelope);
        }
        let waiting = self.waiting.get_or_insert_with(|| Box::new(WaitingSenders::new()));
        Ok(waiting.enqueue(envelope, admitted))
    }

    /// Takes a sender out of the line that waits no longer.
    pub(super) fn withdraw(&mut self, ticket: Ticket) -> Option<Envelope<M>> {
        self.waiting.as_mut()?.withdraw(ticket)
    }

    /// Puts a message into its lane, whatever the bound says.
    pub(super) fn push(&mut self, mut envelope: Envelope<M>) -> Option<Waker> {
        envelope.sequence = self.sequence;
        self.sequence += 1;
        self.lanes.push_back(envelope);
        self.wake()
    }

    /// The next messages in the order in which they are to be handled; none while there is
    /// nobody to handle them.
    pub(super) fn take(&mut self) -> Option<VecDeque<Envelope<M>>> {
        if self.in_hand {
            return None;
        }
        if self.paused || self.waker.is_none() {
            self.awake = false;
            return None;
        }
        self.in_hand = true;
        self.awake = true;
        let mut batch = std::mem::take(&mut self.spare);
        if let Some(lane) = self.lanes.only_lane() {
            self.lanes.move_front(lane, self.stride, &mut batch);
            self.taken += batch.len() as u64;
        } else {
            self.choose(&mut batch);
        }
        Some(batch)
    }

    /// Takes back what a batch has not handled, in its order and in front of all others.
    pub(super) fn give_back(
        &mut self,
        mut rest: VecDeque<Envelope<M>>,
        tally: &Tally,
    ) -> Aftermath<M> {
        self.in_hand = false;
        self.awake = false;
        self.processed += u64::from(tally.delivered);
        self.adapt(tally.popped as usize, rest.len());
        self.release(tally);
        let undeliverable = self.closed.map(|reason| (std::mem::take(&mut rest), reason));
        for envelope in undeliverable.iter().flat_map(|(returned, _)| returned) {
            self.forget(envelope.priority.lane(), envelope.charge);
        }
        self.taken -= rest.len() as u64;
        while let Some(envelope) = rest.pop_back() {
            self.lanes.push_front(envelope);
        }
        if rest.capacity() <= KEEP {
            self.spare = rest;
        }
        let admitted = self.admit_waiting();
        if self.lanes.is_empty() {
            self.lanes.trim();
        }
        Aftermath { wake: self.wake(), admitted, undeliverable }
    }

    pub(super) fn attach(&mut self, waker: Waker) -> Option<Waker> {
        self.waker = Some(waker);
        self.awake = false;
        self.wake()
    }

    pub(super) fn detach(&mut self) -> Option<Waker> {
        self.awake = false;
        self.waker.take()
    }

    pub(super) fn pause(&mut self) {
        self.paused = true;
    }

    pub(super) fn resume(&mut self) -> Option<Waker> {
        self.paused = false;
        self.wake()
    }

    /// Ends the inbox; everything that is queued or waits in line comes out.
    pub(super) fn close(&mut self, reason: DeadReason) -> Closing<M> {
        self.closed = Some(reason);
        let waker = self.waker.take();
        let mut queued = Vec::new();
        while let Some(envelope) = self.lanes.pop_most_urgent() {
            self.forget(envelope.priority.lane(), envelope.charge);
            queued.push(envelope);
        }
        let waiting = self.waiting.take().map(|mut line| line.drain()).unwrap_or_default();
        Closing { queued, waiting, waker }
    }

    pub(super) fn waiting_senders(&self) -> usize {
        self.waiting.as_ref().map_or(0, |waiting| waiting.len())
    }

    /// How many messages have been accepted after the oldest one that is queued.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.lanes.oldest().map(|sequence| self.sequence - 1 - sequence)
    }

    /// A wake is due when messages are there, somebody would hear it and none is on its way.
    fn wake(&mut self) -> Option<Waker> {
        if self.awake || self.paused || self.lanes.is_empty() {
            return None;
        }
        let waker = self.waker.clone()?;
        self.awake = true;
        Some(waker)
    }

    fn has_waiting(&self, lane: usize) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| waiting.has(lane))
    }

    fn choose(&mut self, batch: &mut VecDeque<Envelope<M>>) {
        while batch.len() < self.stride {
            self.taken += 1;
            let by_age =
                self.limits.fairness > 0 && self.taken.is_multiple_of(self.limits.fairness);
            let next = if by_age { self.lanes.pop_oldest() } else { self.lanes.pop_most_urgent() };
            let Some(envelope) = next else {
                self.taken -= 1;
                return;
            };
            batch.push_back(envelope);
        }
    }

    /// A handler that suspends ends its batch, so taking many for it would be wasted work.
    fn adapt(&mut self, popped: usize, left: usize) {
        let stride = if left > 0 { popped } else { self.stride * 2 };
        self.stride = stride.clamp(1, self.limits.batch);
    }

    fn release(&mut self, tally: &Tally) {
        for (lane, &count) in tally.places.iter().enumerate().filter(|(_, count)| **count > 0) {
            self.room.release(lane, count);
        }
        self.room.release_slots(tally.slots);
    }

    fn forget(&mut self, lane: usize, charge: Charge) {
        match charge {
            Charge::Bound => self.room.release(lane, 1),
            Charge::Slot => self.room.release_slots(1),
        }
    }

    fn admit_waiting(&mut self) -> Vec<Admitted> {
        let mut admitted = Vec::new();
        let Some(mut waiting) = self.waiting.take() else { return admitted };
        while let Some((mut envelope, sender)) = waiting.admit(&mut self.room) {
            envelope.sequence = self.sequence;
            self.sequence += 1;
            self.lanes.push_back(envelope);
            admitted.push(sender);
        }
        self.waiting = Some(waiting);
        admitted
    }

    /// Makes room in `lane` under the policy `shed_oldest`, and takes it.
    fn shed_for(&mut self, lane: usize) -> Option<Envelope<M>> {
        if self.limits.overflow != Overflow::ShedOldest {
            return None;
        }
        let (room, lanes) = (&self.room, &mut self.lanes);
        let envelope = (lane..Priority::COUNT)
            .rev()
            .filter(|&from| room.release_helps(from, lane))
            .find_map(|from| lanes.shed_from(from))?;
        self.room.release(envelope.priority.lane(), 1);
        self.room.admit(lane);
        Some(envelope)
    }
}

/// What comes out of an inbox that closes.
pub(super) struct Closing<M> {
    pub(super) queued: Vec<Envelope<M>>,
    pub(super) waiting: Vec<(Envelope<M>, Admitted)>,
    /// Dropped after the lock: it may hold the last reference to its cell.
    pub(super) waker: Option<Waker>,
}
