//! Why the HTTP side could not start.

use std::io;
use std::net::SocketAddr;

use synod_security::CertificateError;

/// The node has no listener; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Another program, or another node, holds the port.
    #[error(
        "{address} is in use: stop what listens there (`ss -ltnp` names it), or choose another \
         port with http.listen (0 takes a free one)"
    )]
    PortInUse {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// The certificate or its key can't be used.
    #[error("TLS can't be served: {0}; mend http.tls.certificate and http.tls.key")]
    Tls(CertificateError),
    /// The system did not give the address for another reason.
    #[error("can't listen on {address}: {source}; choose another address with http.listen")]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}
