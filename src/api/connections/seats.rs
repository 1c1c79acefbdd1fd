//! Connections for which the node waits, for a request or for the rest of one, by the time from
//! which they may be closed: when all slots are taken, the one that is longest past its time gives
//! its slot to the newcomer.

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

/// Those for which the node waits, by when they are overdue; the number tells equals apart.
#[derive(Debug, Default)]
pub(super) struct Awaited(Mutex<Seats>);

#[derive(Debug, Default)]
struct Seats {
    next: u64,
    seats: BTreeMap<Due, Seat>,
}

type Due = (Instant, u64);

/// A slot, and the way to tell its connection that it is given to another. What is sent is the
/// permit that the connection holds while it closes: how many close at once is bounded as well.
#[derive(Debug)]
struct Seat {
    slot: OwnedSemaphorePermit,
    leave: oneshot::Sender<OwnedSemaphorePermit>,
}

impl Awaited {
    /// The slot of the connection that is longest overdue, which closes, holding `spare`.
    ///
    /// # Errors
    /// `spare` when every connection is at work or has time left.
    pub(super) fn make_room(
        &self,
        spare: OwnedSemaphorePermit,
    ) -> Result<OwnedSemaphorePermit, OwnedSemaphorePermit> {
        let Some(Seat { slot, leave }) = self.overdue() else { return Err(spare) };
        // A connection that ended in this moment needs no permit to close.
        let _ = leave.send(spare);
        Ok(slot)
    }

    fn overdue(&self) -> Option<Seat> {
        let mut seats = self.0.lock();
        let first = seats.seats.first_entry()?;
        let (due, _) = *first.key();
        (due <= Instant::now()).then(|| first.remove())
    }

    fn enter(&self, within: Duration, seat: Seat) -> Due {
        let mut seats = self.0.lock();
        let due = (Instant::now() + within, seats.next);
        seats.next += 1;
        seats.seats.insert(due, seat);
        due
    }

    fn take(&self, due: Due) -> Option<Seat> {
        self.0.lock().seats.remove(&due)
    }
}

/// One connection's hold on its slot.
#[derive(Debug)]
pub(super) struct Visit {
    awaited: Arc<Awaited>,
    hold: Mutex<Hold>,
}

#[derive(Debug)]
struct Hold {
    place: Place,
    /// Requests that are being answered: one, or for a moment the next one as well.
    requests: usize,
}

#[derive(Debug)]
enum Place {
    /// The node waits for the client, who may lose the slot when it is due.
    Awaited(Due),
    /// The client waits for the node.
    Kept(Seat),
    /// Another connection has the slot.
    Gone,
}

impl Visit {
    /// Waits for a request in `slot`; the receiver says when the slot was given to another.
    pub(super) fn new(
        awaited: &Arc<Awaited>,
        slot: OwnedSemaphorePermit,
    ) -> (Arc<Self>, oneshot::Receiver<OwnedSemaphorePermit>) {
        let (leave, told_to_leave) = oneshot::channel();
        let due = awaited.enter(GRACE, Seat { slot, leave });
        let hold = Hold { place: Place::Awaited(due), requests: 0 };
        (Arc::new(Self { awaited: Arc::clone(awaited), hold: Mutex::new(hold) }), told_to_leave)
    }

    /// Keeps the slot until the request is answered; `None` when another has it by then.
    pub(super) fn work(self: &Arc<Self>) -> Option<Work> {
        let mut hold = self.hold.lock();
        hold.keep(&self.awaited)?;
        hold.requests += 1;
        Some(Work(Arc::clone(self)))
    }

    /// The rest of a request is awaited, for this long without fear for the slot.
    pub(super) fn await_more(&self, within: Duration) {
        self.hold.lock().leave_to(&self.awaited, within);
    }

    /// More of it came, with so much time left; `None` when another has the slot by then.
    pub(super) fn more_came(&self) -> Option<Duration> {
        let mut hold = self.hold.lock();
        let due = match hold.place {
            Place::Awaited((due, _)) => due,
            Place::Kept(_) => Instant::now(),
            Place::Gone => return None,
        };
        hold.keep(&self.awaited)?;
        if hold.requests == 0 {
            // It was answered before all of it came.
            hold.leave_to(&self.awaited, GRACE);
        }
        Some(due.saturating_duration_since(Instant::now()))
    }

    /// Whether another connection has the slot.
    pub(super) fn is_over(&self) -> bool {
        let mut hold = self.hold.lock();
        if let Place::Awaited(due) = hold.place
            && !self.awaited.0.lock().seats.contains_key(&due)
        {
            hold.place = Place::Gone;
        }
        matches!(hold.place, Place::Gone)
    }

    fn rest(&self) {
        let mut hold = self.hold.lock();
        hold.requests -= 1;
        if hold.requests == 0 {
            hold.leave_to(&self.awaited, GRACE);
        }
    }
}

impl Hold {
    fn keep(&mut self, awaited: &Awaited) -> Option<()> {
        self.place = match std::mem::replace(&mut self.place, Place::Gone) {
            Place::Awaited(due) => Place::Kept(awaited.take(due)?),
            Place::Kept(seat) => Place::Kept(seat),
            Place::Gone => return None,
        };
        Some(())
    }

    fn leave_to(&mut self, awaited: &Awaited, within: Duration) {
        self.place = match std::mem::replace(&mut self.place, Place::Gone) {
            Place::Kept(seat) => Place::Awaited(awaited.enter(within, seat)),
            other => other,
        };
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Place::Awaited(due) = self.hold.get_mut().place {
            self.awaited.take(due);
        }
    }
}

/// A request that is being answered: until the last byte of the answer is handed on, its connection
/// does not wait for another.
#[derive(Debug)]
pub(super) struct Work(Arc<Visit>);

impl Work {
    /// The same answer, whose end is the end of the work.
    pub(super) fn until_sent(self, answer: Response) -> Response {
        answer.map(|body| Body::new(Sent { body, _work: self }))
    }

    /// The connection of the request.
    pub(super) fn visit(&self) -> Arc<Visit> {
        Arc::clone(&self.0)
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
