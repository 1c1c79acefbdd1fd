//! The key that signs tokens: Ed25519, PKCS #8 in PEM, readable by its owner alone.

use std::fmt;
use std::path::Path;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData};

use super::claims::{Claims, ISSUER, TokenRefusal};
use super::signatures;
use crate::error::FileError;
use crate::files;

/// Bytes of the longest token that is looked at.
const MAX_TOKEN: usize = 8 << 10;

/// Signs tokens, and tells its own from others.
#[derive(Clone)]
pub(super) struct TokenKey {
    private: EncodingKey,
    public: DecodingKey,
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey")
    }
}

impl TokenKey {
    /// The key in this file; a new one when there is none. The caller holds the folder's lock.
    pub(super) fn load_or_make(path: &Path) -> Result<Self, FileError> {
        match Self::load(path) {
            Err(error) if error.is_missing() => {}
            loaded => return loaded,
        }
        let made = KeyPair::generate_for(&PKCS_ED25519).map_err(|error| FileError::Io {
            path: path.to_owned(),
            source: std::io::Error::other(error),
        })?;
        files::create(path, made.serialize_pem().as_bytes(), 0o600)?;
        Ok(Self::of(&made))
    }

    fn load(path: &Path) -> Result<Self, FileError> {
        let text = files::read(path)?;
        let fault = |got: String| FileError::Content {
            path: path.to_owned(),
            expected: "an Ed25519 key (PKCS #8, PEM)",
            got,
        };
        let pair = KeyPair::from_pem(&text).map_err(|error| fault(error.to_string()))?;
        if !pair.is_compatible(&PKCS_ED25519) {
            return Err(fault("a key of another kind".to_owned()));
        }
        Ok(Self::of(&pair))
    }

    fn of(pair: &KeyPair) -> Self {
        signatures::install();
        Self {
            private: EncodingKey::from_ed_der(pair.serialized_der()),
            public: DecodingKey::from_ed_der(pair.der_bytes()),
        }
    }

    /// The token that says `claims`; none when it could not be signed.
    pub(super) fn sign(&self, claims: &Claims) -> Option<String> {
        jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), claims, &self.private).ok()
    }

    /// The claims of a token that this key signed for `audience`, whatever its times are.
    pub(super) fn open(&self, token: &str, audience: &str) -> Result<Claims, TokenRefusal> {
        if token.len() > MAX_TOKEN {
            return Err(TokenRefusal::Malformed);
        }
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_required_spec_claims(&["exp", "nbf", "aud", "iss", "sub"]);
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[audience]);
        // Its clock is the machine's; ours is told.
        rules.validate_exp = false;
        let opened = jsonwebtoken::decode::<Claims>(token, &self.public, &rules);
        opened.map(|opened| opened.claims).map_err(|error| refusal(error.kind()))
    }
}

fn refusal(kind: &jsonwebtoken::errors::ErrorKind) -> TokenRefusal {
    use jsonwebtoken::errors::ErrorKind;
    match kind {
        ErrorKind::InvalidSignature => TokenRefusal::Signature,
        ErrorKind::InvalidAlgorithm | ErrorKind::MissingAlgorithm => TokenRefusal::Algorithm,
        ErrorKind::InvalidAudience => TokenRefusal::Audience,
        _ => TokenRefusal::Malformed,
    }
}
