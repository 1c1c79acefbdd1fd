//! Links over TCP: with mutual TLS, or in plain text between two ends on one machine.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::{Mutex, RwLock};
use synod_security::{NodeTls, explain, peer_name};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio_rustls::rustls::{self, CommonState};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::transport::{Acceptor, BoxedStream, Caller, Transport};
use crate::wire::RefusalCode;

/// Connections over TCP.
pub struct TcpTransport {
    /// Where it listens; the port is the real one.
    listens: SocketAddr,
    /// The first listener, until it is asked for.
    bound: Mutex<Option<TcpListener>>,
    /// None of plain text.
    tls: Option<Arc<RwLock<NodeTls>>>,
}

impl TcpTransport {
    /// Listens at `address` (`host:port`; port 0 takes a free one) with mutual TLS.
    ///
    /// # Errors
    /// What the operating system says.
    pub async fn secured(address: &str, tls: NodeTls) -> io::Result<Self> {
        Self::bind(address, Some(Arc::new(RwLock::new(tls)))).await
    }

    /// Listens at `address` in plain text. Nobody is authenticated, so both ends must be on this
    /// machine.
    ///
    /// # Errors
    /// [`io::ErrorKind::PermissionDenied`] beyond loopback; else what the operating system says.
    pub async fn plain(address: &str) -> io::Result<Self> {
        for resolved in lookup_host(address).await? {
            require_loopback(resolved)?;
        }
        Self::bind(address, None).await
    }

    async fn bind(address: &str, tls: Option<Arc<RwLock<NodeTls>>>) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let listens = listener.local_addr()?;
        Ok(Self { listens, bound: Mutex::new(Some(listener)), tls })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listens
    }

    /// Uses another certificate for connections from now on. False in plain text.
    pub fn renew(&self, tls: NodeTls) -> bool {
        let Some(current) = &self.tls else { return false };
        *current.write() = tls;
        true
    }
}

impl std::fmt::Debug for TcpTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TcpTransport")
            .field("listens", &self.listens)
            .field("is_secured", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

impl Transport for TcpTransport {
    fn connect<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<BoxedStream>> {
        let Some(tls) = &self.tls else { return connect_plain(address).boxed() };
        let connector = TlsConnector::from(tls.read().client());
        async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let stream = connector.connect(NodeTls::server_name(), stream).await?;
            let peer = named(stream.get_ref().1)?;
            Ok(BoxedStream { bytes: Box::new(stream), peer: Some(peer) })
        }
        .boxed()
    }

    fn listen(&self) -> BoxFuture<'_, io::Result<Box<dyn Acceptor>>> {
        async move {
            let bound = self.bound.lock().take();
            let listener = match bound {
                Some(listener) => listener,
                None => TcpListener::bind(self.listens).await?,
            };
            let tls = self.tls.clone();
            Ok(Box::new(TcpAcceptor { listener, tls }) as Box<dyn Acceptor>)
        }
        .boxed()
    }
}

async fn connect_plain(address: &str) -> io::Result<BoxedStream> {
    let mut found = None;
    for resolved in lookup_host(address).await? {
        require_loopback(resolved)?;
        found = found.or(Some(resolved));
    }
    let nobody = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let stream = TcpStream::connect(found.ok_or_else(nobody)?).await?;
    stream.set_nodelay(true)?;
    Ok(BoxedStream { bytes: Box::new(stream), peer: None })
}

fn require_loopback(address: SocketAddr) -> io::Result<()> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    let reason = format!("{address} is not on this machine, and plain text is for loopback alone");
    Err(io::Error::new(io::ErrorKind::PermissionDenied, reason))
}

struct TcpAcceptor {
    listener: TcpListener,
    tls: Option<Arc<RwLock<NodeTls>>>,
}

impl Acceptor for TcpAcceptor {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Caller>> {
        async move {
            let (stream, from) = self.listener.accept().await?;
            let tls = self.tls.as_ref().map(|tls| TlsAcceptor::from(tls.read().server()));
            let secure = secure(stream, from, tls).boxed();
            // The port is another one each time.
            Ok(Caller { from: from.ip().to_string(), secure })
        }
        .boxed()
    }

    fn address(&self) -> io::Result<String> {
        Ok(self.listener.local_addr()?.to_string())
    }
}

async fn secure(
    stream: TcpStream,
    from: SocketAddr,
    tls: Option<TlsAcceptor>,
) -> io::Result<BoxedStream> {
    stream.set_nodelay(true)?;
    let Some(tls) = tls else {
        require_loopback(from)?;
        return Ok(BoxedStream { bytes: Box::new(stream), peer: None });
    };
    let stream = tls.accept(stream).await?;
    let peer = named(stream.get_ref().1)?;
    Ok(BoxedStream { bytes: Box::new(stream), peer: Some(peer) })
}

/// Who the other end is. Both ends demand certificates, so there is one.
fn named(session: &CommonState) -> io::Result<String> {
    let name = session.peer_certificates().and_then(peer_name);
    name.ok_or_else(|| io::Error::other(rustls::Error::NoCertificatesPresented))
}

/// What an error says of certificates and of TLS, if it is about them.
pub(super) fn refusal_in(error: &io::Error) -> Option<(RefusalCode, String)> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let code = match error {
        rustls::Error::InvalidCertificate(_)
        | rustls::Error::NoCertificatesPresented
        | rustls::Error::AlertReceived(_) => RefusalCode::Certificate,
        _ => RefusalCode::Malformed,
    };
    Some((code, explain(error)))
}
