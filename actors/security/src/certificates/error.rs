//! What is wrong with a certificate, or with a request for one.

use std::path::PathBuf;

use crate::error::FileError;

/// Why a certificate was not made, or is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// A file could not be read or written.
    #[error("{0}")]
    Files(String),
    /// An authority is there already; it is as it was.
    #[error(
        "{} holds an authority already: issue certificates with it, or choose another folder. \
         A new authority is another cluster's",
        .folder.display()
    )]
    Exists {
        /// Where.
        folder: PathBuf,
    },
    /// A file holds something else.
    #[error("{}: expected {expected}, got {got}", .path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What should be in it.
        expected: &'static str,
        /// What is.
        got: String,
    },
    /// A name that can't stand in a certificate.
    #[error("`{field}`: expected {expected}, got {got:?}")]
    Request {
        /// The field.
        field: &'static str,
        /// What was expected.
        expected: &'static str,
        /// What came.
        got: String,
    },
    /// The certificate is not one of a node.
    #[error("the certificate names no node: expected synod://CLUSTER/NAME among its names")]
    NoNode,
    /// It belongs to another cluster of the same authority.
    #[error("the certificate of node {name:?} is of the cluster {got:?}, this one is {expected:?}")]
    Cluster {
        /// The node.
        name: String,
        /// This node's cluster.
        expected: String,
        /// The other's.
        got: String,
    },
    /// It can't be used, for instance because it has expired.
    #[error("{0}")]
    Unusable(String),
}

impl From<FileError> for CertificateError {
    fn from(error: FileError) -> Self {
        Self::Files(error.to_string())
    }
}
