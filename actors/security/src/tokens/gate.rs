//! Judges tokens: the same answer for the same token, time and list. Shared by all connections.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use parking_lot::RwLock;
use synod_runtime::{Principal, PrincipalKind};
use uuid::Uuid;

use super::book::TokenBook;
use super::claims::{Claims, Session, TokenRefusal};
use super::key::TokenKey;
use super::store::TokenStore;

/// Tokens whose signature need not be checked again.
const SEEN: usize = 1_024;

/// Which tokens a node takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateSettings {
    /// The node's name.
    pub node: String,
    /// By how much clocks may differ.
    pub skew: Duration,
}

/// Tells who comes with a token. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TokenGate(Arc<Gate>);

#[derive(Debug)]
struct Gate {
    key: TokenKey,
    audience: String,
    node: String,
    skew: SignedDuration,
    revoked: RwLock<HashSet<Uuid>>,
    /// Claims of tokens whose signature was right.
    seen: RwLock<HashMap<Box<str>, Arc<Seen>>>,
}

#[derive(Debug)]
struct Seen {
    session: Session,
    not_before: Timestamp,
}

impl TokenGate {
    /// A gate for the tokens of `store`, none of them taken back until [`publish`](Self::publish).
    #[must_use]
    pub fn new(store: &TokenStore, settings: GateSettings) -> Self {
        let GateSettings { node, skew } = settings;
        Self(Arc::new(Gate {
            key: store.key().clone(),
            audience: store.audience().to_owned(),
            node,
            skew: SignedDuration::try_from(skew).unwrap_or_default(),
            revoked: RwLock::default(),
            seen: RwLock::default(),
        }))
    }

    /// Takes the list over: what is revoked there is refused from now on.
    pub fn publish(&self, book: &TokenBook) {
        *self.0.revoked.write() = book.revoked();
    }

    /// Whether a token was taken back.
    #[must_use]
    pub fn is_revoked(&self, token: Uuid) -> bool {
        self.0.revoked.read().contains(&token)
    }

    /// Who comes with `token` at `now`.
    ///
    /// # Errors
    /// [`TokenRefusal`], the signature before all else: of a foreign token nothing is believed.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Session, TokenRefusal> {
        let known = self.0.seen.read().get(token).cloned();
        let seen = match known {
            Some(seen) => seen,
            None => self.open(token)?,
        };
        let Seen { session, not_before } = &*seen;
        let skew = self.0.skew;
        if now.saturating_sub(skew).unwrap_or(now) >= session.expires_at {
            return Err(TokenRefusal::Expired(session.expires_at));
        }
        if now.saturating_add(skew).unwrap_or(now) < *not_before {
            return Err(TokenRefusal::NotYet(*not_before));
        }
        if self.is_revoked(session.token) {
            return Err(TokenRefusal::Revoked);
        }
        Ok(session.clone())
    }

    /// Time for which a session lasts, if nobody takes its token back.
    #[must_use]
    pub fn left(&self, session: &Session, now: Timestamp) -> Duration {
        let until = session.expires_at.saturating_add(self.0.skew).unwrap_or(session.expires_at);
        Duration::try_from(until.duration_since(now)).unwrap_or_default()
    }

    fn open(&self, token: &str) -> Result<Arc<Seen>, TokenRefusal> {
        let claims = self.0.key.open(token, &self.0.audience)?;
        if claims.node.as_ref().is_some_and(|node| *node != self.0.node) {
            return Err(TokenRefusal::Node);
        }
        let seen = Arc::new(understood(claims).ok_or(TokenRefusal::Malformed)?);
        let mut all = self.0.seen.write();
        // Who has a thousand tokens in use pays for a signature now and then.
        if all.len() >= SEEN {
            all.clear();
        }
        all.insert(token.into(), Arc::clone(&seen));
        Ok(seen)
    }
}

fn understood(claims: Claims) -> Option<Seen> {
    let principal = match claims.kind {
        PrincipalKind::User => Principal::user(claims.sub),
        PrincipalKind::Agent => Principal::agent(claims.sub),
        PrincipalKind::Node | PrincipalKind::Anonymous => return None,
    };
    let session = Session {
        principal,
        roles: claims.roles,
        groups: claims.groups.into(),
        token: claims.jti,
        expires_at: Timestamp::from_second(claims.exp).ok()?,
    };
    Some(Seen { session, not_before: Timestamp::from_second(claims.nbf).ok()? })
}
