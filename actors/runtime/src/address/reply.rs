//! The way back to an asker, which bypasses every mailbox but the asker's own.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

/// Where a reply goes when its asker does not wait for it in place.
pub(crate) trait ReplySlot<T>: Send + Sync {
    /// The receiver has answered.
    fn answer(&self, reply: T);
    /// The receiver has dropped the request.
    fn abandon(&self);
    /// Whether an answer would come too late.
    fn is_settled(&self) -> bool;
}

enum Port<T> {
    /// An asker that awaits; dropping it unused tells the asker so.
    Once(oneshot::Sender<T>),
    /// An asker that takes the reply as a message.
    Slot(Arc<dyn ReplySlot<T>>),
}

/// The right to answer one request, once.
///
/// Dropped unused, as by a crash of the receiver, it gives the asker
/// [`AskError::Unanswered`](crate::AskError::Unanswered) at once.
#[must_use = "an asker waits for the reply"]
pub struct Reply<T> {
    port: Option<Port<T>>,
    deadline: Instant,
}

impl<T> Reply<T> {
    /// A port whose reply is awaited at the other end, until `deadline`.
    pub(crate) fn awaited(deadline: Instant) -> (Self, oneshot::Receiver<T>) {
        let (sender, receiver) = oneshot::channel();
        (Self { port: Some(Port::Once(sender)), deadline }, receiver)
    }

    /// A port into `slot`.
    pub(crate) fn into_slot(slot: Arc<dyn ReplySlot<T>>, deadline: Instant) -> Self {
        Self { port: Some(Port::Slot(slot)), deadline }
    }

    /// Answers. When the asker has gone or its deadline has passed, the reply is dropped.
    pub fn send(mut self, reply: T) {
        match self.port.take() {
            // An asker that no longer waits has had its error; the reply has nowhere to go.
            Some(Port::Once(sender)) => drop(sender.send(reply)),
            Some(Port::Slot(slot)) => slot.answer(reply),
            None => {}
        }
    }

    /// Until when the asker waits.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether the asker waits no longer: it gave up, its deadline passed, or its actor has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        match &self.port {
            Some(Port::Once(sender)) => sender.is_closed(),
            Some(Port::Slot(slot)) => slot.is_settled(),
            None => true,
        }
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        if let Some(Port::Slot(slot)) = self.port.take() {
            slot.abandon();
        }
    }
}

impl<T> std::fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reply").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
