//! TLS of links between nodes: 1.3 alone, and both ends show a certificate of the cluster.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::TLS13;
use rustls::{
    AlertDescription, CertificateError as Tls, ClientConfig, Error, RootCertStore, ServerConfig,
};

use super::authority::NodeFiles;
use super::error::CertificateError;
use super::identity::NodeIdentity;
use super::pem;
use super::verifier::ClusterVerifier;

/// What both ends must say that they speak (ALPN, RFC 7301): no browser gets here by accident.
const PROTOCOL: &[u8] = b"synod-link/1";

/// The name that TLS asks for; peers are told apart by certificate, not by host.
const ANY_NODE: &str = "node.synod";

/// The two configurations of a node's links, for `tokio_rustls`. Cheap to clone.
#[derive(Debug, Clone)]
pub struct NodeTls {
    pub(super) client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    identity: NodeIdentity,
}

impl NodeTls {
    /// Reads `node.pem`, `node.key` and `authority.pem`, and checks that they fit at `now`.
    ///
    /// # Errors
    /// [`CertificateError`] says which file is wrong, or that the certificate has expired or is of
    /// another authority.
    pub fn load(folder: &Path, now: Timestamp) -> Result<Self, CertificateError> {
        let [certificate, key, authority] = NodeFiles::paths(folder);
        let (chain, key) = (pem::certificates(&certificate)?, pem::key(&key)?);
        let identity = NodeIdentity::of(&chain[0])?;
        let provider = Arc::new(ring::default_provider());
        let roots = roots(&authority)?;
        let verifier = ClusterVerifier::new(identity.cluster.clone(), roots, &provider)?;
        let verifier = Arc::new(verifier);
        let own = verifier.check(&chain[0], &chain[1..], unix(now));
        own.map_err(|why| {
            let (path, why) = (certificate.display(), explain(&why));
            CertificateError::Unusable(format!("{path}: {why}"))
        })?;
        let server = server(&provider, &verifier, chain.clone(), key.clone_key());
        let client = client(&provider, &verifier, chain, key);
        let unusable = |why: Error| CertificateError::Unusable(explain(&why));
        Ok(Self {
            client: Arc::new(client.map_err(unusable)?),
            server: Arc::new(server.map_err(unusable)?),
            identity,
        })
    }

    /// For links that this node opens.
    #[must_use]
    pub fn client(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.client)
    }

    /// For links that this node accepts.
    #[must_use]
    pub fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }

    /// Who this node is.
    #[must_use]
    pub fn identity(&self) -> &NodeIdentity {
        &self.identity
    }

    /// The name to connect with, whatever the address of the peer is.
    #[must_use]
    pub fn server_name() -> ServerName<'static> {
        let fallback = || ServerName::IpAddress(std::net::Ipv4Addr::LOCALHOST.into());
        ServerName::try_from(ANY_NODE).unwrap_or_else(|_| fallback())
    }
}

type Chain = Vec<CertificateDer<'static>>;
type Key = rustls::pki_types::PrivateKeyDer<'static>;

fn server(
    provider: &Arc<CryptoProvider>,
    verifier: &Arc<ClusterVerifier>,
    chain: Chain,
    key: Key,
) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::clone(verifier) as _)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    // A ticket would let a peer in again after its certificate has ended.
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn client(
    provider: &Arc<CryptoProvider>,
    verifier: &Arc<ClusterVerifier>,
    chain: Chain,
    key: Key,
) -> Result<ClientConfig, Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(verifier) as _)
        .with_client_auth_cert(chain, key)?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

fn roots(path: &Path) -> Result<RootCertStore, CertificateError> {
    let mut roots = RootCertStore::empty();
    for certificate in pem::certificates(path)? {
        let added = roots.add(certificate);
        added.map_err(|why| pem::fault(path, "certificates of authorities", why.to_string()))?;
    }
    Ok(roots)
}

fn unix(now: Timestamp) -> UnixTime {
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
}

/// Why a handshake failed, in words that say what to do.
#[must_use]
pub fn explain(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(Tls::Expired | Tls::ExpiredContext { .. }) => {
            "the certificate has expired: issue a new one with `synod cluster certificates issue`"
                .to_owned()
        }
        Error::InvalidCertificate(Tls::NotValidYet | Tls::NotValidYetContext { .. }) => {
            "the certificate is not valid yet: are the clocks of both nodes right?".to_owned()
        }
        Error::InvalidCertificate(Tls::UnknownIssuer | Tls::BadSignature) => {
            "the certificate is of another authority: both nodes need one of the same".to_owned()
        }
        Error::InvalidCertificate(Tls::Other(why)) => why.to_string(),
        Error::NoCertificatesPresented => "the other end shows no certificate".to_owned(),
        Error::PeerIncompatible(_) => "the other end does not speak TLS 1.3".to_owned(),
        Error::NoApplicationProtocol => "the other end is no node of Synod".to_owned(),
        Error::AlertReceived(alert) => refused(*alert),
        other => other.to_string(),
    }
}

fn refused(alert: AlertDescription) -> String {
    let why = match alert {
        AlertDescription::CertificateExpired => "has expired",
        AlertDescription::UnknownCA | AlertDescription::DecryptError => "is of another authority",
        AlertDescription::CertificateRequired => "is missing",
        AlertDescription::NoApplicationProtocol => return "the other end is no node".to_owned(),
        _ => "is not taken there",
    };
    format!("the other end refused: this node's certificate {why} ({alert:?})")
}
