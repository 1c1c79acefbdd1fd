//! Reading a group's log from the journal.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use synod_journal::{
    Append, Epoch, Expected, Health, JournalMessage, LoadSnapshot, Partition, Position, ReadStream,
    Record, RecordCodec, StoredRecord, Stream, Survey,
};
use synod_runtime::{ActorError, Address};
use tokio::sync::mpsc;

use super::entry::{from_whole, log_id};
use super::log::{LogMemory, SharedLog};
use super::record::{ENTRY, OPENED, PART, PURGED, Saved, TRUNCATED, VERSION, VOTE};
use super::writer::{WAITING, Writer};
use crate::consensus::group::GroupId;

/// How long the journal may take for one answer.
const WITHIN: Duration = Duration::from_secs(60);

/// Records and bytes of a page.
const PAGE: (u32, u64) = (4_096, 4 << 20);

/// A group's log as the journal has it.
pub(in crate::consensus) struct Recovered {
    pub(in crate::consensus) log: SharedLog,
    pub(in crate::consensus) writer: Writer,
    pub(in crate::consensus) saved: Option<Saved>,
}

/// Reads a group's log. A record is appended first: the journal takes appends in order, so once
/// it is stored, all that an older incarnation had under way is stored too, or never will be.
///
/// # Errors
/// When the journal doesn't answer, or its records can't be read.
pub(in crate::consensus) async fn recover(
    group: GroupId,
    journal: &Address<JournalMessage>,
    page_bytes: u64,
) -> Result<Recovered, ActorError> {
    let stream = group.stream();
    let limits = journal.ask(Health {}, WITHIN).await?.limits;
    let epoch = fence(journal).await?;
    let opened = Append {
        partition: Partition::default(),
        stream,
        expected: Expected::Any,
        epoch,
        records: vec![Record::new(OPENED, VERSION, Bytes::new())],
    };
    let opened = journal.ask(opened, WITHIN).await??;
    let saved = journal.ask(LoadSnapshot { stream }, WITHIN).await??;
    let (mut replay, after) = match &saved {
        Some(saved) => {
            let at = saved.at;
            let saved = Saved::decode(&saved.bytes)?;
            (Replay::from(&saved), at)
        }
        None => (Replay::default(), Position::START),
    };
    replay.read(stream, after, journal).await?;
    let mut memory = replay.memory;
    memory.written = opened.last;
    let saved = saved.map(|saved| Saved::decode(&saved.bytes)).transpose()?;
    let (writes, waiting) = mpsc::channel(WAITING);
    let log = SharedLog::new(memory, writes, limits, page_bytes);
    let writer = Writer {
        stream,
        journal: journal.clone(),
        limits,
        memory: log.memory.clone(),
        writes: waiting,
        version: opened.stream_version,
        epoch,
        waiting: VecDeque::new(),
    };
    Ok(Recovered { log, writer, saved })
}

/// The epoch of the partition that the logs of groups are written in: an engine of the time when
/// the node was alone may have raised it.
///
/// # Errors
/// When the journal doesn't answer.
pub(in crate::consensus) async fn fence(
    journal: &Address<JournalMessage>,
) -> Result<Epoch, ActorError> {
    let contents = journal.ask(Survey {}, WITHIN).await?;
    let own = usize::from(Partition::default().get());
    Ok(contents.epochs.get(own).copied().unwrap_or_default())
}

/// What the records told so far.
#[derive(Default)]
struct Replay {
    memory: LogMemory,
    parts: BytesMut,
}

impl Replay {
    fn from(saved: &Saved) -> Self {
        let mut replay = Self::default();
        replay.memory.vote = saved.vote;
        // Entries that the saved state contains may have gone with their segments.
        replay.memory.purged = saved.meta.last_log_id;
        replay
    }

    async fn read(
        &mut self,
        stream: Stream,
        mut after: Position,
        journal: &Address<JournalMessage>,
    ) -> Result<(), ActorError> {
        let (max_records, max_bytes) = PAGE;
        loop {
            let page = ReadStream { stream, after, max_records, max_bytes };
            let page = journal.ask(page, WITHIN).await??;
            for record in &page.records {
                self.take(record)?;
            }
            match page.next {
                Some(next) => after = next,
                None => return Ok(()),
            }
        }
    }

    fn take(&mut self, record: &StoredRecord) -> Result<(), ActorError> {
        let is = |kind: synod_journal::RecordKind| record.kind == kind.as_str();
        if record.version != VERSION {
            let (kind, version) = (&record.kind, record.version);
            return unreadable(format!(
                "{kind} has no version {version}; a newer program wrote it"
            ));
        }
        if is(PART) {
            self.parts.extend_from_slice(&record.bytes);
        } else if is(ENTRY) {
            let bytes = match self.parts.is_empty() {
                true => record.bytes.clone(),
                false => {
                    self.parts.extend_from_slice(&record.bytes);
                    self.parts.split().freeze()
                }
            };
            self.enter(&bytes, record.position)?;
        } else if is(VOTE) {
            self.memory.vote = Some(RecordCodec::decode(&record.bytes)?);
        } else if is(TRUNCATED) {
            let from = number(&record.bytes).ok_or_else(|| cut(record))?;
            self.memory.truncate(from);
        } else if is(PURGED) {
            let (term, index) = record.bytes.split_at_checked(8).ok_or_else(|| cut(record))?;
            let number = |bytes| number(bytes).ok_or_else(|| cut(record));
            self.memory.purge(log_id((number(term)?, number(index)?)));
        } else if !is(OPENED) {
            return unreadable(format!("{} is no record of a group's log", record.kind));
        }
        Ok(())
    }

    /// An entry must follow the one before it; one that the saved state contains is not kept.
    fn enter(&mut self, bytes: &Bytes, position: Position) -> Result<(), ActorError> {
        let entry = from_whole(bytes)?;
        let last = self.memory.entries.back().map(|slot| slot.entry.log_id.index);
        let last = last.or(self.memory.purged.map(|id| id.index));
        let index = entry.log_id.index;
        match last {
            Some(last) if index <= last => return Ok(()),
            Some(last) if index != last + 1 => {
                return unreadable(format!("entry {index} of the log follows entry {last}"));
            }
            _ => {}
        }
        let id = super::entry::plain(&entry.log_id);
        self.memory.push(entry);
        self.memory.place(id, position);
        Ok(())
    }
}

fn number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_le_bytes)
}

fn unreadable(reason: String) -> Result<(), ActorError> {
    Err(ActorError::new(format!("the log of the group can't be read: {reason}")))
}

fn cut(record: &StoredRecord) -> ActorError {
    ActorError::new(format!("{} at {} is cut short", record.kind, record.position))
}
