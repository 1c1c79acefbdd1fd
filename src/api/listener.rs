//! The node's socket. It is opened before the tree starts and outlives the server's incarnations: a
//! crash of the server loses neither the port nor the connections that wait in its backlog.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use rustix::process::{Resource, getrlimit};
use rustls::ServerConfig;

use super::config::{ApiConfig, TlsSection};
use super::error::ApiError;

/// File descriptors the node needs beside its connections: journal, agents, standard streams.
const OTHER_FILES: u64 = 64;

/// A bound, listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
}

impl Listener {
    /// Opens the socket that the configuration asks for.
    ///
    /// # Errors
    /// [`ApiError`] with the address and what to do.
    pub fn bind(config: &ApiConfig) -> Result<Self, ApiError> {
        warn_of_few_files(config.max_connections as u64);
        let TlsSection { certificate, key } = &config.tls;
        let tls = config.tls.is_on().then(|| synod_security::http_tls(certificate, key));
        let tls = tls.transpose().map_err(ApiError::Tls)?;
        let address = config.listen;
        let refused = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => ApiError::PortInUse { address },
            _ => ApiError::Bind { address, source },
        };
        let socket = TcpListener::bind(address).map_err(refused)?;
        socket.set_nonblocking(true).map_err(refused)?;
        let address = socket.local_addr().map_err(refused)?;
        Ok(Self { socket, address, tls })
    }

    /// Where it listens, with the port that was taken when 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where clients find it: `http://127.0.0.1:7966`.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The TLS that clients are to speak, if any.
    pub(super) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.tls.clone()
    }

    /// A handle for one incarnation of the server.
    pub(super) fn handle(&self) -> io::Result<tokio::net::TcpListener> {
        tokio::net::TcpListener::from_std(self.socket.try_clone()?)
    }
}

/// Says at the start what else would show under load: connections that can't be accepted.
fn warn_of_few_files(max_connections: u64) {
    let needed = max_connections.saturating_add(OTHER_FILES);
    // Without a limit there is nothing to warn of.
    if let Some(limit) = getrlimit(Resource::Nofile).current.filter(|limit| *limit < needed) {
        tracing::warn!(
            limit,
            needed,
            "fewer file descriptors than http.max_connections asks for: raise `ulimit -n`"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_named_with_what_to_do() {
        let first =
            Listener::bind(&ApiConfig { listen: ([127, 0, 0, 1], 0).into(), ..Default::default() });
        let taken = first.as_ref().unwrap().address();
        let second = Listener::bind(&ApiConfig { listen: taken, ..Default::default() });
        let text = second.unwrap_err().to_string();
        assert!(text.contains(&taken.to_string()) && text.contains("http.listen"), "{text}");
    }
}
