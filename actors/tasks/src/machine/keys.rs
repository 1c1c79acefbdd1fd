//! Idempotency keys: which task a key was used for, kept as long as the task's record and for at
//! least the configured time.

use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use crate::task::{IdHasher, IdMap, IdempotencyKey, Task, TaskId, TaskState};

/// What a key was used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyUse {
    pub task: TaskId,
    /// Half a SHA-256 of the request.
    pub body: [u8; 16],
    /// When, UTC microseconds.
    pub used_at: i64,
    /// How its task stands: `Pending` as long as it is open, then how it ended. Kept here, because
    /// the key may outlive the record.
    pub state: TaskState,
}

/// Keys in use, by half a SHA-256 of tenant, operation and key.
#[derive(Debug, Default, Clone)]
pub(crate) struct Keys {
    uses: HashMap<[u8; 16], KeyUse, BuildHasherDefault<IdHasher>>,
    by_time: BTreeSet<(i64, [u8; 16])>,
}

impl Keys {
    pub(crate) fn len(&self) -> usize {
        self.uses.len()
    }

    pub(crate) fn get(&self, scope: &[u8; 16]) -> Option<&KeyUse> {
        self.uses.get(scope)
    }

    pub(crate) fn use_for(&mut self, key: &IdempotencyKey, task: TaskId, at: i64) {
        let state = TaskState::Pending;
        self.insert(key.scope, KeyUse { task, body: key.body, used_at: at, state });
    }

    pub(crate) fn insert(&mut self, scope: [u8; 16], use_: KeyUse) {
        self.by_time.insert((use_.used_at, scope));
        self.uses.insert(scope, use_);
    }

    /// Notes how the key's task ended.
    pub(crate) fn settle(&mut self, scope: &[u8; 16], state: TaskState) {
        if let Some(known) = self.uses.get_mut(scope) {
            known.state = state;
        }
    }

    /// Forgets what was used before `time` (UTC microseconds) and whose task is no longer kept.
    pub(crate) fn expire(&mut self, time: i64, kept: &IdMap<Arc<Task>>) {
        let old = self.by_time.range(..(time, [0; 16])).copied();
        let gone: Vec<_> = old
            .filter(|(_, scope)| {
                self.uses.get(scope).is_none_or(|known| !kept.contains_key(&known.task))
            })
            .collect();
        for (at, scope) in gone {
            self.by_time.remove(&(at, scope));
            self.uses.remove(&scope);
        }
    }

    /// All of them, the oldest first.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = ([u8; 16], KeyUse)> {
        let scopes = self.by_time.iter().map(|(_, scope)| *scope);
        scopes.filter_map(|scope| Some((scope, *self.uses.get(&scope)?)))
    }

    /// When the oldest was used, UTC microseconds.
    pub(crate) fn oldest(&self) -> Option<i64> {
        self.by_time.first().map(|(at, _)| *at)
    }
}
