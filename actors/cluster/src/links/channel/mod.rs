//! One of the two connections to a node, with what waits for it. It outlives the connections that
//! carry it and the actor that makes them.
//!
//! ```text
//!  Peers ── push ──▶ Channel (a lane for each service, answers, credit) ◀── drain ── Connection
//!                       │ Wanted                                                (one task)
//!                       ▼
//!                    Links: somebody needs a connection
//! ```

mod departing;
mod ids;
mod incoming;
mod lane;
mod line;
mod outbox;
mod task;
mod writing;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Waker;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

pub(crate) use self::line::Line;
use self::outbox::Outbox;
pub(crate) use self::outbox::Unsent;
pub(crate) use self::task::{Connection, End};
use super::config::LinksConfig;
use super::error::LinkError;
use super::view::LinkState;
use crate::wire::{Service, StreamKind};

/// What counts for one connection, read by views.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) sent: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) breaks: AtomicU64,
}

pub(crate) struct Channel {
    kind: StreamKind,
    limits: Limits,
    outbox: Mutex<Outbox>,
    /// Senders that wait for room.
    room: [Notify; Service::COUNT],
    /// Bytes came in since somebody looked.
    alive: AtomicBool,
    /// Something of a service moved since somebody looked.
    used: AtomicBool,
    pub(crate) counters: Counters,
}

/// What may wait.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    frames: usize,
    bytes: usize,
    body: usize,
}

impl Limits {
    pub(crate) fn of(config: &LinksConfig) -> Self {
        Self {
            frames: config.queue_frames as usize,
            bytes: config.queue_bytes as usize,
            body: config.max_body_bytes as usize,
        }
    }
}

/// A call's way back to its caller.
pub(crate) type Caller = oneshot::Sender<Result<Bytes, LinkError>>;
/// A caller, and until when it waits.
pub(crate) type Waiting = (Caller, Instant);

/// What a connection may send before the other side grants more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) frames: u32,
    pub(crate) bytes: u32,
    pub(crate) max_body: u32,
}

impl Channel {
    pub(crate) fn new(kind: StreamKind, limits: Limits) -> Self {
        Self {
            kind,
            limits,
            outbox: Mutex::new(Outbox::default()),
            room: Default::default(),
            alive: AtomicBool::new(false),
            used: AtomicBool::new(false),
            counters: Counters::default(),
        }
    }

    pub(crate) fn kind(&self) -> StreamKind {
        self.kind
    }

    /// Queues a cast. `Ok(true)`: the queue was closed, a connection has to be asked for.
    pub(crate) fn try_cast(
        &self,
        service: Service,
        body: Bytes,
    ) -> Result<bool, (LinkError, Bytes)> {
        self.push(service, body, None).map_err(|(error, body, _)| (error, body))
    }

    /// Queues a call, or gives it back.
    pub(crate) fn push(
        &self,
        service: Service,
        body: Bytes,
        call: Option<Waiting>,
    ) -> Result<bool, (LinkError, Bytes, Option<Waiting>)> {
        if body.len() > self.limits.body {
            return Err((LinkError::TooLarge, body, call));
        }
        let mut outbox = self.outbox.lock();
        if let Some(error) = outbox.objection(service, body.len(), self.limits) {
            return Err((error, body, call));
        }
        outbox.push(service, body, call);
        let wants = outbox.want();
        let sleeper = outbox.wake();
        drop(outbox);
        wake(sleeper);
        Ok(wants)
    }

    /// Waits until there may be room for `service`.
    pub(crate) fn room(&self, service: Service) -> &Notify {
        &self.room[service.index()]
    }

    /// Notes one more, or one less, that waits for room.
    pub(crate) fn waits(&self, service: Service, more: bool) {
        self.outbox.lock().waits(service, more);
    }

    /// The connection of `line` stands; from now on what is queued is written.
    pub(crate) fn open(&self, line: Arc<Line>) {
        self.alive.store(true, Ordering::Relaxed);
        self.used.store(true, Ordering::Relaxed);
        self.outbox.lock().open(line);
    }

    /// The connection `epoch` has ended. In order, what is queued waits for the next one; else
    /// it has failed. Tells how many casts were lost.
    pub(crate) fn close(&self, epoch: u64, unsent: Unsent) -> u64 {
        let mut outbox = self.outbox.lock();
        if !outbox.is_open_in(epoch) {
            return 0;
        }
        let closed = outbox.close(unsent);
        drop(outbox);
        self.tell_closed(closed)
    }

    /// The connection has ended, whichever it was, with who has looked after it.
    pub(crate) fn orphan(&self, reason: &str) -> u64 {
        let epoch = self.outbox.lock().epoch();
        epoch.map_or(0, |epoch| self.close(epoch, Unsent::Fail(reason)))
    }

    /// Nobody will carry the channel any more: all that is in it has failed.
    pub(crate) fn abandon(&self, reason: &str) -> u64 {
        let mut outbox = self.outbox.lock();
        let closed = outbox.close(Unsent::Fail(reason));
        drop(outbox);
        self.tell_closed(closed)
    }

    fn tell_closed(&self, (broken, lost): (Vec<Caller>, u64)) -> u64 {
        for caller in broken {
            // The caller may have gone.
            drop(caller.send(Err(LinkError::Broken)));
        }
        self.note_lost(lost);
        self.wake_all();
        lost
    }

    /// No connection could be made: what is queued has failed, and what comes fails at once until
    /// [`Channel::relent`].
    pub(crate) fn fail(&self, reason: &str) -> u64 {
        let lost = self.outbox.lock().fail(reason);
        self.note_lost(lost);
        self.wake_all();
        lost
    }

    /// What comes may wait for a connection again.
    pub(crate) fn relent(&self) {
        self.outbox.lock().relent();
    }

    /// Whether something waits for a connection that nobody makes.
    pub(crate) fn is_wanted(&self) -> bool {
        self.outbox.lock().is_wanted()
    }

    /// Wakes so many of each service's senders that wait.
    fn tell_rooms(&self, rooms: [usize; Service::COUNT]) {
        for (room, count) in self.room.iter().zip(rooms) {
            (0..count).for_each(|_| room.notify_one());
        }
    }

    fn note_lost(&self, lost: u64) {
        self.counters.lost.fetch_add(lost, Ordering::Relaxed);
    }

    fn wake_all(&self) {
        self.room.iter().for_each(Notify::notify_waiters);
    }

    /// Lets the connection look for work, if it sleeps.
    fn nudge(&self) {
        let sleeper = self.outbox.lock().wake();
        wake(sleeper);
    }

    /// Sends a sign of life; its answer tells the round trip.
    pub(crate) fn beat(&self, now: Instant) {
        let sleeper = {
            let mut outbox = self.outbox.lock();
            outbox.beat(now);
            outbox.wake()
        };
        wake(sleeper);
    }

    /// Asks the other side whether the connection may be closed. False when it is in use.
    pub(crate) fn rest(&self) -> bool {
        let (rests, sleeper) = {
            let mut outbox = self.outbox.lock();
            (outbox.rest(), outbox.wake())
        };
        wake(sleeper);
        rests
    }

    /// Whether bytes came in since the last look.
    pub(crate) fn take_alive(&self) -> bool {
        self.alive.swap(false, Ordering::Relaxed)
    }

    /// Whether it was used since the last look, or is in use.
    pub(crate) fn take_used(&self) -> bool {
        let moved = self.used.swap(false, Ordering::Relaxed);
        let mut outbox = self.outbox.lock();
        let rooms = outbox.forget_expired();
        let is_busy = outbox.is_busy();
        drop(outbox);
        self.tell_rooms(rooms);
        moved || is_busy
    }

    /// The last round trip in microseconds.
    pub(crate) fn rtt_us(&self) -> Option<u64> {
        self.outbox.lock().rtt_us
    }

    pub(crate) fn state(&self) -> LinkState {
        self.outbox.lock().state()
    }

    /// Frames and bytes queued, calls pending.
    pub(crate) fn depth(&self) -> (u64, u64, u64) {
        self.outbox.lock().depth()
    }
}

fn wake(sleeper: Option<Waker>) {
    if let Some(waker) = sleeper {
        waker.wake();
    }
}
