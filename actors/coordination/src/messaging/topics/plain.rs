//! Plain subscriptions: a queue for each that drops its oldest when its reader is slow, or a
//! function that is called.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use synod_runtime::Address;
use tokio::sync::Notify;

use super::messages::{Published, TopicListener, TopicsMessage};
use super::trie::Number;

/// A queue between topics and one reader.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Notify,
    capacity: usize,
    /// The reader is gone.
    closed: AtomicBool,
}

#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<Arc<Published>>,
    dropped: u64,
    /// Nothing more will come.
    over: bool,
}

impl Queue {
    pub(super) fn new(capacity: usize) -> Arc<Self> {
        let (waiting, arrived) = (Mutex::default(), Notify::new());
        Arc::new(Self { waiting, arrived, capacity, closed: AtomicBool::new(false) })
    }

    /// Puts a message in; the oldest makes room. Returns whether one was dropped.
    fn push(&self, message: &Arc<Published>) -> bool {
        let mut waiting = self.waiting.lock();
        let full = waiting.messages.len() >= self.capacity;
        if full {
            waiting.messages.pop_front();
            waiting.dropped += 1;
        }
        let wake = waiting.messages.is_empty();
        waiting.messages.push_back(Arc::clone(message));
        drop(waiting);
        // A reader that has something to read looks again before it waits.
        if wake {
            self.arrived.notify_one();
        }
        full
    }

    /// Nothing more will come.
    fn end(&self) {
        self.waiting.lock().over = true;
        self.arrived.notify_one();
    }
}

/// Where a plain subscription's messages go.
#[derive(Debug)]
pub(super) enum Sink {
    Queue(Arc<Queue>),
    Listener(TopicListener),
}

/// What became of one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    Taken,
    /// It was taken, and an older one dropped for it; or there was no room.
    Dropped,
    /// The reader is gone.
    Gone,
}

impl Sink {
    pub(super) fn put(&self, message: &Arc<Published>) -> Put {
        match self {
            Self::Queue(queue) if queue.closed.load(Ordering::Relaxed) => Put::Gone,
            Self::Queue(queue) if queue.push(message) => Put::Dropped,
            Self::Queue(_) => Put::Taken,
            Self::Listener(listener) => listener.hear(message),
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if let Self::Queue(queue) = self {
            queue.end();
        }
    }
}

/// Some messages that were waiting.
#[derive(Debug, Clone, Default)]
pub struct Received {
    /// The messages, the oldest first.
    pub messages: Vec<Arc<Published>>,
    /// How many were dropped before them, because they were not read in time.
    pub dropped: u64,
}

/// A plain subscription. It ends when it is dropped.
#[derive(Debug)]
pub struct Subscription {
    pub(super) queue: Arc<Queue>,
    pub(super) number: Number,
    pub(super) topics: Address<TopicsMessage>,
}

impl Subscription {
    /// Waits for messages and takes at most so many; none when nothing more will come: the node
    /// stops.
    pub async fn receive(&mut self, most: usize) -> Option<Received> {
        loop {
            {
                let mut waiting = self.queue.waiting.lock();
                let count = waiting.messages.len().min(most.max(1));
                if count > 0 {
                    let messages = waiting.messages.drain(..count).collect();
                    return Some(Received {
                        messages,
                        dropped: std::mem::take(&mut waiting.dropped),
                    });
                }
                if waiting.over {
                    return None;
                }
            }
            self.queue.arrived.notified().await;
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.queue.closed.store(true, Ordering::Relaxed);
        // Without room it is found out with the next message.
        let _ = self.topics.try_send(TopicsMessage::Leave(self.number));
    }
}
