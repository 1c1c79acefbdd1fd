//! TLS of the API: callers know the node by host name, the node knows callers by token.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;

use super::error::CertificateError;
use super::pem;

/// The configuration of a listener with this certificate (a chain, its own first) and its key.
///
/// # Errors
/// [`CertificateError`] says which file is wrong, or that the two don't belong together.
pub fn http_tls(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, CertificateError> {
    let (chain, key) = (pem::certificates(certificate)?, pem::key(key)?);
    let unusable = |why: rustls::Error| {
        let path = certificate.display();
        CertificateError::Unusable(format!("{path}: can't be served: {why}"))
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
