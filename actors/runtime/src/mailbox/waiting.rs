//! Senders that wait for room: their messages already stand in line here, first come first served.
//!
//! Who gives room back moves the message into its lane; the sender only learns of it. So a
//! waiting message is never overtaken by a later one of its lane.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::envelope::Envelope;
use super::room::Room;
use crate::error::SendError;
use crate::priority::Priority;

/// Tells a waiting sender how it ended.
pub(crate) type Admitted = oneshot::Sender<Result<(), SendError>>;

/// Names one waiting sender.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket {
    lane: usize,
    number: u64,
}

#[derive(Debug)]
struct Waiting<M> {
    number: u64,
    envelope: Envelope<M>,
    admitted: Admitted,
}

/// The waiting senders of an inbox; made when the first one comes.
#[derive(Debug)]
pub(crate) struct WaitingSenders<M> {
    lanes: [VecDeque<Waiting<M>>; Priority::COUNT],
    numbers: u64,
}

impl<M> WaitingSenders<M> {
    pub(crate) fn new() -> Self {
        Self { lanes: std::array::from_fn(|_| VecDeque::new()), numbers: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.lanes.iter().map(VecDeque::len).sum()
    }

    pub(crate) fn has(&self, lane: usize) -> bool {
        !self.lanes[lane].is_empty()
    }

    pub(crate) fn enqueue(&mut self, envelope: Envelope<M>, admitted: Admitted) -> Ticket {
        let lane = envelope.header.lane();
        let number = self.numbers;
        self.numbers += 1;
        self.lanes[lane].push_back(Waiting { number, envelope, admitted });
        Ticket { lane, number }
    }

    /// Takes the sender out of the line; none when its message has been admitted.
    pub(crate) fn withdraw(&mut self, ticket: Ticket) -> Option<Envelope<M>> {
        let lane = &mut self.lanes[ticket.lane];
        let index = lane.binary_search_by_key(&ticket.number, |waiting| waiting.number).ok()?;
        lane.remove(index).map(|waiting| waiting.envelope)
    }

    /// The next message that there is room for now, the most urgent lane first.
    pub(crate) fn admit(
        &mut self,
        room: &mut Room,
        reserve_only: bool,
    ) -> Option<(Envelope<M>, Admitted)> {
        let waiting = self
            .lanes
            .iter_mut()
            .enumerate()
            .filter(|(_, line)| !line.is_empty())
            .find(|&(lane, _)| (!reserve_only || room.has_reserve(lane)) && room.admit(lane))
            .and_then(|(_, line)| line.pop_front())?;
        Some((waiting.envelope, waiting.admitted))
    }

    /// Every message that waits, with its sender: the inbox has closed.
    pub(crate) fn drain(&mut self) -> Vec<(Envelope<M>, Admitted)> {
        let waiting = self.lanes.iter_mut().flat_map(|lane| lane.drain(..));
        waiting.map(|waiting| (waiting.envelope, waiting.admitted)).collect()
    }
}
