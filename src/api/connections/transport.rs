//! What connections go over: TCP alone, or TLS on top of it.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The transport of a listener.
#[derive(Clone)]
pub(super) enum Transport {
    /// Plain TCP.
    Plain {
        /// The time that a handshake would have.
        within: Duration,
    },
    /// TLS.
    Tls(Tls),
}

/// TLS, and the time in which its handshake must be done.
#[derive(Clone)]
pub(super) struct Tls {
    acceptor: TlsAcceptor,
    within: Duration,
}

impl Transport {
    /// TLS as `tls` says; plain TCP without it. A handshake may take `within`.
    pub(super) fn new(tls: Option<Arc<ServerConfig>>, within: Duration) -> Self {
        match tls {
            Some(tls) => Self::Tls(Tls { acceptor: tls.into(), within }),
            None => Self::Plain { within },
        }
    }

    /// Another transport with the same time for handshakes.
    pub(super) fn with(self, tls: Option<Arc<ServerConfig>>) -> Self {
        let (Self::Plain { within } | Self::Tls(Tls { within, .. })) = self;
        Self::new(tls, within)
    }

    /// Whether it is plain TCP.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self, Self::Plain { .. })
    }
}

impl Tls {
    /// The stream after the handshake; none when the client does not complete it.
    pub(super) async fn shake_hands(&self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        let why = match tokio::time::timeout(self.within, self.acceptor.accept(stream)).await {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(why)) => why.to_string(),
            Err(_) => "it took too long".to_owned(),
        };
        metrics::counter!("synod_http_handshakes_failed_total").increment(1);
        tracing::debug!(why, "a TLS handshake failed");
        None
    }
}
