//! Five queues and a bitmap of those that are not empty.

use std::collections::VecDeque;

use super::envelope::{Charge, Envelope};
use crate::priority::Priority;

/// A lane that has grown beyond this many places gives memory back when the inbox runs dry.
const KEEP: usize = 256;

/// The queued messages, FIFO within each lane.
#[derive(Debug)]
pub(crate) struct Lanes<M> {
    queues: [VecDeque<Envelope<M>>; Priority::COUNT],
    /// Bit `i` is set while lane `i` is not empty, so the most urgent is one instruction away.
    occupied: u8,
}

impl<M> Lanes<M> {
    pub(crate) fn new() -> Self {
        Self { queues: std::array::from_fn(|_| VecDeque::new()), occupied: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.occupied == 0
    }

    pub(crate) fn len(&self, lane: usize) -> usize {
        self.queues[lane].len()
    }

    pub(crate) fn push_back(&mut self, envelope: Envelope<M>) {
        let lane = envelope.priority.lane();
        self.queues[lane].push_back(envelope);
        self.occupied |= 1 << lane;
    }

    pub(crate) fn push_front(&mut self, envelope: Envelope<M>) {
        let lane = envelope.priority.lane();
        self.queues[lane].push_front(envelope);
        self.occupied |= 1 << lane;
    }

    /// The only lane that is not empty, when there is exactly one.
    pub(crate) fn only_lane(&self) -> Option<usize> {
        (self.occupied.count_ones() == 1).then(|| self.occupied.trailing_zeros() as usize)
    }

    /// Moves up to `limit` messages of one lane behind those of `out`.
    pub(crate) fn move_front(
        &mut self,
        lane: usize,
        limit: usize,
        out: &mut VecDeque<Envelope<M>>,
    ) {
        let queue = &mut self.queues[lane];
        if out.is_empty() && queue.len() <= limit {
            std::mem::swap(queue, out);
        } else {
            out.extend(queue.drain(..limit.min(queue.len())));
        }
        self.note(lane);
    }

    /// The head of the most urgent lane.
    pub(crate) fn pop_most_urgent(&mut self) -> Option<Envelope<M>> {
        if self.is_empty() {
            return None;
        }
        self.pop(self.occupied.trailing_zeros() as usize)
    }

    /// The head that was accepted first, whatever its lane.
    pub(crate) fn pop_oldest(&mut self) -> Option<Envelope<M>> {
        let (_, lane) = self.heads().min()?;
        self.pop(lane)
    }

    /// Order of acceptance of the oldest message.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.heads().min().map(|(sequence, _)| sequence)
    }

    /// Takes the oldest message of `lane` that occupies a place within the bound.
    pub(crate) fn shed_from(&mut self, lane: usize) -> Option<Envelope<M>> {
        let queue = &mut self.queues[lane];
        let index = queue.iter().position(|envelope| envelope.charge == Charge::Bound)?;
        let envelope = queue.remove(index);
        self.note(lane);
        envelope
    }

    /// Gives back the memory of a past flood; called when the inbox has run dry.
    pub(crate) fn trim(&mut self) {
        for queue in &mut self.queues {
            if queue.capacity() > KEEP {
                queue.shrink_to(KEEP / 4);
            }
        }
    }

    fn heads(&self) -> impl Iterator<Item = (u64, usize)> {
        self.queues
            .iter()
            .enumerate()
            .filter_map(|(lane, queue)| queue.front().map(|head| (head.sequence, lane)))
    }

    fn pop(&mut self, lane: usize) -> Option<Envelope<M>> {
        let envelope = self.queues[lane].pop_front();
        self.note(lane);
        envelope
    }

    fn note(&mut self, lane: usize) {
        if self.queues[lane].is_empty() {
            self.occupied &= !(1 << lane);
        }
    }
}
