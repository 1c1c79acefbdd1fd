//! The presence of an incarnation: its parent learns of the end when the last trace is gone.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::port::{ChildNews, Port, Signal};
use crate::exit::ExitReason;
use crate::supervisor::ChildKey;

/// Who learns of the end.
pub(crate) enum Watcher {
    /// The parent.
    Parent {
        /// Its control side.
        port: Arc<Port>,
        /// Whom it watches.
        key: ChildKey,
        /// Which incarnation of it, from 1.
        incarnation: u32,
    },
    /// The system, of its root.
    System(watch::Sender<Option<ExitReason>>),
}

/// Held by an incarnation and by those of all its descendants, so the watcher is told when the
/// whole subtree has really ended, however it did: stopped, crashed, killed or dropped with its
/// runtime. (ractor tells a supervisor before the state of a killed actor is dropped.)
pub(crate) struct Presence {
    watcher: Watcher,
    links: Mutex<Links>,
}

struct Links {
    /// Written before an end in one's own time; a kill leaves it empty.
    reason: Option<Box<ExitReason>>,
    /// The parent's presence lasts as long as this one.
    above: Option<Arc<Presence>>,
}

impl Presence {
    pub(crate) fn new(watcher: Watcher, above: Option<Arc<Self>>) -> Arc<Self> {
        Arc::new(Self { watcher, links: Mutex::new(Links { reason: None, above }) })
    }

    /// Says why the incarnation ends; the first word counts.
    pub(crate) fn explain(&self, reason: ExitReason) {
        self.links.lock().reason.get_or_insert_with(|| Box::new(reason));
    }

    /// The parent waits for this subtree no longer: it may end before it.
    pub(crate) fn sever(&self) {
        let above = self.links.lock().above.take();
        drop(above); // after the lock: it may be the last trace of the parent
    }

    /// Tells the parent that the incarnation has started.
    pub(crate) fn announce(&self) {
        if let Watcher::Parent { port, key, incarnation } = &self.watcher {
            port.push(Signal::Child(*key, *incarnation, ChildNews::Started));
        }
    }
}

impl Drop for Presence {
    /// Tells the watcher, then lets go of the parent's presence.
    fn drop(&mut self) {
        let reason = self.links.lock().reason.take().map_or(ExitReason::Killed, |reason| *reason);
        match &self.watcher {
            Watcher::Parent { port, key, incarnation } => {
                port.push(Signal::Child(*key, *incarnation, ChildNews::Exited(reason)));
            }
            Watcher::System(ended) => _ = ended.send(Some(reason)),
        }
    }
}
