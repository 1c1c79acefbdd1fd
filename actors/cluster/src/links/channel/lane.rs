//! What waits for one service of one connection, and how much of it may go.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Caller, Window};

/// A message that has not been written yet.
pub(super) struct Outgoing {
    pub(super) body: Bytes,
    /// Of a call: who waits, and until when.
    pub(super) call: Option<(Caller, Instant)>,
}

#[derive(Default)]
pub(super) struct Lane {
    queue: VecDeque<Outgoing>,
    bytes: usize,
    /// Senders that wait for room.
    pub(super) waiting: usize,
    /// What the other side takes before it grants more. A frame may overdraw the bytes.
    credit: Credit,
}

#[derive(Clone, Copy, Default)]
struct Credit {
    frames: i64,
    bytes: i64,
    window_frames: i64,
    window_bytes: i64,
}

impl Lane {
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether a body of `bytes` finds room; one always does in an empty queue.
    pub(super) fn has_room(&self, bytes: usize, max_frames: usize, max_bytes: usize) -> bool {
        self.queue.is_empty() || (self.queue.len() < max_frames && self.bytes + bytes <= max_bytes)
    }

    pub(super) fn push(&mut self, outgoing: Outgoing) {
        self.bytes += outgoing.body.len();
        self.queue.push_back(outgoing);
    }

    /// The next message, if the other side has room for it. One whose caller has gone is skipped.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Outgoing> {
        loop {
            if self.credit.frames <= 0 || self.credit.bytes <= 0 {
                return None;
            }
            let outgoing = self.queue.pop_front()?;
            self.bytes -= outgoing.body.len();
            if let Some((caller, deadline)) = &outgoing.call
                && (caller.is_closed() || *deadline <= now)
            {
                continue;
            }
            self.credit.frames -= 1;
            self.credit.bytes -= outgoing.body.len() as i64;
            return Some(outgoing);
        }
    }

    /// Forgets calls whose callers have gone; tells how many.
    pub(super) fn forget_expired(&mut self) -> usize {
        let before = self.queue.len();
        let is_wanted = |outgoing: &Outgoing| {
            outgoing.call.as_ref().is_none_or(|(caller, _)| !caller.is_closed())
        };
        self.queue.retain(is_wanted);
        let forgotten = before - self.queue.len();
        if forgotten > 0 {
            self.bytes = self.queue.iter().map(|outgoing| outgoing.body.len()).sum();
        }
        forgotten
    }

    /// A new connection: the other side has all its room.
    pub(super) fn begin(&mut self, window: Window) {
        let (frames, bytes) = (i64::from(window.frames), i64::from(window.bytes));
        self.credit = Credit { frames, bytes, window_frames: frames, window_bytes: bytes };
    }

    /// The other side has room again. False when it never had that much.
    pub(super) fn grant(&mut self, frames: u32, bytes: u32) -> bool {
        let credit = &mut self.credit;
        credit.frames += i64::from(frames);
        credit.bytes += i64::from(bytes);
        credit.frames <= credit.window_frames && credit.bytes <= credit.window_bytes
    }

    /// The connection has ended: how many frames the other side has not said to have handled.
    pub(super) fn end(&mut self) -> u64 {
        let credit = std::mem::take(&mut self.credit);
        u64::try_from(credit.window_frames - credit.frames).unwrap_or(0)
    }

    /// All that was not written.
    pub(super) fn take(&mut self) -> VecDeque<Outgoing> {
        self.bytes = 0;
        std::mem::take(&mut self.queue)
    }
}
