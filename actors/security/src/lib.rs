//! Identity: certificates of nodes, tokens of callers, roles and what they may do.
//!
//! ```text
//! people, programs ── token ──▶ TokenGate ─▶ Session ─▶ decide(roles, permission) ─▶ the API
//! nodes ────────── certificate ─▶ NodeTls ─▶ NodeIdentity                         ─▶ links
//! TokenActor ("tokens") keeps the list of tokens; Attempts limits those who fail
//! ```
//!
//! Never: a secret in a log or an answer, a file with a secret that others can read, a decision
//! about a token before its signature is checked, a clock that is not told.

mod actor;
mod attempts;
mod certificates;
mod config;
mod error;
mod files;
mod messages;
mod roles;
mod tokens;

pub use actor::TokenActor;
pub use attempts::{AttemptLimits, Attempts, Verdict};
pub use certificates::{
    Authority, CertificateError, NodeFiles, NodeIdentity, NodeRequest, NodeTls, explain, http_tls,
    peer_name,
};
pub use config::SecurityConfig;
pub use error::FileError;
pub use messages::{IssueToken, ListTokens, Reread, RevokeToken, TokensMessage};
pub use roles::{NoSuchRole, Permission, Role, Roles, TooSmall, decide};
pub use tokens::{
    GateSettings, IssuedToken, Session, StoreLimits, TokenBook, TokenError, TokenGate, TokenRecord,
    TokenRefusal, TokenRequest, TokenRequestFault, TokenStore,
};
