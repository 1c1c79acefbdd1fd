//! Bearer tokens: JSON Web Tokens (RFC 7519), signed with Ed25519 (RFC 8037), short-lived.
//!
//! ```text
//! TokenStore (the folder: key, list of tokens) ─▶ issue, revoke, list
//! TokenGate  (public key, revoked ids)         ─▶ verify: a session, or why not
//! ```
//!
//! Never: an algorithm that the token chooses, a token without end, audience or id, one that was
//! revoked, a secret in a log.

mod book;
mod claims;
mod gate;
mod key;
mod signatures;
mod store;
#[cfg(test)]
mod tests;

pub use book::{TokenBook, TokenRecord};
pub use claims::{Session, TokenRefusal, TokenRequest, TokenRequestFault};
pub use gate::{GateSettings, TokenGate};
pub use store::{IssuedToken, StoreLimits, TokenError, TokenStore};
