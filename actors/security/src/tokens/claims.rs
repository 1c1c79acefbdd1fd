//! What a token says, who asks for one, and who came with one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use synod_runtime::{Principal, PrincipalKind};
use uuid::Uuid;

use crate::roles::{Role, Roles};

/// Who signs: all tokens are the node's own.
pub(super) const ISSUER: &str = "synod";

/// Characters of a name, at most.
const MAX_NAME: usize = 200;
/// Groups of one token, at most.
const MAX_GROUPS: usize = 32;

/// The claims of a token (RFC 7519, section 4), and ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) sub: String,
    pub(super) aud: String,
    /// Seconds since 1970, as are the other times.
    pub(super) exp: i64,
    pub(super) nbf: i64,
    pub(super) iat: i64,
    pub(super) jti: Uuid,
    /// What kind of party the subject is.
    pub(super) kind: PrincipalKind,
    pub(super) roles: Roles,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) groups: Vec<Arc<str>>,
    /// The only node that takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) node: Option<String>,
}

/// Who is to get a token, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// Whose it is: the name that decisions and records carry.
    pub subject: String,
    /// A user, or an agent.
    pub kind: PrincipalKind,
    /// What it may do.
    pub roles: Roles,
    /// Names that approvals know as roles: `finance`, `boss`.
    pub groups: Vec<String>,
    /// The only node that takes it, by name; none: every node of the audience.
    pub node: Option<String>,
    /// For how long it is valid; none: as long as the configuration says.
    pub valid: Option<Duration>,
    /// From when on; none: at once.
    pub not_before: Option<Timestamp>,
}

/// What is wrong with a request for a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`: expected {expected}, got {got}")]
pub struct TokenRequestFault {
    /// The field.
    pub field: &'static str,
    /// What was expected there.
    pub expected: String,
    /// What came.
    pub got: String,
}

impl TokenRequest {
    /// Checks all but the time, which is the store's to limit.
    pub(super) fn check(&self) -> Result<(), TokenRequestFault> {
        let name = |field, name: &str| {
            let length = name.chars().count();
            let plain = name.trim() == name && !name.chars().any(char::is_control);
            let fault = || TokenRequestFault {
                field,
                expected: format!("a name of 1 to {MAX_NAME} characters, no blank at its ends"),
                got: format!("{name:?}"),
            };
            if plain && (1..=MAX_NAME).contains(&length) { Ok(()) } else { Err(fault()) }
        };
        name("subject", &self.subject)?;
        self.groups.iter().try_for_each(|group| name("groups", group))?;
        self.node.iter().try_for_each(|node| name("node", node))?;
        if self.groups.len() > MAX_GROUPS {
            let expected = format!("at most {MAX_GROUPS} groups");
            let got = self.groups.len().to_string();
            return Err(TokenRequestFault { field: "groups", expected, got });
        }
        if self.roles.is_empty() {
            let names: Vec<&str> = Role::ALL.into_iter().map(Role::as_str).collect();
            let expected = format!("at least one of {}", names.join(", "));
            return Err(TokenRequestFault { field: "roles", expected, got: "none".to_owned() });
        }
        if !matches!(self.kind, PrincipalKind::User | PrincipalKind::Agent) {
            let (expected, got) = ("user or agent".to_owned(), format!("{:?}", self.kind));
            return Err(TokenRequestFault { field: "kind", expected, got });
        }
        Ok(())
    }
}

/// Who came with a valid token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Who asks.
    pub principal: Principal,
    /// What they may do.
    pub roles: Roles,
    /// Names that approvals know as roles.
    pub groups: Arc<[Arc<str>]>,
    /// The token's id.
    pub token: Uuid,
    /// From when on it is no longer valid.
    pub expires_at: Timestamp,
}

/// Why a token is not taken. None of these repeats the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRefusal {
    /// It is no token of this form.
    Malformed,
    /// It is not signed with Ed25519.
    Algorithm,
    /// The signature is not of this node's key.
    Signature,
    /// It is too old.
    Expired(Timestamp),
    /// It is not valid yet.
    NotYet(Timestamp),
    /// It is meant for another node or cluster.
    Audience,
    /// It is meant for another node of this one's audience.
    Node,
    /// It was taken back.
    Revoked,
}

impl TokenRefusal {
    /// A word for metrics and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::Signature => "signature",
            Self::Expired(_) => "expired",
            Self::NotYet(_) => "not_yet",
            Self::Audience => "audience",
            Self::Node => "node",
            Self::Revoked => "revoked",
        }
    }
}

impl fmt::Display for TokenRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("the token is not a JSON Web Token of a node"),
            Self::Algorithm => f.write_str("the token is not signed with EdDSA"),
            Self::Signature => f.write_str("the token is not signed with this node's key"),
            Self::Expired(at) => write!(f, "the token expired at {at}"),
            Self::NotYet(at) => write!(f, "the token is not valid before {at}"),
            Self::Audience => f.write_str("the token is meant for another audience"),
            Self::Node => f.write_str("the token is meant for another node"),
            Self::Revoked => f.write_str("the token was revoked"),
        }
    }
}

impl std::error::Error for TokenRefusal {}
