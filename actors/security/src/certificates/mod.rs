//! Certificates: a private authority for a cluster, certificates of its nodes, and the TLS that
//! they make possible.
//!
//! ```text
//! Authority (authority.pem, authority.key) ─▶ issue ─▶ node.pem, node.key, authority.pem
//! NodeTls   (node.pem, node.key, authority.pem)  links: TLS 1.3 alone, both ends show theirs
//! http_tls  (any certificate and its key)        the API: TLS 1.2 and 1.3, callers bring tokens
//! ```
//!
//! A node is known by its name and its cluster, `synod://CLUSTER/NAME` among the alternative names
//! of its certificate (a URI as in SPIFFE), and not by the host it runs on. Never: a peer whose
//! certificate has expired, is of another authority, or of another cluster of the same authority.

mod authority;
mod error;
mod http;
mod identity;
mod node_tls;
mod pem;
#[cfg(test)]
mod tests;
mod verifier;

pub use authority::{Authority, NodeFiles, NodeRequest};
pub use error::CertificateError;
pub use http::http_tls;
pub use identity::{NodeIdentity, peer_name};
pub use node_tls::{NodeTls, explain};
