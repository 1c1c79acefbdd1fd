//! The seam below links: how bytes get to another node.

use std::io;

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

/// How connections are made: TCP, TLS over TCP, or [simulated](crate::simulated).
pub trait Transport: Send + Sync + 'static {
    /// Connects to `address` (`host:port`). The caller sets the deadline.
    fn connect<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<BoxedStream>>;

    /// Begins to listen where this node is to be reached.
    fn listen(&self) -> BoxFuture<'_, io::Result<Box<dyn Acceptor>>>;
}

/// Where others' connections arrive.
pub trait Acceptor: Send + 'static {
    /// The next connection, not yet secured. Safe to drop and call again.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Caller>>;

    /// Where it listens: `host:port`.
    fn address(&self) -> io::Result<String>;
}

/// A connection that has arrived: from which address, and how it becomes a stream. What TLS says
/// first happens in `secure`, so that a silent caller holds up nobody but itself.
pub struct Caller {
    /// Where it comes from, for logs.
    pub from: String,
    /// Secures the connection.
    pub secure: BoxFuture<'static, io::Result<BoxedStream>>,
}

/// What carries bytes both ways.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// A connection, and who its other end is according to its certificate.
pub struct BoxedStream {
    /// The bytes.
    pub bytes: Box<dyn ByteStream>,
    /// The name of the node in the certificate of the other end; none without TLS.
    pub peer: Option<String>,
}

impl std::fmt::Debug for BoxedStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BoxedStream").field("peer", &self.peer).finish_non_exhaustive()
    }
}
