//! A document: keys with typed values that any replica changes and all agree on in the end.
//!
//! A delta-state CRDT (Almeida, Shoker, Baquero, 2018; Shapiro, Preguiça, Baquero, Zawirski,
//! 2011). Every write has a dot. A document is the dots that were seen and, of those that are
//! still there, what they wrote; a write does away with the dots that it saw in its place. So
//! nothing removed leaves a tombstone, and the join of two documents is one rule for all types:
//! what both have stays, and what one has stays when the other has not seen it.

mod cell;
mod delta;
mod edit;
mod limits;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::clock::{HybridClock, Stamp};
use super::dots::{Dot, Dots, ReplicaId};
use cell::{Cell, Entry, Slot};

pub use cell::{CellKind, SharedValue};
pub use delta::{Delta, Digest};
pub use edit::{Edit, MAX_EDITS};
pub use limits::{DeltaFault, DocumentLimits, EditRefusal};

/// What a merge came to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Merged {
    /// Whether anything was not known before.
    pub is_news: bool,
    /// The keys under which something changed.
    pub keys: BTreeSet<String>,
    /// The latest stamp among what came.
    pub latest: Option<Stamp>,
}

/// One replica of a document. Pure.
#[derive(Clone, Debug, Default)]
pub struct SharedDocument {
    seen: Dots,
    entries: BTreeMap<Dot, Entry>,
    /// Where the dots are, by key and slot. None is empty.
    places: BTreeMap<String, BTreeMap<Slot, BTreeSet<Dot>>>,
    weight: usize,
    /// The sum of the marks of all dots that are there.
    mark: u64,
}

impl PartialEq for SharedDocument {
    fn eq(&self, other: &Self) -> bool {
        // The rest follows from these.
        self.seen == other.seen && self.entries == other.entries
    }
}

impl SharedDocument {
    // ---- reading ----

    /// What is under a key. Where replicas made it several types at once, the first of them in the
    /// order of [`CellKind`], until the key is removed.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<SharedValue> {
        let kind = self.slots(key).next()?.0.kind;
        let of_kind = self.slots(key).filter(|(slot, _)| slot.kind == kind);
        let dots = of_kind.flat_map(|(_, dots)| dots);
        let cells = dots.filter_map(|dot| Some((*dot, &self.entries.get(dot)?.cell)));
        Some(cell::read(kind, cells))
    }

    /// The keys after this one, in order.
    pub fn keys_after<'a>(&'a self, after: &str) -> impl Iterator<Item = &'a str> {
        use std::ops::Bound::{Excluded, Unbounded};
        self.places.range::<str, _>((Excluded(after), Unbounded)).map(|(key, _)| key.as_str())
    }

    /// How many keys there are.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.places.len()
    }

    /// How many entries there are: one for each register, member, and replica of a counter.
    #[must_use]
    pub fn entry_count(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of keys, values and what comes with them.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// A number that replicas have in common when they have the same.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let spans = self
            .seen
            .spans()
            .fold(0u64, |sum, (first, last)| sum.wrapping_add(mix(mark(first) ^ mix(mark(last)))));
        spans ^ mix(self.mark)
    }

    fn slots(&self, key: &str) -> impl Iterator<Item = (&Slot, &BTreeSet<Dot>)> {
        self.places.get(key).into_iter().flatten()
    }

    fn cells(&self, key: &str, slot: &Slot) -> BTreeMap<Dot, Cell> {
        let dots = self.places.get(key).and_then(|slots| slots.get(slot)).into_iter().flatten();
        dots.filter_map(|dot| Some((*dot, self.entries.get(dot)?.cell.clone()))).collect()
    }

    // ---- writing ----

    /// Makes edits into a delta and takes it over: all of them, or none.
    ///
    /// # Errors
    /// The first edit that can't be made, or a limit that they would break. Nothing has changed.
    pub fn edit(
        &mut self,
        replica: ReplicaId,
        edits: &[Edit],
        clock: &mut HybridClock,
        utc_ms: u64,
        limits: &DocumentLimits,
    ) -> Result<Delta, EditRefusal> {
        if edits.is_empty() || edits.len() > MAX_EDITS {
            return Err(EditRefusal::Count { found: edits.len(), limit: MAX_EDITS });
        }
        let mut draft = edit::Draft::new(self, replica);
        for (at, edit) in edits.iter().enumerate() {
            draft.apply(at, edit, clock, utc_ms, limits)?;
        }
        let delta = draft.into_delta();
        let plan = Plan::of(self, &delta);
        // A document that is over its limits by what others wrote can still be made smaller.
        if plan.weight > self.weight || plan.entries > self.entries.len() {
            limits.check_written(plan.entries, plan.weight)?;
        }
        self.carry_out(plan, &delta);
        Ok(delta)
    }

    // ---- replication ----

    /// All of it, as a delta.
    #[must_use]
    pub fn whole(&self) -> Delta {
        let entries = self.entries.iter().map(|(dot, entry)| (*dot, entry.clone())).collect();
        Delta { seen: self.seen.clone(), entries }
    }

    /// What this replica has, in short.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest { seen: self.seen.clone(), live: self.entries.keys().copied().collect() }
    }

    /// Whether a replica with this digest has something that this one lacks.
    #[must_use]
    pub fn is_behind(&self, theirs: &Digest) -> bool {
        let gone = theirs.seen.without(&theirs.live);
        !theirs.seen.without(&self.seen).is_empty()
            || self.entries.keys().any(|dot| gone.contains(*dot))
    }

    /// What a replica with this digest lacks, about `max_bytes` of it and at least one entry; true
    /// when there is more. While it comes in parts, a register that keeps concurrent values may
    /// show one beside the one that replaced it.
    #[must_use]
    pub fn delta_since(&self, theirs: &Digest, max_bytes: usize) -> (Delta, bool) {
        let unseen = self.seen.without(&theirs.seen);
        let (mut entries, mut weight) = (Vec::new(), 0);
        for (first, last) in unseen.spans() {
            for (dot, entry) in self.entries.range(first..=last) {
                if weight >= max_bytes
                    && let Some((end, _)) = entries.last()
                {
                    return (Delta { seen: unseen.up_to(*end), entries }, true);
                }
                weight += entry.weight();
                entries.push((*dot, entry.clone()));
            }
        }
        // What is gone comes last, so that nothing is gone before what came in its place is there.
        let live: Dots = self.entries.keys().copied().collect();
        let mut seen = unseen;
        seen.join(&theirs.live.without(&live).shared_with(&self.seen));
        (Delta { seen, entries }, false)
    }

    /// Takes over what another replica said.
    ///
    /// # Errors
    /// Why not: it is none that a replica makes, or too much. Nothing has changed.
    pub fn merge(&mut self, delta: &Delta, limits: &DocumentLimits) -> Result<Merged, DeltaFault> {
        delta.check()?;
        if delta.entries.iter().any(|(_, entry)| entry.key.is_empty()) {
            return Err(DeltaFault::Malformed("an entry without a key"));
        }
        let plan = Plan::of(self, delta);
        limits.check_spans(plan.seen.span_count())?;
        if plan.weight > self.weight || plan.entries > self.entries.len() {
            limits.check_merged(plan.entries, plan.weight)?;
        }
        Ok(self.carry_out(plan, delta))
    }

    fn carry_out(&mut self, plan: Plan, delta: &Delta) -> Merged {
        let is_news = plan.seen != self.seen || !plan.gone.is_empty() || !plan.new.is_empty();
        let mut merged = Merged { is_news, ..Merged::default() };
        for dot in plan.gone {
            merged.keys.extend(self.drop_entry(dot));
        }
        for dot in plan.new {
            let Some(entry) = delta.get(dot) else { continue };
            if let Cell::Latest(stamp, _) = &entry.cell {
                merged.latest = merged.latest.max(Some(*stamp));
            }
            merged.keys.insert(entry.key.clone());
            self.add_entry(dot, entry.clone());
        }
        self.seen = plan.seen;
        merged
    }

    fn add_entry(&mut self, dot: Dot, entry: Entry) {
        self.drop_entry(dot);
        self.weight += entry.weight();
        self.mark = self.mark.wrapping_add(mark(dot));
        let slots = self.places.entry(entry.key.clone()).or_default();
        slots.entry(entry.cell.slot()).or_default().insert(dot);
        self.entries.insert(dot, entry);
    }

    fn drop_entry(&mut self, dot: Dot) -> Option<String> {
        let entry = self.entries.remove(&dot)?;
        self.weight -= entry.weight();
        self.mark = self.mark.wrapping_sub(mark(dot));
        let slot = entry.cell.slot();
        if let Some(slots) = self.places.get_mut(&entry.key) {
            if let Some(dots) = slots.get_mut(&slot) {
                dots.remove(&dot);
                if dots.is_empty() {
                    slots.remove(&slot);
                }
            }
            if slots.is_empty() {
                self.places.remove(&entry.key);
            }
        }
        Some(entry.key)
    }

    /// The last of a replica's writes that this one has seen; 0 for none.
    #[must_use]
    pub fn last_of(&self, replica: ReplicaId) -> u64 {
        self.seen.last(replica)
    }
}

/// What a delta would change.
struct Plan {
    seen: Dots,
    gone: Vec<Dot>,
    new: Vec<Dot>,
    entries: usize,
    weight: usize,
}

impl Plan {
    fn of(document: &SharedDocument, delta: &Delta) -> Self {
        let mut seen = document.seen.clone();
        seen.join(&delta.seen);
        let (mut entries, mut weight) = (document.entries.len(), document.weight);
        let (mut gone, mut new) = (Vec::new(), Vec::new());
        for (first, last) in delta.seen.spans() {
            for (dot, entry) in document.entries.range(first..=last) {
                if delta.get(*dot).is_none() {
                    gone.push(*dot);
                    entries -= 1;
                    weight -= entry.weight();
                }
            }
        }
        for (dot, entry) in &delta.entries {
            match document.entries.get(dot) {
                // Two writes of one name are no replicas' doing; still all come to the same.
                Some(known) if known < entry => {
                    weight = weight - known.weight() + entry.weight();
                    new.push(*dot);
                }
                None if !document.seen.contains(*dot) => {
                    entries += 1;
                    weight += entry.weight();
                    new.push(*dot);
                }
                _ => {}
            }
        }
        Self { seen, gone, new, entries, weight }
    }
}

/// The mark of a dot.
fn mark(dot: Dot) -> u64 {
    mix(dot.replica.0 ^ mix(dot.seq))
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood, 2014).
fn mix(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
