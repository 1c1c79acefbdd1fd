//! The private authority of a cluster: ECDSA P-256, as every TLS library knows it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use time::OffsetDateTime;

use super::error::CertificateError;
use super::identity::{NodeIdentity, cluster_of, cluster_uri};
use super::pem;
use crate::files;

/// The files of an authority, and those of a node.
const AUTHORITY: &str = "authority.pem";
const AUTHORITY_KEY: &str = "authority.key";
const NODE: &str = "node.pem";
const NODE_KEY: &str = "node.key";

/// Certificates begin a little earlier than now: the clock of who checks may be behind.
const BEFORE: i64 = 300;

/// Issues certificates to the nodes of one cluster.
#[derive(Debug)]
pub struct Authority {
    cluster: String,
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// Which node gets a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRequest {
    /// Its name, unique in the cluster: 1 to 63 of `[a-z0-9-]`.
    pub name: String,
    /// Host names and IP addresses of the node, for those who reach its API by them.
    pub addresses: Vec<String>,
    /// For how long the certificate is valid.
    pub valid: Duration,
}

/// What a node needs, as PEM.
#[derive(Clone)]
pub struct NodeFiles {
    /// Its certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
    /// The authority that its peers must have a certificate of.
    pub authority: String,
    /// When the certificate ends.
    pub expires_at: Timestamp,
}

impl Authority {
    /// Makes the authority of `cluster` and writes it to `folder`.
    ///
    /// # Errors
    /// [`CertificateError`]; one that is there is never replaced.
    pub fn init(
        folder: &Path,
        cluster: &str,
        valid: Duration,
        now: Timestamp,
    ) -> Result<Self, CertificateError> {
        // Its name must fit where those of nodes do.
        NodeIdentity::new(cluster, "x")?;
        files::make_folder(folder)?;
        let (certificate_path, key_path) = (folder.join(AUTHORITY), folder.join(AUTHORITY_KEY));
        if certificate_path.exists() || key_path.exists() {
            return Err(CertificateError::Exists { folder: folder.to_owned() });
        }
        let key = KeyPair::generate().map_err(not_made)?;
        let mut params = params(&format!("Synod authority of {cluster}"), valid, now)?;
        params.subject_alt_names = vec![uri(&cluster_uri(cluster))?];
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(not_made)?.pem();
        files::create(&key_path, key.serialize_pem().as_bytes(), 0o600)?;
        files::create(&certificate_path, certificate.as_bytes(), 0o644)?;
        let cluster = cluster.to_owned();
        Ok(Self { cluster, certificate, issuer: Issuer::new(params, key) })
    }

    /// Reads the authority in `folder`.
    ///
    /// # Errors
    /// [`CertificateError`] names the file.
    pub fn load(folder: &Path) -> Result<Self, CertificateError> {
        let (certificate_path, key_path) = (folder.join(AUTHORITY), folder.join(AUTHORITY_KEY));
        let der = pem::certificates(&certificate_path)?.swap_remove(0);
        let certificate = files::read(&certificate_path)?;
        let expected = "the certificate of an authority that synod made";
        let fault = |got: String| pem::fault(&certificate_path, expected, got);
        let cluster = cluster_of(&der).ok_or_else(|| fault("one without a cluster".into()))?;
        let wrong_key = |why: rcgen::Error| {
            pem::fault(&key_path, "the private key of the authority", why.to_string())
        };
        let key = KeyPair::from_pem(&files::read(&key_path)?).map_err(wrong_key)?;
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(|why| fault(why.to_string()))?;
        Ok(Self { cluster, certificate, issuer })
    }

    /// The cluster it speaks for.
    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// Its certificate (PEM): what clients give as `--ca`.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Makes a key and a certificate for a node.
    ///
    /// # Errors
    /// [`CertificateError`] names the part of the request that is wrong.
    pub fn issue(
        &self,
        request: &NodeRequest,
        now: Timestamp,
    ) -> Result<NodeFiles, CertificateError> {
        let identity = NodeIdentity::new(&self.cluster, &request.name)?;
        let key = KeyPair::generate().map_err(not_made)?;
        let mut params = params(&request.name, request.valid, now)?;
        let addresses: Result<Vec<_>, _> = request.addresses.iter().map(|a| address(a)).collect();
        params.subject_alt_names = addresses?;
        params.subject_alt_names.push(uri(&identity.to_string())?);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer).map_err(not_made)?;
        Ok(NodeFiles {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            authority: self.certificate.clone(),
            expires_at: Timestamp::from_second(params.not_after.unix_timestamp()).unwrap_or(now),
        })
    }
}

impl NodeFiles {
    /// Writes `node.pem`, `node.key` and `authority.pem`; what was there is replaced.
    ///
    /// # Errors
    /// [`CertificateError`] names the file.
    pub fn write(&self, folder: &Path) -> Result<[PathBuf; 3], CertificateError> {
        files::make_folder(folder)?;
        let paths = [NODE, NODE_KEY, AUTHORITY].map(|name| folder.join(name));
        files::replace(&paths[1], self.key.as_bytes(), 0o600)?;
        files::replace(&paths[0], self.certificate.as_bytes(), 0o644)?;
        files::replace(&paths[2], self.authority.as_bytes(), 0o644)?;
        Ok(paths)
    }

    /// Where [`write`](Self::write) puts certificate, key and authority.
    #[must_use]
    pub fn paths(folder: &Path) -> [PathBuf; 3] {
        [NODE, NODE_KEY, AUTHORITY].map(|name| folder.join(name))
    }
}

fn params(
    name: &str,
    valid: Duration,
    now: Timestamp,
) -> Result<CertificateParams, CertificateError> {
    let mut params = CertificateParams::new(Vec::new()).map_err(not_made)?;
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, name);
    let valid_s = i64::try_from(valid.as_secs()).unwrap_or(i64::MAX);
    let end = now.as_second().saturating_add(valid_s);
    let moment = |seconds| {
        OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| CertificateError::Request {
            field: "valid",
            expected: "an end before the year 10000",
            got: format!("{valid_s} s"),
        })
    };
    params.not_before = moment(now.as_second().saturating_sub(BEFORE))?;
    params.not_after = moment(end)?;
    Ok(params)
}

fn address(text: &str) -> Result<SanType, CertificateError> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(ip));
    }
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    let fits = (1..=253).contains(&text.len()) && text.bytes().all(is_host);
    let name = Ia5String::try_from(text).ok().filter(|_| fits);
    name.map(SanType::DnsName).ok_or_else(|| CertificateError::Request {
        field: "address",
        expected: "a host name or an IP address, without scheme and port",
        got: text.to_owned(),
    })
}

fn uri(text: &str) -> Result<SanType, CertificateError> {
    Ia5String::try_from(text).map(SanType::URI).map_err(not_made)
}

fn not_made(why: rcgen::Error) -> CertificateError {
    CertificateError::Unusable(format!("the certificate could not be made: {why}"))
}
