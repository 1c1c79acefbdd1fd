//! The lifecycle feed: what becomes of the actors of a node, told as it happens.
//!
//! ```text
//!  supervisors, operators ── tell ──▶ one bounded queue for each feed ──▶ who listens
//! ```
//!
//! Never: an actor that waits for a listener; a queue beyond its capacity, its oldest events give
//! way and are counted; anything recorded while nobody listens.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use crate::exit::ExitReason;
use crate::observation::Node;
use crate::path::ActorPath;
use crate::system::System;

/// One change in the life of one actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifecycleEvent {
    /// Which actor.
    pub path: ActorPath,
    /// What it is ([`Actor::KIND`](crate::Actor::KIND)).
    pub kind: &'static str,
    /// What happened to it.
    pub change: LifecycleChange,
    /// How often it had been started again by then.
    pub restarts: u32,
    /// When (UTC).
    pub at: Timestamp,
}

/// What happened to an actor. Those of one actor come in the order in which they happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LifecycleChange {
    /// Its first start is done.
    Started,
    /// It runs again.
    Restarted {
        /// Why its former incarnation ended; none when nobody listened by then.
        reason: Option<ExitReason>,
    },
    /// Its incarnation ended in order: it had done its work or was asked to.
    Stopped {
        /// Why.
        reason: ExitReason,
    },
    /// Its incarnation failed, or its start did.
    Failed {
        /// Why.
        reason: ExitReason,
    },
    /// It failed more often than its supervision allows: its supervisor ends.
    GaveUp {
        /// Its last failure.
        reason: ExitReason,
    },
    /// An operator lets it handle no message.
    Paused,
    /// It handles messages again.
    Resumed,
    /// It is gone for good.
    Ended,
}

/// What a feed had to tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// Events that gave way to these since the feed was last read, all of them older.
    pub missed: u64,
    /// Oldest first.
    pub events: Vec<LifecycleEvent>,
}

/// One listener's queue. It records until it is dropped.
pub struct LifecycleFeed {
    queue: Arc<Queue>,
    lines: Arc<Lines>,
}

impl LifecycleFeed {
    /// Waits until there is something to tell, and takes all of it. Safe to drop and call again:
    /// nothing is lost.
    pub async fn next(&self) -> Heard {
        loop {
            let heard = self.take();
            if !heard.events.is_empty() {
                return heard;
            }
            self.queue.grown.notified().await;
        }
    }

    /// Takes what is there, without waiting.
    #[must_use]
    pub fn take(&self) -> Heard {
        let mut kept = self.queue.kept.lock();
        let missed = std::mem::take(&mut kept.missed);
        let events = std::mem::take(&mut kept.events);
        drop(kept);
        Heard { missed, events: events.into() }
    }
}

impl Drop for LifecycleFeed {
    fn drop(&mut self) {
        self.lines.remove(&self.queue);
    }
}

impl std::fmt::Debug for LifecycleFeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let waiting = self.queue.kept.lock().events.len();
        f.debug_struct("LifecycleFeed").field("waiting", &waiting).finish_non_exhaustive()
    }
}

struct Queue {
    capacity: usize,
    kept: Mutex<Kept>,
    grown: Notify,
}

#[derive(Default)]
struct Kept {
    events: VecDeque<LifecycleEvent>,
    missed: u64,
}

impl Queue {
    fn push(&self, event: LifecycleEvent) {
        let mut kept = self.kept.lock();
        let was_empty = kept.events.is_empty();
        if kept.events.len() == self.capacity {
            kept.events.pop_front();
            kept.missed += 1;
        }
        kept.events.push_back(event);
        drop(kept);
        if was_empty {
            self.grown.notify_one();
        }
    }
}

/// The feeds of a node.
#[derive(Default)]
pub(crate) struct Lines {
    /// How many there are: with none, telling is one load.
    count: AtomicUsize,
    queues: RwLock<Vec<Weak<Queue>>>,
}

impl Lines {
    fn add(self: &Arc<Self>, capacity: usize) -> LifecycleFeed {
        let (kept, grown) = (Mutex::default(), Notify::new());
        let queue = Arc::new(Queue { capacity: capacity.max(1), kept, grown });
        let mut queues = self.queues.write();
        queues.push(Arc::downgrade(&queue));
        self.count.store(queues.len(), Ordering::Release);
        drop(queues);
        LifecycleFeed { queue, lines: Arc::clone(self) }
    }

    fn remove(&self, queue: &Arc<Queue>) {
        let mut queues = self.queues.write();
        queues.retain(|known| !std::ptr::eq(known.as_ptr(), Arc::as_ptr(queue)));
        self.count.store(queues.len(), Ordering::Release);
    }

    fn is_open(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    fn tell(&self, event: &LifecycleEvent) {
        let queues = self.queues.read();
        for queue in queues.iter().filter_map(Weak::upgrade) {
            queue.push(event.clone());
        }
    }
}

impl System {
    /// Begins to record what becomes of the node's actors, from now on: the last `capacity` (at
    /// least one) changes that have not been taken.
    #[must_use]
    pub fn subscribe_lifecycle(&self, capacity: usize) -> LifecycleFeed {
        self.lines().add(capacity)
    }

    /// Whether anybody listens.
    pub(crate) fn is_heard(&self) -> bool {
        self.lines().is_open()
    }

    /// Tells who listens, if anybody does, what has happened to the actor of `node`.
    pub(crate) fn tell(&self, node: &Node, change: impl FnOnce() -> LifecycleChange) {
        if !self.is_heard() {
            return;
        }
        self.lines().tell(&LifecycleEvent {
            path: node.path().clone(),
            kind: node.kind(),
            change: change(),
            restarts: node.restarts(),
            at: self.clock().utc(),
        });
    }
}
