//! Five queues and a bitmap of those that are not empty.

use std::collections::VecDeque;

use super::envelope::{Charge, Envelope};
use crate::priority::Priority;

/// Lanes that have held more than this many messages give memory back when all have run dry.
const KEEP: usize = 256;

/// Queued messages, FIFO within each lane.
#[derive(Debug)]
pub(crate) struct Lanes<M> {
    queues: [VecDeque<Envelope<M>>; Priority::COUNT],
    /// Bit `i` is set while lane `i` is not empty, so the most urgent is one instruction away.
    occupied: u8,
    /// A lane has held so many that its memory is worth giving back.
    has_grown: bool,
}

/// The numbers of the bits that are set, the lowest first.
#[inline]
pub(crate) fn bits(mut set: u8) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lowest = (set != 0).then(|| set.trailing_zeros() as usize)?;
        set &= set - 1;
        Some(lowest)
    })
}

impl<M> Default for Lanes<M> {
    fn default() -> Self {
        Self { queues: std::array::from_fn(|_| VecDeque::new()), occupied: 0, has_grown: false }
    }
}

impl<M> Lanes<M> {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.occupied == 0
    }

    #[inline]
    pub(crate) fn push_back(&mut self, envelope: Envelope<M>) {
        let lane = envelope.header.lane();
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

    /// Takes the oldest message of `lane` that occupies a place within the bound.
    pub(crate) fn shed_from(&mut self, lane: usize) -> Option<Envelope<M>> {
        let queue = &mut self.queues[lane];
        let index = queue.iter().position(|envelope| envelope.header.charge() == Charge::Bound)?;
        let envelope = queue.remove(index);
        self.note(lane);
        envelope
    }

    /// Moves messages of `newer` behind its own, at most `most` into a lane: all of a lane in one
    /// swap where it can. A lane that has `enough` messages already waits for the next time, so
    /// what is moved one by one stays below `enough`.
    pub(crate) fn take_over(&mut self, newer: &mut Self, enough: usize, most: usize) {
        for lane in bits(newer.occupied) {
            let (own, new) = (&mut self.queues[lane], &mut newer.queues[lane]);
            if own.len() >= enough {
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
            self.has_grown |= own.len() > KEEP;
            self.occupied |= 1 << lane;
            newer.note(lane);
        }
    }

    /// Gives back the memory of a past flood, if there was one, of these and of `other` lanes;
    /// called when all have run dry.
    pub(crate) fn trim(&mut self, other: &mut Self) {
        if std::mem::take(&mut self.has_grown) {
            let queues = self.queues.iter_mut().chain(&mut other.queues);
            queues.for_each(|queue| queue.shrink_to(KEEP / 4));
        }
    }

    fn heads(&self) -> impl Iterator<Item = (u64, usize)> {
        self.queues
            .iter()
            .enumerate()
            .filter_map(|(lane, queue)| queue.front().map(|head| (head.header.sequence(), lane)))
    }

    fn note(&mut self, lane: usize) {
        if self.queues[lane].is_empty() {
            self.occupied &= !(1 << lane);
        }
    }
}
