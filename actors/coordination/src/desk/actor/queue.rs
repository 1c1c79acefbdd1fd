//! What the book says already and the journal was not told yet.

use std::collections::VecDeque;

use synod_journal::{AppendBounds, Record};

use super::release::Release;
use crate::protocol::Protocol;

/// What one input brought: its records, and what is to be done once they are stored.
pub(super) struct Entry<P: Protocol> {
    pub records: Vec<Record>,
    pub releases: Vec<Release<P>>,
}

impl<P: Protocol> Entry<P> {
    fn weight(&self) -> usize {
        self.records.iter().map(Record::weight).sum()
    }

    /// Whether the append that it is in ends with it, as an image of the book is at its position.
    fn is_last(&self) -> bool {
        self.releases.iter().any(|release| matches!(release, Release::Image(..)))
    }
}

/// Entries in their order, and how much they are.
pub(super) struct Queue<P: Protocol> {
    entries: VecDeque<Entry<P>>,
    bytes: usize,
}

impl<P: Protocol> Default for Queue<P> {
    fn default() -> Self {
        Self { entries: VecDeque::new(), bytes: 0 }
    }
}

impl<P: Protocol> Queue<P> {
    pub(super) fn push(&mut self, entry: Entry<P>) {
        self.bytes += entry.weight();
        self.entries.push_back(entry);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether there are as many, or as much, as may be.
    pub(super) fn is_full(&self, count: u64, bytes: u64) -> bool {
        self.entries.len() as u64 >= count || self.bytes as u64 >= bytes
    }

    /// What is done once the last entry is stored.
    pub(super) fn last_releases(&mut self) -> Option<&mut Vec<Release<P>>> {
        self.entries.back_mut().map(|entry| &mut entry.releases)
    }

    /// The same, when the last entry has records.
    pub(super) fn last_recorded(&mut self) -> Option<&mut Vec<Release<P>>> {
        let last = self.entries.back_mut().filter(|entry| !entry.records.is_empty());
        last.map(|entry| &mut entry.releases)
    }

    /// All that waits, which will not be stored.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Release<P>> + use<P> {
        self.bytes = 0;
        std::mem::take(&mut self.entries).into_iter().flat_map(|entry| entry.releases)
    }

    /// The next entries that fit into one append.
    pub(super) fn pack(&mut self, bounds: AppendBounds) -> Option<Entry<P>> {
        let mut packed = self.pop()?;
        let (mut bytes, mut last) = (packed.weight(), packed.is_last());
        while let Some(next) = self.entries.front().filter(|_| !last) {
            let more = next.weight();
            let fits = packed.records.len() + next.records.len() <= bounds.records
                && bytes + more <= bounds.bytes;
            if !fits && !packed.records.is_empty() && more > 0 {
                break;
            }
            let Some(next) = self.pop() else { break };
            (bytes, last) = (bytes + more, next.is_last());
            packed.records.extend(next.records);
            packed.releases.extend(next.releases);
        }
        Some(packed)
    }

    fn pop(&mut self) -> Option<Entry<P>> {
        let entry = self.entries.pop_front()?;
        self.bytes -= entry.weight();
        Some(entry)
    }
}
