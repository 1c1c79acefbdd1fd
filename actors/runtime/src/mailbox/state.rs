//! What the inbox's lock protects. Nothing here drops a message, calls a waker or reads a clock:
//! what is to be dropped or called is handed out, to happen after the lock.

use std::sync::Arc;

use super::config::{MailboxConfig, Overflow};
use super::envelope::{Charge, Envelope, Header};
use super::lanes::{Lanes, bits};
use super::room::Room;
use super::waiting::{Admitted, Ticket, WaitingSenders};
use crate::priority::Priority;

/// Tells the actor's cell that messages are there; once per batch.
pub(super) type Waker = Arc<dyn Fn() + Send + Sync>;

pub(super) struct State<M> {
    pub(super) room: Room,
    pub(super) closed: bool,
    pub(super) processed: u64,
    /// What has been accepted since the last batch was taken; made with the first message.
    incoming: Option<Box<Lanes<M>>>,
    /// What the last batch has left, older than the incoming of the same lane; away while a
    /// batch is in hand.
    parked: Option<Box<Lanes<M>>>,
    /// Accepted and not handled yet, by lane, slots included.
    queued: [u32; Priority::COUNT],
    waiting: Option<Box<WaitingSenders<M>>>,
    waker: Option<Waker>,
    /// Order of acceptance of the next message.
    sequence: u64,
    /// Messages ever popped; every `fairness`-th goes by age.
    served: u64,
    /// A wake is on its way or a batch is in hand.
    awake: bool,
    in_hand: bool,
    paused: bool,
}

/// What a batch works on.
pub(super) struct Taken<M> {
    pub(super) lanes: Box<Lanes<M>>,
    pub(super) served: u64,
}

/// What is left to do after the lock when a batch has ended.
pub(super) struct Aftermath<M> {
    pub(super) wake: Option<Waker>,
    pub(super) admitted: Vec<Admitted>,
    /// Returned to an inbox that has closed meanwhile.
    pub(super) undeliverable: Vec<Envelope<M>>,
}

/// What comes out of an inbox that closes.
pub(super) struct Closing<M> {
    pub(super) queued: Vec<Envelope<M>>,
    pub(super) waiting: Vec<(Envelope<M>, Admitted)>,
    /// Dropped after the lock: it may hold the last reference to its cell.
    pub(super) waker: Option<Waker>,
}

/// What a batch has used up.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Popped messages that occupied places, by lane.
    pub(super) places: [u32; Priority::COUNT],
    /// Popped messages that occupied slots, by lane.
    pub(super) slots: [u32; Priority::COUNT],
    /// Bit `i` is set when lane `i` has been popped from.
    pub(super) lanes: u8,
    pub(super) delivered: u32,
    /// The batch took as many as it was allowed to.
    pub(super) is_full: bool,
}

impl<M> State<M> {
    pub(super) fn new(config: &MailboxConfig) -> Self {
        Self {
            room: Room::new(config.capacity, config.reserve, config.max_reserved),
            closed: false,
            processed: 0,
            incoming: None,
            parked: None,
            queued: [0; Priority::COUNT],
            waiting: None,
            waker: None,
            sequence: 0,
            served: 0,
            awake: false,
            in_hand: false,
            paused: false,
        }
    }

    /// Takes a place in `lane`, if the inbox is open, nobody waits there and there is room.
    #[inline]
    pub(super) fn admit(&mut self, lane: usize) -> bool {
        !self.closed && !self.has_waiting(lane) && self.room.admit(lane)
    }

    /// Puts a message into its lane, for which it has a place or a slot.
    #[inline(always)]
    pub(super) fn push(&mut self, message: M, header: Header) -> Option<Waker> {
        self.enqueue(message, header);
        if self.awake { None } else { self.wake() }
    }

    /// Makes room in `lane` by taking out the oldest message of the least urgent lane that is
    /// not more urgent and whose place helps; then takes that place.
    pub(super) fn shed_for(&mut self, lane: usize) -> Option<Envelope<M>> {
        let room = &self.room;
        let envelope = (lane..Priority::COUNT)
            .rev()
            .filter(|&from| room.release_helps(from, lane))
            .find_map(|from| {
                let parked = self.parked.as_mut().and_then(|parked| parked.shed_from(from));
                parked.or_else(|| self.incoming.as_mut().and_then(|lanes| lanes.shed_from(from)))
            })?;
        self.forget(&envelope);
        self.room.admit(lane);
        Some(envelope)
    }

    /// Puts a sender in line behind those of its lane.
    pub(super) fn wait_in_line(
        &mut self,
        message: M,
        header: Header,
        admitted: Admitted,
    ) -> Ticket {
        let waiting = self.waiting.get_or_insert_with(|| Box::new(WaitingSenders::new()));
        waiting.enqueue(Envelope { message, header }, admitted)
    }

    /// Takes a sender out of the line that waits no longer.
    pub(super) fn withdraw(&mut self, ticket: Ticket) -> Option<Envelope<M>> {
        self.waiting.as_mut()?.withdraw(ticket)
    }

    pub(super) fn waiting_senders(&self) -> usize {
        self.waiting.as_ref().map_or(0, |waiting| waiting.len())
    }

    /// Everything queued, for a batch to take its share; none when there is nothing, or nobody
    /// to handle it.
    pub(super) fn take(&mut self, config: &MailboxConfig) -> Option<Taken<M>> {
        if self.in_hand {
            return None;
        }
        self.awake = false;
        if self.paused || self.waker.is_none() || !self.has_queued() {
            return None;
        }
        let mut lanes = self.parked.take().unwrap_or_default();
        // Only what is not in hand can be shed, so such a mailbox hands out one batch at a time.
        let sheds = config.overflow == Overflow::ShedOldest;
        let most = if sheds { config.batch } else { usize::MAX };
        if let Some(incoming) = &mut self.incoming {
            lanes.take_over(incoming, config.batch, most);
        }
        self.in_hand = true;
        self.awake = true;
        Some(Taken { lanes, served: self.served })
    }

    /// Takes back what a batch has not handled; it stays in front of all that came after it.
    pub(super) fn give_back(&mut self, taken: Taken<M>, tally: &Tally) -> Aftermath<M> {
        let aftermath = self.park(taken, tally);
        Aftermath { wake: self.wake(), ..aftermath }
    }

    /// Takes a batch back and hands out the next one, without a wake in between.
    pub(super) fn exchange(
        &mut self,
        taken: Taken<M>,
        tally: &Tally,
        config: &MailboxConfig,
    ) -> (Aftermath<M>, Option<Taken<M>>) {
        let aftermath = self.park(taken, tally);
        let next = self.take(config);
        (aftermath, next)
    }

    fn park(&mut self, mut taken: Taken<M>, tally: &Tally) -> Aftermath<M> {
        self.in_hand = false;
        self.awake = false;
        self.served = taken.served;
        self.processed += u64::from(tally.delivered);
        self.release(tally);
        let mut undeliverable = Vec::new();
        if self.closed {
            self.drain(&mut taken.lanes, &mut undeliverable);
        }
        if let Some(incoming) = self.incoming.as_mut().filter(|incoming| incoming.is_empty())
            && taken.lanes.is_empty()
        {
            taken.lanes.trim(incoming);
        }
        self.parked = Some(taken.lanes);
        let admitted = self.admit_waiting(tally.is_full && self.has_queued());
        Aftermath { wake: None, admitted, undeliverable }
    }

    pub(super) fn attach(&mut self, waker: Waker) -> Option<Waker> {
        self.waker = Some(waker);
        self.awake = false;
        self.wake()
    }

    /// Gives the waker back, and admits who was held back for the next batch.
    pub(super) fn detach(&mut self) -> (Option<Waker>, Vec<Admitted>) {
        self.awake = false;
        (self.waker.take(), self.admit_waiting(false))
    }

    /// Admits who was held back for the next batch.
    pub(super) fn pause(&mut self) -> Vec<Admitted> {
        self.paused = true;
        self.admit_waiting(false)
    }

    pub(super) fn resume(&mut self) -> Option<Waker> {
        self.paused = false;
        self.wake()
    }

    /// Ends the inbox; everything that is queued or waits in line comes out.
    pub(super) fn close(&mut self) -> Closing<M> {
        self.closed = true;
        let waker = self.waker.take();
        let mut queued = Vec::new();
        for mut lanes in [self.parked.take(), self.incoming.take()].into_iter().flatten() {
            self.drain(&mut lanes, &mut queued);
        }
        let waiting = self.waiting.take().map(|mut line| line.drain()).unwrap_or_default();
        Closing { queued, waiting, waker }
    }

    /// Messages accepted and not handled yet, by lane.
    pub(super) fn queued(&self) -> [usize; Priority::COUNT] {
        self.queued.map(|count| count as usize)
    }

    #[inline(always)]
    fn enqueue(&mut self, message: M, mut header: Header) {
        header.accept(self.sequence);
        self.sequence += 1;
        self.queued[header.lane()] += 1;
        let incoming = self.incoming.get_or_insert_default();
        incoming.push_back(Envelope { message, header });
    }

    fn has_queued(&self) -> bool {
        let lanes = [&self.incoming, &self.parked];
        lanes.into_iter().flatten().any(|lanes| !lanes.is_empty())
    }

    #[inline]
    fn has_waiting(&self, lane: usize) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| waiting.has(lane))
    }

    /// A wake is due when messages are there, somebody would hear it and none is on its way.
    fn wake(&mut self) -> Option<Waker> {
        if self.awake || self.paused || !self.has_queued() {
            return None;
        }
        let waker = self.waker.clone()?;
        self.awake = true;
        Some(waker)
    }

    fn release(&mut self, tally: &Tally) {
        for lane in bits(tally.lanes) {
            let (places, slots) = (tally.places[lane], tally.slots[lane]);
            self.queued[lane] -= places + slots;
            self.room.release(lane, places);
            self.room.release_slots(slots);
        }
    }

    /// Gives back what a message occupied that is not going to be handled.
    fn forget(&mut self, envelope: &Envelope<M>) {
        let lane = envelope.header.lane();
        self.queued[lane] -= 1;
        match envelope.header.charge() {
            Charge::Bound => self.room.release(lane, 1),
            Charge::Slot => self.room.release_slots(1),
        }
    }

    fn drain(&mut self, lanes: &mut Lanes<M>, into: &mut Vec<Envelope<M>>) {
        while let Some(envelope) = lanes.most_urgent().and_then(|lane| lanes.pop(lane)) {
            self.forget(&envelope);
            into.push(envelope);
        }
    }

    /// Admits senders that wait. An actor that has just handled a full batch and has more is
    /// back in no time: then they wait until there is room for many messages, so that each wakes
    /// for many and not for one, unless their lane is within its reserve.
    fn admit_waiting(&mut self, is_running: bool) -> Vec<Admitted> {
        let mut admitted = Vec::new();
        let Some(mut waiting) = self.waiting.take() else { return admitted };
        let reserve_only = is_running && !self.room.is_roomy();
        while let Some((envelope, sender)) = waiting.admit(&mut self.room, reserve_only) {
            self.enqueue(envelope.message, envelope.header);
            admitted.push(sender);
        }
        self.waiting = Some(waiting);
        admitted
    }
}
