//! Connections that wait for a request, their first or their next, in the order in which they began
//! to: when all slots are taken, the one that has waited longest gives its slot to the newcomer.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

/// Time a connection has at least for its next request: in a burst, one whose request is on the
/// way is not closed for the next.
const GRACE: Duration = Duration::from_millis(250);

/// Those that wait, by when they began to.
#[derive(Debug, Default)]
pub(super) struct Idle(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    seats: BTreeMap<u64, (Instant, Seat)>,
}

/// A slot, and the way to tell its connection that it is given to another. What is sent is the
/// permit that the connection holds while it closes: how many close at once is bounded as well.
#[derive(Debug)]
struct Seat {
    slot: OwnedSemaphorePermit,
    leave: oneshot::Sender<OwnedSemaphorePermit>,
}

impl Idle {
    /// The slot of the connection that has waited longest for a request, which closes, holding
    /// `spare`.
    ///
    /// # Errors
    /// `spare` when every connection is at work or began to wait a moment ago.
    pub(super) fn make_room(
        &self,
        spare: OwnedSemaphorePermit,
    ) -> Result<OwnedSemaphorePermit, OwnedSemaphorePermit> {
        let Some(Seat { slot, leave }) = self.longest() else { return Err(spare) };
        // A connection that ended in this moment needs no permit to close.
        let _ = leave.send(spare);
        Ok(slot)
    }

    fn longest(&self) -> Option<Seat> {
        let mut waiting = self.0.lock();
        let first = waiting.seats.first_entry()?;
        let (since, _) = first.get();
        (since.elapsed() >= GRACE).then(|| first.remove().1)
    }

    fn enter(&self, seat: Seat) -> u64 {
        let mut waiting = self.0.lock();
        let key = waiting.next;
        waiting.next += 1;
        waiting.seats.insert(key, (Instant::now(), seat));
        key
    }

    fn take(&self, key: u64) -> Option<Seat> {
        self.0.lock().seats.remove(&key).map(|(_, seat)| seat)
    }
}

/// One connection's hold on its slot.
#[derive(Debug)]
pub(super) struct Visit {
    idle: Arc<Idle>,
    hold: Mutex<Hold>,
}

#[derive(Debug)]
enum Hold {
    /// It waits for a request under this key.
    Waits(u64),
    /// So many requests are being answered: one, or for a moment the next one as well.
    Works(Seat, usize),
    /// Another connection has the slot.
    Gone,
}

impl Visit {
    /// Waits for a request in `slot`; the receiver says when the slot was given to another.
    pub(super) fn new(
        idle: &Arc<Idle>,
        slot: OwnedSemaphorePermit,
    ) -> (Arc<Self>, oneshot::Receiver<OwnedSemaphorePermit>) {
        let (leave, told_to_leave) = oneshot::channel();
        let key = idle.enter(Seat { slot, leave });
        let visit = Self { idle: Arc::clone(idle), hold: Mutex::new(Hold::Waits(key)) };
        (Arc::new(visit), told_to_leave)
    }

    /// Keeps the slot until the request is answered; `None` when another has it by then.
    pub(super) fn work(self: &Arc<Self>) -> Option<Work> {
        let mut hold = self.hold.lock();
        *hold = match std::mem::replace(&mut *hold, Hold::Gone) {
            Hold::Waits(key) => Hold::Works(self.idle.take(key)?, 1),
            Hold::Works(seat, requests) => Hold::Works(seat, requests + 1),
            Hold::Gone => return None,
        };
        Some(Work(Arc::clone(self)))
    }

    fn rest(&self) {
        let mut hold = self.hold.lock();
        *hold = match std::mem::replace(&mut *hold, Hold::Gone) {
            Hold::Works(seat, 1) => Hold::Waits(self.idle.enter(seat)),
            Hold::Works(seat, requests) => Hold::Works(seat, requests - 1),
            other => other,
        };
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Hold::Waits(key) = *self.hold.get_mut() {
            self.idle.take(key);
        }
    }
}

/// A request that is being answered: until the last byte of the answer is handed on, its connection
/// does not wait.
#[derive(Debug)]
pub(super) struct Work(Arc<Visit>);

impl Work {
    /// The same answer, whose end is the end of the work.
    pub(super) fn until_sent(self, answer: Response) -> Response {
        answer.map(|body| Body::new(Sent { body, _work: self }))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.rest();
    }
}

/// A body; it is dropped when all of it is sent, or nobody takes it.
struct Sent {
    body: Body,
    _work: Work,
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
