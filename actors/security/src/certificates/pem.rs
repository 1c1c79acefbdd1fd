//! Certificates and keys from PEM files (RFC 7468).

use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::error::CertificateError;
use crate::files;

/// The certificates of a file, at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let text = files::read(path)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match read {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(fault(path, "certificates (PEM)", "none".to_owned())),
        Err(error) => Err(fault(path, "certificates (PEM)", error.to_string())),
    }
}

/// The private key of a file.
pub(super) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let text = files::read(path)?;
    PrivateKeyDer::from_pem_slice(text.as_bytes())
        .map_err(|error| fault(path, "a private key (PEM)", error.to_string()))
}

/// A file that holds something else.
pub(super) fn fault(path: &Path, expected: &'static str, got: String) -> CertificateError {
    CertificateError::Content { path: path.to_owned(), expected, got }
}
