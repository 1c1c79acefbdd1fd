//! The feed of links: which nodes can be talked to, told as it changes.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use crate::node::{Incarnation, NodeId};

/// A change of the link to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// The node can be talked to.
    Up {
        /// Which node.
        node: NodeId,
        /// Which start of it.
        incarnation: Incarnation,
    },
    /// The connection broke, or the node ended. Calls on their way ended with
    /// [`LinkError::Broken`](super::LinkError::Broken).
    Down {
        /// Which node.
        node: NodeId,
        /// Why.
        reason: String,
        /// One-way messages that were accepted for the node and not sent, or sent so shortly
        /// before that they may not have arrived.
        lost: u64,
    },
    /// The data connection broke while the node can still be talked to: calls on their way ended
    /// with [`LinkError::Broken`](super::LinkError::Broken), and what is sent from now on has a
    /// gap before it.
    Interrupted {
        /// Which node.
        node: NodeId,
        /// Why.
        reason: String,
        /// As in [`LinkEvent::Down`].
        lost: u64,
    },
    /// Both sides agreed to close a control connection that nobody used; the next message opens
    /// it again.
    Idle {
        /// Which node.
        node: NodeId,
    },
}

/// What a feed had to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkNews {
    /// Events that gave way to these since the feed was last read, all of them older.
    pub missed: u64,
    /// Oldest first.
    pub events: Vec<LinkEvent>,
}

/// One listener's queue of bounded length. It records until it is dropped.
pub struct LinkFeed {
    queue: Arc<Queue>,
}

impl LinkFeed {
    /// Waits until there is something to tell, and takes all of it. Safe to drop and call again.
    pub async fn next(&self) -> LinkNews {
        loop {
            let news = self.take();
            if !news.events.is_empty() {
                return news;
            }
            self.queue.grown.notified().await;
        }
    }

    /// Takes what is there, without waiting.
    #[must_use]
    pub fn take(&self) -> LinkNews {
        let kept = std::mem::take(&mut *self.queue.kept.lock());
        LinkNews { missed: kept.missed, events: kept.events.into() }
    }
}

impl std::fmt::Debug for LinkFeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkFeed").finish_non_exhaustive()
    }
}

struct Queue {
    capacity: usize,
    kept: Mutex<Kept>,
    grown: Notify,
}

#[derive(Default)]
struct Kept {
    events: VecDeque<LinkEvent>,
    missed: u64,
}

/// The feeds of a node.
#[derive(Default)]
pub(crate) struct Feeds(RwLock<Vec<Weak<Queue>>>);

impl Feeds {
    pub(crate) fn add(&self, capacity: usize) -> LinkFeed {
        let (kept, grown) = (Mutex::default(), Notify::new());
        let queue = Arc::new(Queue { capacity: capacity.max(1), kept, grown });
        let mut queues = self.0.write();
        queues.retain(|queue| queue.strong_count() > 0);
        queues.push(Arc::downgrade(&queue));
        LinkFeed { queue }
    }

    pub(crate) fn tell(&self, event: &LinkEvent) {
        for queue in self.0.read().iter().filter_map(Weak::upgrade) {
            let mut kept = queue.kept.lock();
            if kept.events.len() == queue.capacity {
                kept.events.pop_front();
                kept.missed += 1;
            }
            kept.events.push_back(event.clone());
            drop(kept);
            queue.grown.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_listener_loses_the_oldest_and_knows_how_many() {
        let feeds = Feeds::default();
        let feed = feeds.add(2);
        for number in 1..=5 {
            feeds.tell(&LinkEvent::Idle { node: NodeId(number) });
        }
        let events = [4, 5].map(|number| LinkEvent::Idle { node: NodeId(number) }).to_vec();
        assert_eq!(feed.next().await, LinkNews { missed: 3, events });
    }
}
