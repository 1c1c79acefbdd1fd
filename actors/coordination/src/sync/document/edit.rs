//! Edits: what a user writes, made into the delta that says so.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::SharedDocument;
use super::cell::{Cell, CellKind, ENTRY_WEIGHT, Entry, Slot};
use super::delta::Delta;
use super::limits::{DocumentLimits, EditRefusal};
use crate::sync::clock::HybridClock;
use crate::sync::dots::{Dot, Dots, ReplicaId};
use crate::sync::scalar::Scalar;

/// Most edits in one write.
pub const MAX_EDITS: usize = 1_000;

/// One change of a document: `{"set": {"key": "goal", "value": {"text": "ship"}}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Edit {
    /// Writes a register; of concurrent writes the latest counts.
    Set {
        /// Where.
        key: String,
        /// What.
        value: Scalar,
    },
    /// Writes a register that keeps concurrent writes beside each other.
    Put {
        /// Where.
        key: String,
        /// What.
        value: Scalar,
    },
    /// Adds to a counter, or takes away from it.
    Count {
        /// Where.
        key: String,
        /// How much; below 0 to take away.
        by: i64,
    },
    /// Puts a member into a set.
    Include {
        /// Where.
        key: String,
        /// Whom.
        member: Scalar,
    },
    /// Takes a member out of a set. A concurrent inclusion wins.
    Exclude {
        /// Where.
        key: String,
        /// Whom.
        member: Scalar,
    },
    /// Removes the key with all that this replica knows to be under it. What others write there
    /// at the same time stays; of a counter, all that a replica counts which counts on.
    Remove {
        /// Where.
        key: String,
    },
}

impl Edit {
    /// Where.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Set { key, .. }
            | Self::Put { key, .. }
            | Self::Count { key, .. }
            | Self::Include { key, .. }
            | Self::Exclude { key, .. }
            | Self::Remove { key } => key,
        }
    }

    /// Bytes that it brings, about.
    pub(in crate::sync) fn weight(&self) -> usize {
        self.key().len() + self.value_len() + ENTRY_WEIGHT
    }

    fn kind(&self) -> Option<CellKind> {
        match self {
            Self::Set { .. } => Some(CellKind::Latest),
            Self::Put { .. } => Some(CellKind::Versions),
            Self::Count { .. } => Some(CellKind::Counter),
            Self::Include { .. } | Self::Exclude { .. } => Some(CellKind::Set),
            Self::Remove { .. } => None,
        }
    }

    fn value_len(&self) -> usize {
        match self {
            Self::Set { value, .. } | Self::Put { value, .. } => value.len(),
            Self::Include { member, .. } | Self::Exclude { member, .. } => member.len(),
            Self::Count { .. } | Self::Remove { .. } => 0,
        }
    }
}

/// Some edits under way: what they leave in the slots that they touch.
pub(super) struct Draft<'a> {
    document: &'a SharedDocument,
    replica: ReplicaId,
    last: u64,
    touched: BTreeMap<(String, Slot), BTreeMap<Dot, Cell>>,
    /// Keys that were removed: what the document has there no longer counts.
    cleared: BTreeSet<String>,
    seen: Dots,
}

impl<'a> Draft<'a> {
    pub(super) fn new(document: &'a SharedDocument, replica: ReplicaId) -> Self {
        Self {
            document,
            replica,
            last: document.seen.last(replica),
            touched: BTreeMap::new(),
            cleared: BTreeSet::new(),
            seen: Dots::default(),
        }
    }

    pub(super) fn apply(
        &mut self,
        at: usize,
        edit: &Edit,
        clock: &mut HybridClock,
        utc_ms: u64,
        limits: &DocumentLimits,
    ) -> Result<(), EditRefusal> {
        self.check(at, edit, limits)?;
        match edit {
            Edit::Set { key, value } => {
                self.replace(key, Cell::Latest(clock.tick(utc_ms), value.clone()));
            }
            Edit::Put { key, value } => self.replace(key, Cell::Version(value.clone())),
            Edit::Include { key, member } => self.replace(key, Cell::Member(member.clone())),
            Edit::Exclude { key, member } => {
                self.clear(key, Cell::Member(member.clone()).slot());
            }
            Edit::Count { key, by } => self.count(at, key, *by)?,
            Edit::Remove { key } => self.remove(key),
        }
        Ok(())
    }

    fn check(&self, at: usize, edit: &Edit, limits: &DocumentLimits) -> Result<(), EditRefusal> {
        let (key, found) = (edit.key(), edit.value_len());
        if key.is_empty() || key.len() > limits.key_bytes {
            let (found, limit) = (key.len(), limits.key_bytes);
            return Err(EditRefusal::Key { edit: at, found, limit });
        }
        if found > limits.value_bytes {
            return Err(EditRefusal::Value { edit: at, found, limit: limits.value_bytes });
        }
        let Some(kind) = edit.kind() else { return Ok(()) };
        match self.other_kind(key, kind) {
            Some(kind) => Err(EditRefusal::Kind { edit: at, key: key.to_owned(), kind }),
            None => Ok(()),
        }
    }

    fn other_kind(&self, key: &str, kind: CellKind) -> Option<CellKind> {
        let known = self.document.slots(key).map(|(slot, _)| slot.kind);
        let known = known.filter(|_| !self.cleared.contains(key));
        let own = self.of_key(key).filter(|(_, cells)| !cells.is_empty());
        known.chain(own.map(|((_, slot), _)| slot.kind)).find(|other| *other != kind)
    }

    fn of_key(&self, key: &str) -> impl Iterator<Item = (&(String, Slot), &BTreeMap<Dot, Cell>)> {
        let first = Slot { kind: CellKind::Latest, member: None };
        let of = self.touched.range((key.to_owned(), first)..);
        let key = key.to_owned();
        of.take_while(move |((other, _), _)| *other == key)
    }

    /// What is in a slot, taken over from the document when it is touched first.
    fn slot(&mut self, key: &str, slot: Slot) -> &mut BTreeMap<Dot, Cell> {
        let (document, is_cleared) = (self.document, self.cleared.contains(key));
        self.touched.entry((key.to_owned(), slot)).or_insert_with_key(|(key, slot)| {
            if is_cleared { BTreeMap::new() } else { document.cells(key, slot) }
        })
    }

    /// Does away with what is in a slot.
    fn clear(&mut self, key: &str, slot: Slot) {
        let former = std::mem::take(self.slot(key, slot));
        former.into_keys().for_each(|dot| self.seen.insert(dot));
    }

    fn replace(&mut self, key: &str, cell: Cell) {
        self.clear(key, cell.slot());
        self.write(key, cell);
    }

    fn write(&mut self, key: &str, cell: Cell) {
        self.last += 1;
        let dot = Dot { replica: self.replica, seq: self.last };
        self.seen.insert(dot);
        self.slot(key, cell.slot()).insert(dot, cell);
    }

    fn count(&mut self, at: usize, key: &str, by: i64) -> Result<(), EditRefusal> {
        let own = self.replica;
        let slot = Slot { kind: CellKind::Counter, member: None };
        let cells = self.slot(key, slot.clone());
        let former: Vec<_> = cells.keys().copied().filter(|dot| dot.replica == own).collect();
        let last = former.last().and_then(|dot| cells.get(dot));
        let (added, taken) = match last {
            Some(Cell::Count { added, taken }) => (*added, *taken),
            _ => (0, 0),
        };
        let (more, less) = (u64::try_from(by).unwrap_or(0), by.unsigned_abs());
        let added_now = added.checked_add(more);
        let taken_now = if by < 0 { taken.checked_add(less) } else { Some(taken) };
        let overflow = || EditRefusal::Overflow { edit: at, key: key.to_owned() };
        let (Some(added), Some(taken)) = (added_now, taken_now) else { return Err(overflow()) };
        if i64::try_from(i128::from(added) - i128::from(taken)).is_err() {
            return Err(overflow());
        }
        for dot in former {
            self.slot(key, slot.clone()).remove(&dot);
            self.seen.insert(dot);
        }
        self.write(key, Cell::Count { added, taken });
        Ok(())
    }

    fn remove(&mut self, key: &str) {
        let own: Vec<_> = self.of_key(key).map(|((_, slot), _)| slot.clone()).collect();
        own.into_iter().for_each(|slot| self.clear(key, slot));
        let document = self.document;
        for (slot, dots) in document.slots(key) {
            // What was touched before has been done away with above, if it was still there.
            if !self.touched.contains_key(&(key.to_owned(), slot.clone())) {
                dots.iter().for_each(|dot| self.seen.insert(*dot));
            }
        }
        self.cleared.insert(key.to_owned());
    }

    /// All of it as a delta.
    pub(super) fn into_delta(self) -> Delta {
        let before = self.document.seen.last(self.replica);
        let mut entries = Vec::new();
        for ((key, _), cells) in self.touched {
            for (dot, cell) in cells {
                if dot.replica == self.replica && dot.seq > before {
                    entries.push((dot, Entry { key: key.clone(), cell }));
                }
            }
        }
        entries.sort_by_key(|(dot, _)| *dot);
        Delta { seen: self.seen, entries }
    }
}
