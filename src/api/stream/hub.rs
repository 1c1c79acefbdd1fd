//! The one place where changes of tasks, agents and actors meet their readers.
//!
//! ```text
//! task engine ─┐                              ┌─ Subscription ─ WebSocket
//! registry ────┤ publish ─▶ Ring ─▶ wake up ──┤
//! actors ──────┘                              └─ Subscription ─ SSE
//! ```
//!
//! Publishing never waits and costs the same however many read. A reader owns a number, never a
//! queue: one that is slower than the ring is long is told what it missed and cut off.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::ws::Utf8Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::cursor::Cursor;
use super::event::{Event, StreamNotice, cloud_event};
use super::filter::Filter;
use super::ring::{Missed, Ring};

/// Events a reader takes at a time.
const BATCH: usize = 64;

/// An event with its place in the stream.
#[derive(Debug)]
pub struct Numbered {
    /// Where a reader of this event stands.
    pub cursor: Cursor,
    /// What happened.
    pub event: Event,
    /// The number of a notice: it has the place of the event before it, and is another event.
    notice: Option<u64>,
    source: Arc<str>,
    text: OnceLock<Utf8Bytes>,
}

impl Numbered {
    /// The event as a CloudEvent in JSON; written once, whoever reads it first.
    pub fn json(&self) -> &Utf8Bytes {
        self.text.get_or_init(|| cloud_event(&self.source, self.id(), self.cursor, &self.event))
    }

    /// The event's id, unique within the source: its cursor, and behind that its own number if it
    /// is a notice. Each is a place to read on after.
    #[must_use]
    pub fn id(&self) -> String {
        let number = |number| format!("{}.{number:x}", self.cursor);
        self.notice.map_or_else(|| self.cursor.to_string(), number)
    }
}

struct Shared {
    boot: u64,
    source: Arc<str>,
    ring: Mutex<Ring<Arc<Numbered>>>,
    grown: watch::Sender<u64>,
    /// Notices that were given so far.
    notices: AtomicU64,
}

/// The stream of this boot of this node; cheap to clone.
#[derive(Clone)]
pub struct EventHub(Arc<Shared>);

impl EventHub {
    /// An empty stream of this `boot` of node `name` that keeps the last `capacity` events.
    #[must_use]
    pub fn new(name: &str, boot: u64, capacity: usize) -> Self {
        Self(Arc::new(Shared {
            boot,
            source: format!("/nodes/{name}").into(),
            ring: Mutex::new(Ring::new(capacity)),
            grown: watch::Sender::new(0),
            notices: AtomicU64::new(0),
        }))
    }

    /// Adds an event. Never waits.
    pub fn publish(&self, event: Event) {
        let shared = &self.0;
        let last = shared.ring.lock().push(|sequence| self.number(sequence, event, None));
        shared.grown.send_replace(last);
    }

    /// Tells every reader that it missed events: some happened that are not known here.
    pub fn miss(&self) {
        let last = self.0.ring.lock().skip();
        self.0.grown.send_replace(last);
    }

    /// Where a reader stands who has seen everything so far.
    #[must_use]
    pub fn now(&self) -> Cursor {
        Cursor { boot: self.0.boot, sequence: self.0.ring.lock().last() }
    }

    /// Begins to read after `cursor`; without one, with what happens from now on.
    #[must_use]
    pub fn subscribe(&self, after: Option<Cursor>, filter: Filter) -> Subscription {
        let foreign = after.is_some_and(|cursor| cursor.boot != self.0.boot);
        Subscription {
            hub: self.clone(),
            filter,
            at: after.unwrap_or_else(|| self.now()).sequence,
            grown: self.0.grown.subscribe(),
            foreign,
        }
    }

    /// A notice to one reader: it has the reader's place, and is not kept.
    #[must_use]
    pub fn notice(&self, notice: StreamNotice, sequence: u64) -> Arc<Numbered> {
        let number = self.0.notices.fetch_add(1, Ordering::Relaxed) + 1;
        self.number(sequence, notice.event(), Some(number))
    }

    fn number(&self, sequence: u64, event: Event, notice: Option<u64>) -> Arc<Numbered> {
        let shared = &self.0;
        Arc::new(Numbered {
            cursor: Cursor { boot: shared.boot, sequence },
            event,
            notice,
            source: Arc::clone(&shared.source),
            text: OnceLock::new(),
        })
    }
}

impl std::fmt::Debug for EventHub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventHub").field("now", &self.now()).finish_non_exhaustive()
    }
}

/// What a reader gets next.
#[derive(Debug)]
pub enum Next {
    /// Events it wants, oldest first; may be none when all new ones were filtered out.
    Events(Vec<Arc<Numbered>>),
    /// It missed some: list again, then read on after the notice's cursor.
    Reset(Arc<Numbered>),
}

/// One reader's place in the stream.
#[derive(Debug)]
pub struct Subscription {
    hub: EventHub,
    filter: Filter,
    at: u64,
    grown: watch::Receiver<u64>,
    foreign: bool,
}

impl Subscription {
    /// The notice that opens a stream: it has a cursor, so that a reader can resume before anything
    /// has happened.
    #[must_use]
    pub fn opening(&self) -> Arc<Numbered> {
        self.hub.notice(StreamNotice::Opened, self.at)
    }

    /// The notice that ends a stream, with the reason.
    #[must_use]
    pub fn closing(&self, reason: &'static str) -> Arc<Numbered> {
        self.hub.notice(StreamNotice::Closed { reason }, self.at)
    }

    /// Waits until there is something new. Safe to drop and call again: nothing is lost.
    pub async fn next(&mut self) -> Next {
        loop {
            if let Some(next) = self.poll() {
                return next;
            }
            // The hub is alive, this reader holds it: the wait can't fail.
            let _ = self.grown.changed().await;
        }
    }

    /// What is there now, without waiting.
    fn poll(&mut self) -> Option<Next> {
        self.grown.mark_unchanged();
        if std::mem::take(&mut self.foreign) {
            return Some(self.reset("the cursor is of another boot of this node"));
        }
        let found = self.hub.0.ring.lock().after(self.at, BATCH);
        match found {
            Ok(events) => {
                self.at = events.last()?.cursor.sequence;
                let wanted = events.into_iter().filter(|one| self.filter.takes(&one.event));
                Some(Next::Events(wanted.collect()))
            }
            Err(Missed::Dropped) => Some(self.reset("events after the cursor are no longer kept")),
            Err(Missed::Future) => Some(self.reset("the cursor is ahead of this stream")),
        }
    }

    fn reset(&mut self, reason: &'static str) -> Next {
        self.at = self.hub.now().sequence;
        Next::Reset(self.hub.notice(StreamNotice::Reset { reason }, self.at))
    }
}

#[cfg(test)]
mod tests;
