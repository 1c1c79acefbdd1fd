//! One-way messages on their way to one node. Pure: numbers, a window, what became of each.
//!
//! The receiving desk says up to which number messages have reached it; a connection is in
//! order, so that tells of all before. What came back or broke is told of one by one.

use std::collections::VecDeque;

use synod_runtime::{ActorPath, Metadata};
use tokio::time::Instant;

/// A message without a word from its receiver: what a dead letter tells of it.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) to: ActorPath,
    pub(super) metadata: Metadata,
    pub(super) at: Instant,
}

/// What is on its way to one node.
#[derive(Debug, Default)]
pub(super) struct Flight {
    last: u64,
    open: VecDeque<(u64, Sent)>,
}

impl Flight {
    /// How many are on their way.
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    /// The number of the next message.
    pub(super) fn next(&self) -> u64 {
        self.last + 1
    }

    /// The message with the next number has left.
    pub(super) fn left(&mut self, sent: Sent) {
        self.last += 1;
        self.open.push_back((self.last, sent));
    }

    /// All up to this number have reached the other desk.
    pub(super) fn settle(&mut self, upto: u64) {
        let settled = self.open.partition_point(|(number, _)| *number <= upto);
        self.open.drain(..settled);
    }

    /// One came back.
    pub(super) fn back(&mut self, number: u64) -> Option<Sent> {
        let at = self.open.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        self.open.remove(at).map(|(_, sent)| sent)
    }

    /// The connection broke: whatever is on its way may be lost.
    pub(super) fn lose(&mut self) -> Vec<Sent> {
        self.open.drain(..).map(|(_, sent)| sent).collect()
    }

    /// Gives up those that left before this instant.
    pub(super) fn expire(&mut self, before: Instant) -> Vec<Sent> {
        let old = self.open.partition_point(|(_, sent)| sent.at < before);
        self.open.drain(..old).map(|(_, sent)| sent).collect()
    }
}

/// What has come from one node and was not confirmed yet.
#[derive(Debug, Default)]
pub(super) struct Arrived {
    seen: u64,
    told: u64,
}

/// Messages after which a confirmation goes out at once.
const SOON: u64 = 64;

impl Arrived {
    /// A message has come. True when it is time to confirm.
    pub(super) fn note(&mut self, number: u64) -> bool {
        if number <= self.told {
            // The sender has begun anew.
            self.told = 0;
        }
        self.seen = number;
        self.seen - self.told >= SOON
    }

    /// The number to confirm, if there is news.
    pub(super) fn due(&self) -> Option<u64> {
        (self.seen > self.told).then_some(self.seen)
    }

    /// It was confirmed.
    pub(super) fn told(&mut self, upto: u64) {
        self.told = upto;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sent(at: Instant) -> Sent {
        Sent { to: "/a".into(), metadata: Metadata::new(|| "m"), at }
    }

    #[test]
    fn each_message_has_one_end() {
        let now = Instant::now();
        let mut flight = Flight::default();
        (0..10).for_each(|_| flight.left(sent(now)));
        assert!(flight.back(4).is_some());
        assert!(flight.back(4).is_none());
        flight.settle(6);
        assert_eq!(flight.open(), 4);
        assert!(flight.back(5).is_none());
        assert_eq!(flight.lose().len(), 4);
        flight.settle(10);
        assert_eq!((flight.open(), flight.next()), (0, 11));
    }

    #[test]
    fn silence_ends_what_is_old_alone() {
        let now = Instant::now();
        let mut flight = Flight::default();
        (0..3_u64).for_each(|after| flight.left(sent(now + Duration::from_secs(after))));
        assert_eq!(flight.expire(now + Duration::from_secs(1)).len(), 1);
        assert_eq!(flight.open(), 2);
    }

    #[test]
    fn confirmations_are_gathered_and_follow_a_sender_that_begins_anew() {
        let mut arrived = Arrived::default();
        assert_eq!(arrived.due(), None);
        for number in 1..SOON {
            assert!(!arrived.note(number));
        }
        assert!(arrived.note(SOON));
        arrived.told(SOON);
        assert_eq!(arrived.due(), None);
        arrived.note(1);
        assert_eq!(arrived.due(), Some(1));
    }
}
