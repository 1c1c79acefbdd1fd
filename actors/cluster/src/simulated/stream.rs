//! The ends of simulated connections, and the transport that makes them.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep, sleep_until};

use super::pipe::Found;
use super::world::{Ends, World};
use crate::links::{Acceptor, BoxedStream, Caller, Transport};

pub(super) struct SimulatedTransport {
    world: Arc<Mutex<World>>,
    address: Arc<str>,
}

impl SimulatedTransport {
    pub(super) fn new(world: Arc<Mutex<World>>, address: Arc<str>) -> Self {
        Self { world, address }
    }
}

impl Transport for SimulatedTransport {
    fn connect<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<BoxedStream>> {
        async move {
            let to: Arc<str> = address.into();
            let way = poll_fn(|cx| self.world.lock().poll_way(&self.address, &to, cx)).await;
            if !way.is_zero() {
                sleep(way).await;
            }
            let ends = self.world.lock().connect(&self.address, &to)?;
            Ok(SimulatedStream::new(&self.world, ends).boxed())
        }
        .boxed()
    }

    fn listen(&self) -> BoxFuture<'_, io::Result<Box<dyn Acceptor>>> {
        async move {
            let number = self.world.lock().listen(&self.address)?;
            let (world, address) = (Arc::clone(&self.world), Arc::clone(&self.address));
            Ok(Box::new(SimulatedAcceptor { world, address, number }) as Box<dyn Acceptor>)
        }
        .boxed()
    }
}

struct SimulatedAcceptor {
    world: Arc<Mutex<World>>,
    address: Arc<str>,
    number: u64,
}

impl Acceptor for SimulatedAcceptor {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Caller>> {
        async move {
            let accepted = poll_fn(|cx| {
                let mut world = self.world.lock();
                world.poll_accept(&self.address, self.number, cx)
            });
            let ends = accepted.await?;
            let from = ends.other.to_string();
            let stream = SimulatedStream::new(&self.world, ends);
            Ok(Caller { from, secure: async move { Ok(stream.boxed()) }.boxed() })
        }
        .boxed()
    }

    fn address(&self) -> io::Result<String> {
        Ok(self.address.to_string())
    }
}

impl Drop for SimulatedAcceptor {
    fn drop(&mut self) {
        self.world.lock().close_listener(&self.address, self.number);
    }
}

struct SimulatedStream {
    world: Arc<Mutex<World>>,
    ends: Ends,
    /// Until the next piece arrives.
    arrival: Option<Pin<Box<Sleep>>>,
}

impl SimulatedStream {
    fn new(world: &Arc<Mutex<World>>, ends: Ends) -> Self {
        Self { world: Arc::clone(world), ends, arrival: None }
    }

    fn boxed(self) -> BoxedStream {
        BoxedStream { bytes: Box::new(self), peer: None }
    }
}

impl AsyncRead for SimulatedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let found = this.world.lock().read(this.ends.reads, buffer, cx)?;
            let arrives = match found {
                Found::Now => return Poll::Ready(Ok(())),
                Found::Nothing => return Poll::Pending,
                Found::At(arrives) => arrives,
            };
            let arrival = match &mut this.arrival {
                Some(arrival) if arrival.deadline() == arrives => arrival,
                other => other.insert(Box::pin(sleep_until(arrives))),
            };
            if arrival.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            this.arrival = None;
        }
    }
}

impl AsyncWrite for SimulatedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.world.lock().poll_write(self.ends.writes, bytes, cx)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.world.lock().end(self.ends.writes);
        Poll::Ready(Ok(()))
    }
}

impl Drop for SimulatedStream {
    fn drop(&mut self) {
        self.world.lock().close(&self.ends);
    }
}
