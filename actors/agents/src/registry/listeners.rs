//! Who is told of changes. A listener without room misses changes and gets a snapshot instead,
//! so nothing is queued for it here.

use std::sync::Arc;

use super::messages::{Delivery, Listener};
use crate::messages::{AgentChange, AgentEntry};

/// Most listeners; they are parts of the node, not users.
const MAX_LISTENERS: usize = 256;

/// The listeners of the registry.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    all: Vec<Told>,
    /// Whether the registry will be woken to try again.
    pub(super) relaying: bool,
}

#[derive(Debug)]
struct Told {
    listener: Listener,
    /// It misses something and needs a snapshot.
    behind: bool,
}

impl Listeners {
    /// Takes in a listener; it is told all there is when the batch settles.
    pub(super) fn add(&mut self, listener: Listener) {
        if self.all.len() >= MAX_LISTENERS {
            return tracing::warn!(MAX_LISTENERS, "one more listener of the registry is not told");
        }
        self.all.push(Told { listener, behind: true });
    }

    /// The registry begins anew: everyone needs a snapshot.
    pub(super) fn lost_touch(&mut self) {
        self.relaying = false;
        for told in &mut self.all {
            told.behind = true;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Tells those that know all that came before.
    pub(super) fn publish(&mut self, change: &AgentChange) {
        self.all.retain_mut(|told| {
            if told.behind {
                return true;
            }
            match told.listener.deliver(change.clone()) {
                Delivery::Taken => true,
                Delivery::Full => {
                    told.behind = true;
                    true
                }
                Delivery::Gone => false,
            }
        });
    }

    /// Gives a snapshot to those that miss something. True when someone still had no room and the
    /// registry is to be woken later, which is asked for once.
    pub(super) fn catch_up(&mut self, snapshot: impl FnOnce() -> Arc<[AgentEntry]>) -> bool {
        if self.relaying || self.all.iter().all(|told| !told.behind) {
            return false;
        }
        let snapshot = snapshot();
        self.all.retain_mut(|told| {
            if !told.behind {
                return true;
            }
            let delivered = told.listener.deliver(AgentChange::Snapshot(Arc::clone(&snapshot)));
            told.behind = delivered == Delivery::Full;
            delivered != Delivery::Gone
        });
        self.relaying = self.all.iter().any(|told| told.behind);
        self.relaying
    }
}
