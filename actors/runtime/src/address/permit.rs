//! A permit: a slot taken before its message exists, so that the message can't fail for room.

use std::sync::Arc;

use crate::mailbox::{Header, Inbox};
use crate::metadata::Origin;
use crate::priority::Priority;
use crate::scope::Scope;

/// The right to send one message into an inbox, whatever its bound says.
///
/// The message inherits from what was being handled when the permit was taken. Dropped unused,
/// the permit gives its slot back.
#[must_use = "a slot is held until the permit is used or dropped"]
pub struct Permit<M> {
    inbox: Option<Arc<Inbox<M>>>,
    priority: Priority,
    origin: Option<Arc<Origin>>,
}

impl<M> Permit<M> {
    /// The permit of a slot that has just been taken in `inbox`.
    pub(super) fn of_slot(inbox: &Arc<Inbox<M>>) -> Self {
        let (priority, origin) = (Scope::priority(), Scope::origin());
        Self { inbox: Some(Arc::clone(inbox)), priority, origin }
    }

    /// The same permit for a message of another priority.
    pub fn with_priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Where the message would go.
    pub(super) fn inbox(&self) -> Option<Arc<Inbox<M>>> {
        self.inbox.clone()
    }

    /// Sends. Only a receiver that has ended for good does not get it; then it is a dead letter.
    pub fn send(mut self, message: M) {
        if let Some(inbox) = self.inbox.take() {
            inbox.fill_slot(message, Header::new::<M>(self.priority, self.origin.take()));
        }
    }
}

impl<M> Drop for Permit<M> {
    fn drop(&mut self) {
        if let Some(inbox) = self.inbox.take() {
            inbox.release_slot();
        }
    }
}

impl<M> std::fmt::Debug for Permit<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Permit").field("priority", &self.priority).finish_non_exhaustive()
    }
}
