//! Gives credit back and carries answers, for one connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::departing::Reply;
use super::{Channel, Window, wake};
use crate::links::error::LinkError;
use crate::links::port::{Return, Room};
use crate::wire::Service;

/// What of its window a side has handled before it tells the other: a quarter.
const GRANT_SHARE: u64 = 4;

/// One connection of a channel, as ports see it.
pub(crate) struct Line {
    channel: Arc<Channel>,
    epoch: u64,
    /// What the other side takes.
    window: Window,
    /// What this side takes.
    own: Window,
    /// Frames that have arrived and still take up room.
    held: AtomicU64,
    /// Of each service: frames and bytes handled, and not granted again yet.
    returned: [(AtomicU64, AtomicU64); Service::COUNT],
}

impl Line {
    pub(crate) fn new(channel: Arc<Channel>, epoch: u64, window: Window, own: Window) -> Arc<Self> {
        let (held, returned) = (AtomicU64::new(0), Default::default());
        Arc::new(Self { channel, epoch, window, own, held, returned })
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn window(&self) -> Window {
        self.window
    }

    pub(super) fn own(&self) -> Window {
        self.own
    }

    pub(super) fn channel(&self) -> &Arc<Channel> {
        &self.channel
    }

    /// Whether anything that arrived has not been handled.
    pub(super) fn holds(&self) -> bool {
        self.held.load(Ordering::Relaxed) > 0
    }

    /// A frame has arrived.
    pub(super) fn hold(&self) {
        self.held.fetch_add(1, Ordering::Relaxed);
    }

    /// Frees room; true when the other side should hear of it.
    pub(super) fn free(&self, room: Room) -> bool {
        self.held.fetch_sub(1, Ordering::Relaxed);
        let (frames, bytes) = &self.returned[room.service.index()];
        let frames = frames.fetch_add(1, Ordering::Relaxed) + 1;
        let added = u64::from(room.bytes);
        let bytes = bytes.fetch_add(added, Ordering::Relaxed) + added;
        self.is_due(frames, bytes)
    }

    fn is_due(&self, frames: u64, bytes: u64) -> bool {
        frames >= (u64::from(self.own.frames) / GRANT_SHARE).max(1)
            || bytes >= (u64::from(self.own.bytes) / GRANT_SHARE).max(1)
    }

    /// What is to be granted again of `service`, if it is enough to tell.
    pub(super) fn take_grant(&self, service: Service) -> Option<(u32, u32)> {
        let (frames, bytes) = &self.returned[service.index()];
        let (now_frames, now_bytes) =
            (frames.load(Ordering::Relaxed), bytes.load(Ordering::Relaxed));
        if !self.is_due(now_frames, now_bytes) {
            return None;
        }
        // More than a grant can say waits for the next one.
        let limit = u64::from(u32::MAX);
        let (now_frames, now_bytes) = (now_frames.min(limit), now_bytes.min(limit));
        frames.fetch_sub(now_frames, Ordering::Relaxed);
        bytes.fetch_sub(now_bytes, Ordering::Relaxed);
        Some((now_frames as u32, now_bytes as u32))
    }
}

impl Return for Line {
    fn give_back(&self, room: Room) {
        if self.free(room) {
            self.channel.nudge();
        }
    }

    fn answer(&self, id: u64, room: Room, answer: Result<Bytes, LinkError>) {
        let answer = match answer {
            Ok(body) if body.len() > self.window.max_body as usize => Err(LinkError::TooLarge),
            other => other,
        };
        let sleeper = {
            let mut outbox = self.channel.outbox.lock();
            outbox.reply(self.epoch, Reply { id, room, answer });
            outbox.wake()
        };
        wake(sleeper);
    }
}
