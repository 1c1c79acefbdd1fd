//! Connections that have not yet sent a request, oldest first: when all slots are taken, the oldest
//! gives its slot to the newcomer. One that has been served keeps its slot until it closes or its
//! time for the next head is over.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

/// Time a connection has at least for its first request: in a burst, one whose request is on the
/// way is not closed for the next.
const GRACE: Duration = Duration::from_millis(250);

/// Those that wait, by when they came.
#[derive(Debug, Default)]
pub(super) struct Idle(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    seats: BTreeMap<u64, Seat>,
}

/// A slot, and the way to tell its connection that it is given to another. What is sent is the
/// permit that the connection holds while it closes: how many close at once is bounded as well.
#[derive(Debug)]
struct Seat {
    since: Instant,
    slot: OwnedSemaphorePermit,
    leave: oneshot::Sender<OwnedSemaphorePermit>,
}

impl Idle {
    /// The slot of the connection that has waited longest without a request, which closes, holding
    /// `spare`.
    ///
    /// # Errors
    /// `spare` when every connection has been served or came a moment ago.
    pub(super) fn make_room(
        &self,
        spare: OwnedSemaphorePermit,
    ) -> Result<OwnedSemaphorePermit, OwnedSemaphorePermit> {
        let Some(Seat { slot, leave, .. }) = self.oldest() else { return Err(spare) };
        // A connection that ended in this moment needs no permit to close.
        let _ = leave.send(spare);
        Ok(slot)
    }

    fn oldest(&self) -> Option<Seat> {
        let mut waiting = self.0.lock();
        let first = waiting.seats.first_entry()?;
        (first.get().since.elapsed() >= GRACE).then(|| first.remove())
    }

    fn enter(&self, seat: Seat) -> u64 {
        let mut waiting = self.0.lock();
        let key = waiting.next;
        waiting.next += 1;
        waiting.seats.insert(key, seat);
        key
    }

    fn take(&self, key: u64) -> Option<OwnedSemaphorePermit> {
        self.0.lock().seats.remove(&key).map(|seat| seat.slot)
    }
}

/// One connection's hold on its slot.
#[derive(Debug)]
pub(super) struct Visit {
    idle: Arc<Idle>,
    key: u64,
    slot: OnceLock<Option<OwnedSemaphorePermit>>,
}

impl Visit {
    /// Waits for a request in `slot`; the receiver says when the slot was given to another.
    pub(super) fn new(
        idle: &Arc<Idle>,
        slot: OwnedSemaphorePermit,
    ) -> (Self, oneshot::Receiver<OwnedSemaphorePermit>) {
        let (leave, told_to_leave) = oneshot::channel();
        let key = idle.enter(Seat { since: Instant::now(), slot, leave });
        (Self { idle: Arc::clone(idle), key, slot: OnceLock::new() }, told_to_leave)
    }

    /// Keeps the slot from the first request on; false when another has it by then.
    pub(super) fn keeps_slot(&self) -> bool {
        self.slot.get_or_init(|| self.idle.take(self.key)).is_some()
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.idle.take(self.key);
    }
}
