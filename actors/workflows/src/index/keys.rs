//! Idempotency keys: which run a key was used for, kept as long as the run and for at least the
//! configured time.

use std::collections::{BTreeSet, HashMap};

use sha2::{Digest, Sha256};

use crate::messages::RunId;

/// Half a SHA-256.
pub(crate) type Half = [u8; 16];

/// What a key was used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyUse {
    pub run: RunId,
    /// Half a SHA-256 of what was asked for.
    pub body: Half,
    /// When, UTC microseconds.
    pub used_at: i64,
}

/// Keys in use, by half a SHA-256 of the definition's name and the key.
#[derive(Debug, Default, Clone)]
pub(crate) struct Keys {
    uses: HashMap<Half, KeyUse>,
    by_time: BTreeSet<(i64, Half)>,
}

/// Half a SHA-256 of these texts, each with its length before it.
pub(crate) fn half(parts: &[&[u8]]) -> Half {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let whole: [u8; 32] = hash.finalize().into();
    let mut half = Half::default();
    half.copy_from_slice(&whole[..16]);
    half
}

impl Keys {
    /// What a key is known by.
    pub(crate) fn scope(workflow: &str, key: &str) -> Half {
        half(&[b"run", workflow.as_bytes(), key.as_bytes()])
    }

    pub(crate) fn len(&self) -> usize {
        self.uses.len()
    }

    pub(crate) fn get(&self, scope: &Half) -> Option<&KeyUse> {
        self.uses.get(scope)
    }

    pub(crate) fn insert(&mut self, scope: Half, use_: KeyUse) {
        self.by_time.insert((use_.used_at, scope));
        self.uses.insert(scope, use_);
    }

    /// Forgets what was used before `time` (UTC microseconds) and whose run is no longer kept.
    pub(crate) fn expire(&mut self, time: i64, is_kept: impl Fn(RunId) -> bool) {
        let old = self.by_time.range(..(time, Half::default())).copied();
        let gone: Vec<_> = old
            .filter(|(_, scope)| self.uses.get(scope).is_none_or(|known| !is_kept(known.run)))
            .collect();
        for (at, scope) in gone {
            self.by_time.remove(&(at, scope));
            self.uses.remove(&scope);
        }
    }

    /// All of them, the oldest first.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = (Half, KeyUse)> {
        let scopes = self.by_time.iter().map(|(_, scope)| *scope);
        scopes.filter_map(|scope| Some((scope, *self.uses.get(&scope)?)))
    }
}
