//! One direction of one connection.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::Waker;

use bytes::{Buf, Bytes};
use tokio::io::ReadBuf;
use tokio::time::Instant;

/// Bytes between a writer and its reader, as in the buffers of sockets.
const CAPACITY: usize = 256 << 10;

/// What a reader finds.
pub(super) enum Found {
    /// Bytes, or the end, have been taken.
    Now,
    /// Something arrives then.
    At(Instant),
    /// Nothing is on its way, or it can't get through.
    Nothing,
}

pub(super) struct Pipe {
    pub(super) from: Arc<str>,
    pub(super) to: Arc<str>,
    /// The other direction of the connection.
    pub(super) twin: u64,
    pieces: VecDeque<(Instant, Bytes)>,
    queued: usize,
    /// When the last piece arrives: none overtakes another.
    last_arrival: Instant,
    /// When the direction is free for the next piece.
    free_at: Instant,
    ends_at: Option<Instant>,
    pub(super) is_broken: bool,
    pub(super) has_reader: bool,
    pub(super) has_writer: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    pub(super) fn new(from: Arc<str>, to: Arc<str>, twin: u64, now: Instant) -> Self {
        Self {
            from,
            to,
            twin,
            pieces: VecDeque::new(),
            queued: 0,
            last_arrival: now,
            free_at: now,
            ends_at: None,
            is_broken: false,
            has_reader: true,
            has_writer: true,
            reader: None,
            writer: None,
        }
    }

    pub(super) fn room(&self) -> usize {
        CAPACITY.saturating_sub(self.queued)
    }

    /// When the direction has carried what was given to it before.
    pub(super) fn free_at(&mut self, now: Instant) -> &mut Instant {
        self.free_at = self.free_at.max(now);
        &mut self.free_at
    }

    pub(super) fn push(&mut self, arrives: Instant, piece: Bytes) {
        self.last_arrival = self.last_arrival.max(arrives);
        self.queued += piece.len();
        self.pieces.push_back((self.last_arrival, piece));
        self.wake_reader();
    }

    /// The writer writes no more.
    pub(super) fn end(&mut self, arrives: Instant) {
        if self.ends_at.is_none() {
            self.ends_at = Some(self.last_arrival.max(arrives));
        }
        self.wake_reader();
    }

    pub(super) fn take(&mut self, buffer: &mut ReadBuf<'_>, now: Instant) -> io::Result<Found> {
        if self.is_broken {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let Some((arrives, piece)) = self.pieces.front_mut() else {
            return Ok(match self.ends_at {
                Some(at) if at <= now => Found::Now,
                Some(at) => Found::At(at),
                None => Found::Nothing,
            });
        };
        if *arrives > now {
            return Ok(Found::At(*arrives));
        }
        let bytes = piece.len().min(buffer.remaining());
        buffer.put_slice(&piece[..bytes]);
        piece.advance(bytes);
        if piece.is_empty() {
            self.pieces.pop_front();
        }
        self.queued -= bytes;
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
        Ok(Found::Now)
    }

    pub(super) fn reader_waits(&mut self, waker: &Waker) {
        self.reader = Some(waker.clone());
    }

    pub(super) fn writer_waits(&mut self, waker: &Waker) {
        self.writer = Some(waker.clone());
    }

    pub(super) fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    pub(super) fn wake_both(&mut self) {
        self.wake_reader();
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }

    /// The connection breaks: what is on its way is lost.
    pub(super) fn break_off(&mut self) {
        self.is_broken = true;
        self.pieces.clear();
        self.wake_both();
    }
}
