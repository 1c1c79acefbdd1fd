//! Frames on their way into a connection: small ones together in one buffer, large bodies as they
//! are, all written with as few calls as can be.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::links::transport::ByteStream;
use crate::wire::{Kind, head};

/// Larger bodies are written from where they are.
const COPIED: usize = 8 << 10;
/// Pieces in one vectored write.
const SLICES: usize = 32;

#[derive(Default)]
pub(super) struct WriteBuffer {
    sealed: VecDeque<Bytes>,
    open: BytesMut,
    len: usize,
    unflushed: bool,
}

impl WriteBuffer {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether all of it has left this node.
    pub(super) fn is_done(&self) -> bool {
        self.len == 0 && !self.unflushed
    }

    /// Adds a frame whose body is `prefix` and `body`.
    pub(super) fn put(&mut self, kind: Kind, id: u64, service: u8, prefix: &[u8], body: Bytes) {
        let head = head(kind, id, service, prefix.len() + body.len());
        self.len += head.len() + prefix.len() + body.len();
        self.open.put_slice(&head);
        self.open.put_slice(prefix);
        if body.len() <= COPIED {
            self.open.put_slice(&body);
        } else {
            self.seal();
            self.sealed.push_back(body);
        }
    }

    fn seal(&mut self) {
        if !self.open.is_empty() {
            self.sealed.push_back(self.open.split().freeze());
        }
    }

    /// Writes some of it, or flushes when all is written. Ready when there was something to do.
    pub(super) fn poll_write(
        &mut self,
        stream: &mut dyn ByteStream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.seal();
        if self.sealed.is_empty() {
            if !self.unflushed {
                return Poll::Pending;
            }
            ready!(Pin::new(stream).poll_flush(cx))?;
            self.unflushed = false;
            return Poll::Ready(Ok(()));
        }
        let written = ready!(self.poll_pieces(stream, cx))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.unflushed = true;
        self.advance(written);
        Poll::Ready(Ok(()))
    }

    fn poll_pieces(
        &self,
        stream: &mut dyn ByteStream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.sealed) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        Pin::new(stream).poll_write_vectored(cx, &slices[..count])
    }

    fn advance(&mut self, mut written: usize) {
        self.len -= written;
        while let Some(first) = self.sealed.front_mut() {
            if written < first.len() {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.sealed.pop_front();
        }
    }
}
