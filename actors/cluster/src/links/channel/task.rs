//! The one task of a connection: it reads, lets ports handle what it has read, and writes what
//! waits, answers to what it has just read among it, without a hop to another task.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::departing::{Departing, Reply};
use super::incoming::Incoming;
use super::line::Line;
use super::writing::WriteBuffer;
use crate::links::error::LinkError;
use crate::links::shared::Shared;
use crate::links::transport::ByteStream;
use crate::node::NodeId;
use crate::wire::{Kind, Service, decode};

/// Reads and writes before other tasks have their turn.
const ROUNDS: usize = 16;
/// Bytes that one read asks for at first, and at most.
const FIRST_READ: usize = 8 << 10;
const LARGEST_READ: usize = 256 << 10;
/// After so many small reads a large buffer is let go of.
const SMALL_READS: u32 = 64;
/// Bytes waiting for the socket above which nothing more is taken from the queues.
const WRITE_AHEAD: usize = 128 << 10;
/// Bytes of a call's body before that of its caller.
pub(super) const CALL_PREFIX: usize = 4;

/// Bytes of the longest reason for which a call is refused.
const REASON_LIMIT: usize = 1 << 10;
/// How long the last bytes of a connection that both sides have agreed to close may take.
const PARTING: Duration = Duration::from_secs(1);

/// Why a connection has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Both sides agreed that nobody needs it.
    Rested,
    /// It broke, or the other side broke the protocol; the text says how.
    Broken(String),
}

pub(crate) struct Connection {
    stream: Box<dyn ByteStream>,
    line: Arc<Line>,
    incoming: Incoming,
    read: BytesMut,
    read_size: usize,
    /// Waits in a row for want of bytes without a large read between them.
    small_reads: u32,
    write: WriteBuffer,
    batch: Vec<Departing>,
    shared: Arc<Shared>,
}

impl Connection {
    /// A connection over `stream`, of which `read` has been read ahead.
    pub(crate) fn new(
        stream: Box<dyn ByteStream>,
        read: BytesMut,
        line: Arc<Line>,
        from: NodeId,
        shared: Arc<Shared>,
    ) -> Self {
        let incoming = Incoming::new(Arc::clone(&line), from, Arc::clone(&shared));
        let (write, batch) = (WriteBuffer::default(), Vec::new());
        Self {
            stream,
            line,
            incoming,
            read,
            read_size: FIRST_READ,
            small_reads: 0,
            write,
            batch,
            shared,
        }
    }

    /// Carries frames until the connection ends.
    pub(crate) async fn run(mut self) -> End {
        if let Err(end) = self.take_frames() {
            return end;
        }
        let end = std::future::poll_fn(|cx| self.poll(cx)).await;
        if end == End::Rested {
            // The other side agrees already; all that can go wrong is a late word of it.
            let _ = timeout(PARTING, self.part()).await;
        }
        end
    }

    /// Closes this side and waits for the other one to do so: to close with bytes unread would
    /// take back what was written last (RFC 1122, 4.2.2.13).
    async fn part(&mut self) -> io::Result<()> {
        self.stream.shutdown().await?;
        loop {
            self.read.clear();
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Ok(());
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        for _ in 0..ROUNDS {
            let read = match self.poll_read(cx) {
                Poll::Ready(Err(end)) => return Poll::Ready(end),
                Poll::Ready(Ok(())) => true,
                Poll::Pending => false,
            };
            let wrote = match self.poll_write(cx) {
                Poll::Ready(Err(error)) => return Poll::Ready(self.broken(&error)),
                Poll::Ready(Ok(())) => true,
                Poll::Pending => false,
            };
            if self.incoming.is_over() && self.write.is_done() && !wrote {
                return Poll::Ready(End::Rested);
            }
            if !read && !wrote {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let spare = self.read.capacity() - self.read.len();
        if spare < self.read_size / 2 {
            self.read.reserve(self.read_size);
        }
        let room = self.read.capacity() - self.read.len();
        let read = {
            // The read keeps nothing between polls, so it may be made anew for each.
            let reading = self.stream.read_buf(&mut self.read);
            pin!(reading).poll(cx)
        };
        match read {
            Poll::Pending => {
                self.release();
                Poll::Pending
            }
            Poll::Ready(Ok(0)) => {
                let reason = "the other side closed the connection";
                Poll::Ready(Err(self.broken(&io::Error::other(reason))))
            }
            Poll::Ready(Ok(bytes)) => {
                self.line.channel().alive.store(true, Ordering::Relaxed);
                if bytes >= room {
                    self.read_size = (self.read_size * 2).min(LARGEST_READ);
                }
                if bytes >= FIRST_READ {
                    self.small_reads = 0;
                }
                Poll::Ready(self.take_frames())
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.broken(&error))),
        }
    }

    /// Lets go of a large buffer that has not been needed for a while.
    fn release(&mut self) {
        self.small_reads = self.small_reads.saturating_add(1);
        if self.small_reads >= SMALL_READS && self.read_size > FIRST_READ && self.read.is_empty() {
            (self.read, self.read_size) = (BytesMut::new(), FIRST_READ);
        }
    }

    /// What an error means: nothing, once both sides have agreed to part.
    fn broken(&self, error: &io::Error) -> End {
        if self.line.channel().outbox.lock().is_parting() {
            return End::Rested;
        }
        End::Broken(error.to_string())
    }

    fn take_frames(&mut self) -> Result<(), End> {
        let limit = self.line.own().max_body as usize + CALL_PREFIX;
        self.incoming.begin();
        loop {
            match decode(&mut self.read, limit) {
                Ok(Some(frame)) => self.incoming.take(frame).map_err(End::Broken)?,
                Ok(None) => return Ok(()),
                Err(fault) => return Err(End::Broken(fault.to_string())),
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.write.len() < WRITE_AHEAD {
            self.grant();
            self.take_departing(cx);
        }
        self.write.poll_write(&mut *self.stream, cx)
    }

    fn grant(&mut self) {
        for service in Service::ALL {
            let Some((frames, bytes)) = self.line.take_grant(service) else { continue };
            self.incoming.granted(service, frames, bytes);
            let mut body = [0; 8];
            (&mut body[..]).put_u32_le(frames);
            (&mut body[4..]).put_u32_le(bytes);
            self.write.put(Kind::Grant, 0, service.number(), &body, Bytes::new());
        }
    }

    fn take_departing(&mut self, cx: &mut Context<'_>) {
        let channel = Arc::clone(self.line.channel());
        let mut batch = std::mem::take(&mut self.batch);
        let rooms = channel.outbox.lock().drain(&mut batch, Instant::now(), cx.waker());
        channel.tell_rooms(rooms);
        let mut sent = 0;
        for departing in batch.drain(..) {
            sent += u64::from(self.encode(departing));
        }
        self.batch = batch;
        if sent > 0 {
            channel.used.store(true, Ordering::Relaxed);
            channel.counters.sent.fetch_add(sent, Ordering::Relaxed);
        }
    }

    /// Whether it was about a service.
    fn encode(&mut self, departing: Departing) -> bool {
        let write = &mut self.write;
        match departing {
            Departing::Signal(Kind::Beat, id) => {
                let cluster = self.shared.cluster.id().unwrap_or_default();
                write.put(Kind::Beat, id, 0, &cluster.0.to_le_bytes(), Bytes::new());
                false
            }
            Departing::Signal(kind, id) => {
                write.put(kind, id, 0, &[], Bytes::new());
                false
            }
            Departing::Reply(reply) => {
                self.encode_reply(reply);
                true
            }
            Departing::Cast(service, id, body) => {
                write.put(Kind::Cast, id, service.number(), &[], body);
                true
            }
            Departing::Call(service, id, body, within) => {
                write.put(Kind::Call, id, service.number(), &within.to_le_bytes(), body);
                true
            }
        }
    }

    fn encode_reply(&mut self, reply: Reply) {
        let Reply { id, room, answer } = reply;
        let number = room.service.number();
        match answer {
            Ok(body) => self.write.put(Kind::Answer, id, number, &[], body),
            Err(error) => {
                let (code, text) = decline(error);
                self.write.put(Kind::Decline, id, number, &[code], text);
            }
        }
        // The next round of writing grants it.
        self.line.free(room);
    }
}

/// The first byte of a `Decline`.
pub(super) const UNANSWERED: u8 = 0;
pub(super) const REFUSED: u8 = 1;
pub(super) const TOO_LARGE: u8 = 2;

fn decline(error: LinkError) -> (u8, Bytes) {
    match error {
        LinkError::Refused(reason) => {
            let mut text = Bytes::from(reason);
            text.truncate(REASON_LIMIT);
            (REFUSED, text)
        }
        LinkError::TooLarge => (TOO_LARGE, Bytes::new()),
        _ => (UNANSWERED, Bytes::new()),
    }
}
