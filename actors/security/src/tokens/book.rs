//! The list of tokens that were issued and have not expired, with those that were taken back.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use synod_runtime::PrincipalKind;
use uuid::Uuid;

use crate::roles::Roles;

/// What is kept of a token: never the token itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// Its id (`jti`).
    pub id: Uuid,
    /// Whose it is.
    pub subject: String,
    /// A user, or an agent.
    pub kind: PrincipalKind,
    /// What it may do.
    pub roles: Roles,
    /// Names that approvals know as roles.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The only node that takes it.
    #[serde(default)]
    pub node: Option<String>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// From when on it is valid.
    pub not_before: Timestamp,
    /// From when on it is no longer valid.
    pub expires_at: Timestamp,
    /// When it was taken back.
    #[serde(default)]
    pub revoked_at: Option<Timestamp>,
}

/// The list, by id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenBook {
    #[serde(default)]
    tokens: BTreeMap<Uuid, TokenRecord>,
}

impl TokenBook {
    /// Adds a token.
    pub(super) fn add(&mut self, record: TokenRecord) {
        self.tokens.insert(record.id, record);
    }

    /// Takes a token back; its record when it is known. Doing so again changes nothing.
    pub(super) fn revoke(&mut self, id: Uuid, now: Timestamp) -> Option<TokenRecord> {
        let record = self.tokens.get_mut(&id)?;
        record.revoked_at.get_or_insert(now);
        Some(record.clone())
    }

    /// Forgets what nobody takes any more. `kept_until` is late enough for every clock.
    pub(super) fn forget_expired(&mut self, kept_until: Timestamp) {
        self.tokens.retain(|_, record| record.expires_at >= kept_until);
    }

    /// Tokens that are on the list.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// All of them, the one issued last first.
    #[must_use]
    pub fn records(&self) -> Vec<TokenRecord> {
        let mut records: Vec<TokenRecord> = self.tokens.values().cloned().collect();
        records.sort_by_key(|record| std::cmp::Reverse((record.issued_at, record.id)));
        records
    }

    /// Those that were taken back.
    #[must_use]
    pub fn revoked(&self) -> HashSet<Uuid> {
        let revoked = self.tokens.values().filter(|record| record.revoked_at.is_some());
        revoked.map(|record| record.id).collect()
    }
}
