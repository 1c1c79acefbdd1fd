//! The log as openraft asks for it: what is in memory, and what is on its way to the journal.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use parking_lot::Mutex;
use synod_journal::{AppendLimits, Position};
use tokio::sync::{mpsc, oneshot};

use super::entry::{log_id, plain};
use super::record;
use super::writer::{Done, Write};
use crate::consensus::types::{EntryOf, LogId, Types, VoteOf};

/// What of a group's log is in memory.
#[derive(Debug, Default)]
pub(in crate::consensus) struct LogMemory {
    pub(super) vote: Option<VoteOf>,
    pub(super) purged: Option<LogId>,
    /// Without gaps, from the one after `purged` on.
    pub(super) entries: VecDeque<Slot>,
    pub(super) bytes: u64,
    /// The place of the last record of this group in the journal.
    pub(super) written: Position,
    /// Why nothing is written at the moment; it is tried again.
    pub(super) stalled: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) entry: EntryOf,
    /// Its place in the journal, once it is on the disk.
    pub(super) position: Option<Position>,
}

/// A group's log, shared by who writes and who reads.
#[derive(Clone, Debug)]
pub(in crate::consensus) struct SharedLog {
    pub(super) memory: Arc<Mutex<LogMemory>>,
    pub(super) writes: mpsc::Sender<Write>,
    pub(super) limits: AppendLimits,
    /// Bytes of one answer to a reader; one entry is given whatever its size.
    page_bytes: u64,
}

/// A group's log as openraft writes and reads it.
#[derive(Clone, Debug)]
pub(in crate::consensus) struct LogStore(pub(in crate::consensus) SharedLog);

impl SharedLog {
    pub(super) fn new(
        memory: LogMemory,
        writes: mpsc::Sender<Write>,
        limits: AppendLimits,
        page_bytes: u64,
    ) -> Self {
        Self { memory: Arc::new(Mutex::new(memory)), writes, limits, page_bytes }
    }

    /// The vote as it was last stored.
    pub(in crate::consensus) fn vote(&self) -> Option<VoteOf> {
        self.memory.lock().vote
    }

    /// How many entries are in memory, and their bytes.
    pub(in crate::consensus) fn size(&self) -> (u64, u64) {
        let memory = self.memory.lock();
        (memory.entries.len() as u64, memory.bytes)
    }

    /// Why nothing is written at the moment.
    pub(in crate::consensus) fn stalled(&self) -> Option<String> {
        self.memory.lock().stalled.clone()
    }

    /// Whether nothing was ever stored of this group: neither a vote nor an entry.
    pub(in crate::consensus) fn is_blank(&self) -> bool {
        let memory = self.memory.lock();
        memory.vote.is_none() && memory.purged.is_none() && memory.entries.is_empty()
    }

    /// The last place in the journal up to which the state at `included` contains everything of
    /// this group.
    pub(in crate::consensus) fn covered(&self, included: Option<&LogId>) -> Position {
        let memory = self.memory.lock();
        let index = included.map_or(0, |id| id.index);
        let later = |slot: &Slot| slot.entry.log_id.index > index;
        if !memory.entries.iter().any(later) {
            return memory.written;
        }
        let covered = memory.entries.iter().take_while(|slot| !later(slot));
        covered.filter_map(|slot| slot.position).max().unwrap_or(Position::START)
    }

    fn range(&self, range: &impl RangeBounds<u64>, most: u64) -> Vec<EntryOf> {
        let memory = self.memory.lock();
        let Some(first) = memory.entries.front().map(|slot| slot.entry.log_id.index) else {
            return Vec::new();
        };
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(start) => start + 1,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(end) => end.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        let count = memory.entries.len();
        let begin = usize::try_from(start.saturating_sub(first)).unwrap_or(usize::MAX).min(count);
        let end = usize::try_from(end.saturating_sub(first)).unwrap_or(usize::MAX).min(count);
        let mut bytes = 0;
        let mut entries = Vec::with_capacity(end.saturating_sub(begin).min(1_024));
        for slot in memory.entries.range(begin..end.max(begin)) {
            let weight = weight(&slot.entry);
            if bytes + weight > most && !entries.is_empty() {
                break;
            }
            bytes += weight;
            entries.push(slot.entry.clone());
        }
        entries
    }

    async fn send(&self, write: Write) -> io::Result<()> {
        let gone = |_| io::Error::other("the log of this group takes no more");
        self.writes.send(write).await.map_err(gone)
    }
}

/// Bytes that an entry counts for.
pub(super) fn weight(entry: &EntryOf) -> u64 {
    match &entry.payload {
        openraft::EntryPayload::Normal(proposal) => 64 + proposal.0.len() as u64,
        _ => 64,
    }
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<EntryOf>, io::Error> {
        Ok(self.0.range(&range, u64::MAX))
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<EntryOf>, io::Error> {
        Ok(self.0.range(&(start..end), self.0.page_bytes))
    }

    async fn read_vote(&mut self) -> Result<Option<VoteOf>, io::Error> {
        Ok(self.0.vote())
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<openraft::LogState<Types>, io::Error> {
        let memory = self.0.memory.lock();
        let last = memory.entries.back().map(|slot| slot.entry.log_id);
        let last_purged_log_id = memory.purged;
        Ok(openraft::LogState { last_purged_log_id, last_log_id: last.or(last_purged_log_id) })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &VoteOf) -> Result<(), io::Error> {
        let record = record::vote(vote).map_err(io::Error::other)?;
        let (done, stored) = oneshot::channel();
        self.0
            .send(Write { records: vec![record], entries: vec![], done: Done::Vote(done) })
            .await?;
        match stored.await {
            Ok(result) => result?,
            Err(_) => return Err(io::Error::other("the vote was not stored")),
        }
        self.0.memory.lock().vote = Some(*vote);
        Ok(())
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = EntryOf> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        // One append of the journal is stored as a whole; a batch may become several of them, and
        // the callback belongs to the last.
        let most = self.0.limits.bytes / 2;
        let mut write = Write::default();
        let mut writes = Vec::new();
        let mut bytes = 0;
        for entry in entries {
            let records = record::entry(&entry, self.0.limits.record_bytes as usize);
            let records = records.map_err(io::Error::other)?;
            let weight: u64 = records.iter().map(|record| record.weight() as u64).sum();
            let full = bytes + weight > most
                || write.records.len() + records.len() > self.0.limits.records as usize;
            if full && !write.records.is_empty() {
                writes.push(std::mem::take(&mut write));
                bytes = 0;
            }
            bytes += weight;
            write.entries.push((plain(&entry.log_id), records.len() as u64));
            write.records.extend(records);
            self.0.memory.lock().push(entry);
        }
        write.done = Done::Flushed(callback);
        for earlier in writes {
            self.0.send(earlier).await?;
        }
        self.0.send(write).await
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        let from = last.map_or(0, |id| id.index + 1);
        self.0.memory.lock().truncate(from);
        self.0.send(Write::of(record::truncated(from))).await
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        self.0.memory.lock().purge(upto);
        self.0.send(Write::of(record::purged(plain(&upto)))).await
    }
}

impl LogMemory {
    pub(super) fn push(&mut self, entry: EntryOf) {
        self.bytes += weight(&entry);
        self.entries.push_back(Slot { entry, position: None });
    }

    pub(super) fn truncate(&mut self, from: u64) {
        let gone = |slot: &mut Slot| slot.entry.log_id.index >= from;
        while let Some(slot) = self.entries.pop_back_if(gone) {
            self.bytes -= weight(&slot.entry);
        }
    }

    pub(super) fn purge(&mut self, upto: LogId) {
        let gone = |slot: &mut Slot| slot.entry.log_id.index <= upto.index;
        while let Some(slot) = self.entries.pop_front_if(gone) {
            self.bytes -= weight(&slot.entry);
        }
        self.purged = self.purged.max(Some(upto));
    }

    /// An entry is on the disk.
    pub(super) fn place(&mut self, id: (u64, u64), position: Position) {
        let Some(first) = self.entries.front().map(|slot| slot.entry.log_id.index) else { return };
        let Some(at) = id.1.checked_sub(first) else { return };
        let slot = usize::try_from(at).ok().and_then(|at| self.entries.get_mut(at));
        if let Some(slot) = slot.filter(|slot| slot.entry.log_id == log_id(id)) {
            slot.position = Some(position);
        }
    }
}
