//! Results that steps let the node keep, under keys of their own making: what the index has of
//! them, for runs to look at.

use parking_lot::RwLock;

use crate::history::KeptResult;
use crate::index::{Half, Results};
use crate::json::Json;

/// The results that are stored.
#[derive(Debug, Default)]
pub(in crate::actor) struct Cache {
    kept: RwLock<Results>,
}

impl Cache {
    /// A result that is to be taken at this time, UTC microseconds.
    pub(super) fn get(&self, scope: &Half, now: i64) -> Option<Json> {
        self.kept.read().get(scope, now).cloned()
    }

    /// Another one is stored.
    pub(in crate::actor) fn keep(&self, result: &KeptResult) {
        self.kept.write().keep(result.clone());
    }

    /// These are all that are stored.
    pub(in crate::actor) fn replace(&self, results: Results) {
        *self.kept.write() = results;
    }
}
