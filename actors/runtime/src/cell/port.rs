//! The control side of one incarnation: what its parent, its children, its alarm and operators
//! tell it, beside its mailbox and before it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use ractor::ActorRef;

use super::Tick;
use crate::exit::ExitReason;
use crate::observation::Node;
use crate::spec::Role;
use crate::supervisor::ChildKey;

/// Something an incarnation is told outside of its mailbox.
pub(crate) enum Signal {
    /// End after the message in hand.
    Stop,
    /// A deadline of its timers or of its supervision may have passed.
    Alarm,
    /// Take a child that was prepared outside.
    Adopt(Arc<dyn Role>, Arc<Node>),
    /// News of an incarnation of a child.
    Child(ChildKey, u32, ChildNews),
    /// End a child for good.
    Remove(ChildKey),
    /// Restart a child, without counting it as a failure.
    Restart(ChildKey),
}

/// What an incarnation tells its parent.
pub(crate) enum ChildNews {
    /// It has started.
    Started,
    /// It has ended, with all that it had started.
    Exited(ExitReason),
}

/// Shared by an incarnation and whoever may control it.
#[derive(Default)]
pub(crate) struct Port {
    actor: OnceLock<ActorRef<Tick>>,
    signals: Mutex<Vec<Signal>>,
    /// There are signals: every turn asks, few find any.
    pending: AtomicBool,
    /// The incarnation has ended, or has been given up: it no longer acts for its role. Changes
    /// only under the lock of `signals`.
    closed: AtomicBool,
}

impl Port {
    /// Joins the port with the ractor actor that it wakes.
    pub(super) fn bind(&self, actor: ActorRef<Tick>) {
        // Bound once, by the only incarnation that has this port.
        let _ = self.actor.set(actor);
    }

    /// Tells the incarnation; false when it has ended.
    pub(crate) fn push(&self, signal: Signal) -> bool {
        let is_first = {
            let mut signals = self.signals.lock();
            if self.is_closed() {
                return false;
            }
            signals.push(signal);
            self.pending.store(true, Ordering::Release);
            signals.len() == 1
        };
        if is_first {
            self.wake();
        }
        true
    }

    /// Signals that have not been seen yet.
    pub(crate) fn len(&self) -> usize {
        self.signals.lock().len()
    }

    /// Whether there are signals that have not been seen yet.
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    pub(super) fn take(&self) -> Vec<Signal> {
        if !self.pending.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut signals = self.signals.lock();
        self.pending.store(false, Ordering::Release);
        std::mem::take(&mut signals)
    }

    /// Lets the incarnation have a turn.
    pub(crate) fn wake(&self) {
        if let Some(actor) = self.actor.get() {
            // An actor that has ended needs no turn.
            let _ = actor.send_message(Tick);
        }
    }

    /// Drops the incarnation at its next await.
    pub(crate) fn kill(&self) {
        if let Some(actor) = self.actor.get() {
            actor.kill();
        }
    }

    /// Takes the role away from the incarnation. `farewell` runs unless that had been done: so
    /// one that was abandoned can't undo what its successor has set up.
    pub(crate) fn close(&self, farewell: impl FnOnce()) {
        let unseen = {
            let mut signals = self.signals.lock();
            if self.closed.swap(true, Ordering::AcqRel) {
                return;
            }
            farewell();
            std::mem::take(&mut *signals)
        };
        drop(unseen); // after the lock: a signal may own a child's role
    }

    /// Whether the incarnation no longer acts for its role.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}
