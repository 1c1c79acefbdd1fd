//! Five queues and a bitmap of those that are not empty.

use std::collections::VecDeque;

use super::envelope::{Charge, Envelope};
use crate::priority::Priority;

/// A lane that has grown beyond this many places gives memory back when it has run dry.
const KEEP: usize = 256;

/// Queued messages, FIFO within each lane.
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

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.occupied == 0
    }

    #[inline]
    pub(crate) fn push_back(&mut self, envelope: Envelope<M>) {
        let lane = envelope.lane();
        self.occupied |= 1 << lane;
        self.queues[lane].push_back(envelope);
    }

    /// The most urgent lane that is not empty.
    #[inline]
    pub(crate) fn most_urgent(&self) -> Option<usize> {
        (self.occupied != 0).then(|| self.occupied.trailing_zeros() as usize)
    }

    /// The lane whose head was accepted first.
    pub(crate) fn longest_waiting(&self) -> Option<usize> {
        self.heads().min().map(|(_, lane)| lane)
    }

    /// Takes the head of `lane`.
    #[inline]
    pub(crate) fn pop(&mut self, lane: usize) -> Option<Envelope<M>> {
        let queue = &mut self.queues[lane];
        let envelope = queue.pop_front();
        if queue.is_empty() {
            self.occupied &= !(1 << lane);
        }
        envelope
    }

    /// Order of acceptance of the oldest message.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.heads().min().map(|(sequence, _)| sequence)
    }

    /// Takes the oldest message of `lane` that occupies a place within the bound.
    pub(crate) fn shed_from(&mut self, lane: usize) -> Option<Envelope<M>> {
        let queue = &mut self.queues[lane];
        let index = queue.iter().position(|envelope| envelope.header.charge == Charge::Bound)?;
        let envelope = queue.remove(index);
        self.note(lane);
        envelope
    }

    /// Moves messages of `newer` behind its own, at most `most` into a lane: all of a lane in one
    /// swap where it can. A lane that has `enough` messages already waits for the next time, so
    /// what is moved one by one stays below `enough`.
    pub(crate) fn take_over(&mut self, newer: &mut Self, enough: usize, most: usize) {
        for lane in 0..Priority::COUNT {
            let (own, new) = (&mut self.queues[lane], &mut newer.queues[lane]);
            if new.is_empty() || own.len() >= enough {
                continue;
            }
            if own.len() + new.len() <= most {
                while let Some(envelope) = own.pop_back() {
                    new.push_front(envelope);
                }
                std::mem::swap(own, new);
            } else {
                own.extend(new.drain(..most - own.len()));
            }
            self.occupied |= 1 << lane;
            newer.note(lane);
        }
    }

    /// Gives back the memory of a past flood.
    pub(crate) fn trim(&mut self) {
        for queue in self.queues.iter_mut().filter(|queue| queue.is_empty()) {
            if queue.capacity() > KEEP {
                *queue = VecDeque::new();
            }
        }
    }

    fn heads(&self) -> impl Iterator<Item = (u64, usize)> {
        self.queues
            .iter()
            .enumerate()
            .filter_map(|(lane, queue)| queue.front().map(|head| (head.sequence, lane)))
    }

    fn note(&mut self, lane: usize) {
        if self.queues[lane].is_empty() {
            self.occupied &= !(1 << lane);
        }
    }
}
