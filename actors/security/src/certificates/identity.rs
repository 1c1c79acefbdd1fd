//! Who a certificate is of: `synod://CLUSTER/NAME` among its alternative names.

use std::fmt;

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::error::CertificateError;

/// How the URI begins.
const SCHEME: &str = "synod://";

/// A node, as its certificate names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeIdentity {
    /// The cluster that its authority speaks for.
    pub cluster: String,
    /// Its name, unique in the cluster.
    pub name: String,
}

impl NodeIdentity {
    /// An identity of these names.
    ///
    /// # Errors
    /// [`CertificateError::Request`] when one is not 1 to 63 bytes of `[a-z0-9-]`.
    pub fn new(cluster: &str, name: &str) -> Result<Self, CertificateError> {
        for (field, given) in [("cluster", cluster), ("name", name)] {
            if !is_label(given) {
                let (expected, got) = ("1 to 63 of a-z, 0-9 and `-`", given.to_owned());
                return Err(CertificateError::Request { field, expected, got });
            }
        }
        Ok(Self { cluster: cluster.to_owned(), name: name.to_owned() })
    }

    /// Who the certificate is of.
    ///
    /// # Errors
    /// [`CertificateError::NoNode`] when it names none, or more than one.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, CertificateError> {
        let names = uris(certificate).ok_or(CertificateError::NoNode)?;
        let mut nodes = names.iter().filter_map(|uri| {
            let (cluster, name) = uri.strip_prefix(SCHEME)?.split_once('/')?;
            Self::new(cluster, name).ok()
        });
        match (nodes.next(), nodes.next()) {
            (Some(one), None) => Ok(one),
            _ => Err(CertificateError::NoNode),
        }
    }
}

impl fmt::Display for NodeIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.cluster, self.name)
    }
}

/// The name of the node at the other end, of the certificates that it showed: its own comes first.
#[must_use]
pub fn peer_name(certificates: &[CertificateDer<'_>]) -> Option<String> {
    NodeIdentity::of(certificates.first()?).ok().map(|identity| identity.name)
}

/// The cluster that the certificate of an authority speaks for.
pub(super) fn cluster_of(certificate: &CertificateDer<'_>) -> Option<String> {
    let names = uris(certificate)?;
    let mut clusters = names.iter().filter_map(|uri| uri.strip_prefix(SCHEME));
    clusters.next().filter(|cluster| is_label(cluster)).map(str::to_owned)
}

/// How the certificate of an authority names its cluster.
pub(super) fn cluster_uri(cluster: &str) -> String {
    format!("{SCHEME}{cluster}")
}

fn uris(certificate: &CertificateDer<'_>) -> Option<Vec<String>> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let names = parsed.subject_alternative_name().ok()??;
    let uris = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => Some((*uri).to_owned()),
        _ => None,
    });
    Some(uris.collect())
}

fn is_label(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(fits)
}
