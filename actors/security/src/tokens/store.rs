//! The folder `security` of a node's data: the key that signs, and the list of tokens. A node and
//! commands may use it at a time; each change is made under a lock and replaces the list as a
//! whole. All of it blocks.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use ring::rand::{SecureRandom, SystemRandom};
use uuid::Uuid;

use super::book::{TokenBook, TokenRecord};
use super::claims::{Claims, ISSUER, TokenRequest, TokenRequestFault};
use super::key::TokenKey;
use crate::config::SecurityConfig;
use crate::error::FileError;
use crate::files::{self, FolderLock};

/// How long an expired token stays on the list: no two clocks differ by more.
const KEPT: SignedDuration = SignedDuration::from_hours(1);

/// How many tokens there may be, and for how long they are valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreLimits {
    /// Tokens that are on the list at a time.
    pub tokens: usize,
    /// For how long a token is valid that says nothing.
    pub valid: Duration,
    /// For how long one may be valid.
    pub most: Duration,
}

impl From<&SecurityConfig> for StoreLimits {
    fn from(config: &SecurityConfig) -> Self {
        Self {
            tokens: config.max_tokens,
            valid: Duration::from_secs(config.token_s),
            most: Duration::from_secs(config.max_token_s),
        }
    }
}

/// Issues tokens, takes them back, and lists them.
#[derive(Debug, Clone)]
pub struct TokenStore {
    folder: PathBuf,
    audience: String,
    limits: StoreLimits,
    key: TokenKey,
}

/// A new token. The only moment at which its text is known.
#[derive(Debug, Clone)]
pub struct IssuedToken {
    /// What is sent as `Authorization: Bearer …`.
    pub token: String,
    /// What is kept of it.
    pub record: TokenRecord,
}

/// Why a token was not issued or taken back; the list is as it was.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The request is wrong.
    #[error(transparent)]
    Request(#[from] TokenRequestFault),
    /// As many tokens are valid as may be.
    #[error(
        "{limit} tokens are valid, as many as may be: wait until some expire, or raise \
             security.max_tokens"
    )]
    TooMany {
        /// How many may be.
        limit: usize,
    },
    /// No token on the list has this id.
    #[error("no token has the id {0}: it was never issued here, or has expired")]
    Unknown(Uuid),
    /// The key could not sign.
    #[error("the token could not be signed: the key file may be damaged")]
    Unsigned,
    /// The folder could not be used.
    #[error("the security folder can't be used: {0}")]
    Files(#[from] FileError),
}

impl TokenStore {
    /// Opens `folder`, and makes it and its key when they are not there.
    ///
    /// # Errors
    /// [`FileError`]; nothing that was there is changed.
    pub fn open(
        folder: impl Into<PathBuf>,
        audience: impl Into<String>,
        limits: StoreLimits,
    ) -> Result<Self, FileError> {
        let folder = folder.into();
        files::make_folder(&folder)?;
        let _lock = FolderLock::take(&folder.join("lock"))?;
        let key = TokenKey::load_or_make(&folder.join("token.key"))?;
        Ok(Self { folder, audience: audience.into(), limits, key })
    }

    /// The key that tells this store's tokens from others.
    pub(super) fn key(&self) -> &TokenKey {
        &self.key
    }

    /// Whom its tokens are meant for.
    pub(super) fn audience(&self) -> &str {
        &self.audience
    }

    /// Issues a token at `now`. It is on the list before it is given away.
    ///
    /// # Errors
    /// [`TokenError`]; no token was made then.
    pub fn issue(&self, request: TokenRequest, now: Timestamp) -> Result<IssuedToken, TokenError> {
        request.check()?;
        let record = self.record(request, now)?;
        let claims = self.claims(&record);
        let token = self.key.sign(&claims).ok_or(TokenError::Unsigned)?;
        let kept = record.clone();
        self.change(now, |book| {
            let limit = self.limits.tokens;
            if book.len() >= limit {
                return Err(TokenError::TooMany { limit });
            }
            book.add(kept);
            Ok(())
        })?;
        Ok(IssuedToken { token, record })
    }

    /// Takes a token back. Running nodes on this folder know within a second or two.
    ///
    /// # Errors
    /// [`TokenError::Unknown`], or the folder's.
    pub fn revoke(&self, id: Uuid, now: Timestamp) -> Result<TokenRecord, TokenError> {
        self.change(now, |book| book.revoke(id, now).ok_or(TokenError::Unknown(id)))
    }

    /// The list.
    ///
    /// # Errors
    /// [`FileError`] when it can't be read.
    pub fn book(&self) -> Result<TokenBook, FileError> {
        let path = self.list();
        match files::read(&path) {
            Ok(text) => parse(&path, &text),
            Err(error) if error.is_missing() => Ok(TokenBook::default()),
            Err(error) => Err(error),
        }
    }

    /// When the list was last changed, and its size: another pair, another list.
    #[must_use]
    pub fn changed(&self) -> Option<(SystemTime, u64)> {
        let about = std::fs::metadata(self.list()).ok()?;
        Some((about.modified().ok()?, about.len()))
    }

    fn list(&self) -> PathBuf {
        self.folder.join("tokens.json")
    }

    fn change<T>(
        &self,
        now: Timestamp,
        change: impl FnOnce(&mut TokenBook) -> Result<T, TokenError>,
    ) -> Result<T, TokenError> {
        let _lock = FolderLock::take(&self.folder.join("lock"))?;
        let mut book = self.book()?;
        book.forget_expired(now.saturating_sub(KEPT).unwrap_or(now));
        let changed = change(&mut book)?;
        // Strings, numbers and times alone: it can't fail to serialise.
        let text = serde_json::to_vec_pretty(&book).unwrap_or_default();
        files::replace(&self.list(), &text, 0o600)?;
        Ok(changed)
    }

    fn record(&self, request: TokenRequest, now: Timestamp) -> Result<TokenRecord, TokenError> {
        let valid = request.valid.unwrap_or(self.limits.valid);
        let fault = |field, expected: String, got: String| {
            TokenError::Request(TokenRequestFault { field, expected, got })
        };
        let (least, most) = (Duration::from_secs(1), self.limits.most);
        if !(least..=most).contains(&valid) {
            let expected = format!("1 to {} seconds (security.max_token_s)", most.as_secs());
            return Err(fault("valid_s", expected, valid.as_secs().to_string()));
        }
        // Whole seconds, as the claims have them.
        let whole = |at: Timestamp| Timestamp::from_second(at.as_second()).unwrap_or(at);
        let not_before = whole(request.not_before.unwrap_or(now));
        let expires_at = not_before.checked_add(valid).map_err(|_| {
            fault("not_before", "a time before the year 9999".to_owned(), not_before.to_string())
        })?;
        Ok(TokenRecord {
            id: random_id().ok_or(TokenError::Unsigned)?,
            subject: request.subject,
            kind: request.kind,
            roles: request.roles,
            groups: request.groups,
            node: request.node,
            issued_at: whole(now),
            not_before,
            expires_at: whole(expires_at),
            revoked_at: None,
        })
    }

    fn claims(&self, record: &TokenRecord) -> Claims {
        Claims {
            iss: ISSUER.to_owned(),
            sub: record.subject.clone(),
            aud: self.audience.clone(),
            exp: record.expires_at.as_second(),
            nbf: record.not_before.as_second(),
            iat: record.issued_at.as_second(),
            jti: record.id,
            kind: record.kind,
            roles: record.roles,
            groups: record.groups.iter().map(|group| Arc::from(group.as_str())).collect(),
            node: record.node.clone(),
        }
    }
}

/// The system's randomness, as for keys: an id must be unique, not repeatable.
fn random_id() -> Option<Uuid> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(uuid::Builder::from_random_bytes(bytes).into_uuid())
}

fn parse(path: &Path, text: &str) -> Result<TokenBook, FileError> {
    serde_json::from_str(text).map_err(|error| FileError::Content {
        path: path.to_owned(),
        expected: "the list of tokens as JSON",
        got: error.to_string(),
    })
}
