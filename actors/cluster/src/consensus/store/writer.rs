//! The task that brings a group's log to the journal, in order.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, poll};
use openraft::storage::IOFlushed;
use parking_lot::Mutex;
use synod_journal::{
    Append, AppendError, AppendLimits, Committed, Epoch, Expected, JournalMessage, Partition,
    Record, Stream,
};
use synod_runtime::{Address, AskError};
use tokio::sync::{mpsc, oneshot};

use super::log::LogMemory;
use crate::consensus::types::Types;

/// Appends of one group that are on their way to the disk at once: one that is being synced, one
/// that waits for it, and some that arrive meanwhile.
const DEPTH: usize = 4;

/// How long the journal may take for one append.
const WITHIN: Duration = Duration::from_secs(60);

/// How long to wait before a full disk is tried again.
const RETRY: Duration = Duration::from_millis(250);

/// Writes that may wait for the task.
pub(super) const WAITING: usize = 4_096;

/// What is to be stored together.
#[derive(Debug, Default)]
pub(super) struct Write {
    pub(super) records: Vec<Record>,
    /// The entries among them: which, and of how many records.
    pub(super) entries: Vec<((u64, u64), u64)>,
    pub(super) done: Done,
}

impl Write {
    pub(super) fn of(record: Record) -> Self {
        Self { records: vec![record], entries: Vec::new(), done: Done::Nobody }
    }
}

/// Who is told when it is on the disk.
#[derive(Default)]
pub(super) enum Done {
    #[default]
    Nobody,
    Vote(oneshot::Sender<io::Result<()>>),
    Flushed(IOFlushed<Types>),
}

impl std::fmt::Debug for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nobody => "Nobody",
            Self::Vote(_) => "Vote",
            Self::Flushed(_) => "Flushed",
        })
    }
}

impl Done {
    fn tell(self, result: Result<(), &str>) {
        let result = result.map_err(|reason| io::Error::other(reason.to_owned()));
        match self {
            Self::Nobody => {}
            // openraft waits for it, unless it has ended.
            Self::Vote(sender) => drop(sender.send(result)),
            Self::Flushed(callback) => callback.io_completed(result),
        }
    }
}

/// Why a group's log can't be written any more before it is read anew.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the journal did not store the log of group: {0}")]
pub(in crate::consensus) struct WriterFault(String);

type Asked = Result<Result<Committed, AppendError>, AskError>;

/// An append that is under way.
struct Flight {
    writes: Vec<Write>,
    /// How many records the stream has before it.
    expected: u64,
    answer: BoxFuture<'static, Asked>,
    outcome: Option<Asked>,
}

/// Brings a group's log to the journal.
pub(in crate::consensus) struct Writer {
    pub(super) stream: Stream,
    pub(super) journal: Address<JournalMessage>,
    pub(super) limits: AppendLimits,
    pub(super) memory: Arc<Mutex<LogMemory>>,
    pub(super) writes: mpsc::Receiver<Write>,
    /// How many records the stream has, those under way included.
    pub(super) version: u64,
    /// That of the partition which the log is written in; who wrote in it before may have raised
    /// it.
    pub(super) epoch: Epoch,
    pub(super) waiting: VecDeque<Write>,
}

impl Writer {
    /// Works until nobody can write any more, or the journal fails.
    ///
    /// # Errors
    /// [`WriterFault`]: nobody knows what of the log is on the disk.
    pub(in crate::consensus) async fn run(mut self) -> Result<(), WriterFault> {
        let mut flights: VecDeque<Flight> = VecDeque::new();
        loop {
            while flights.len() < DEPTH {
                self.take_more();
                let Some(flight) = self.depart().await else { break };
                flights.push_back(flight);
            }
            let Some(first) = flights.front_mut() else {
                let Some(write) = self.writes.recv().await else { return Ok(()) };
                self.waiting.push_back(write);
                continue;
            };
            if first.outcome.is_none() {
                let may_add = flights.len() < DEPTH;
                let first = &mut flights[0];
                tokio::select! {
                    biased;
                    outcome = &mut first.answer => first.outcome = Some(outcome),
                    Some(write) = self.writes.recv(), if may_add => {
                        self.waiting.push_back(write);
                        continue;
                    }
                }
            }
            let Some(flight) = flights.pop_front() else { continue };
            match flight.outcome {
                Some(Ok(Ok(committed))) => self.arrived(flight.writes, committed),
                Some(Ok(Err(error @ AppendError::Fenced { current, .. }))) => {
                    (self.version, self.epoch) = (flight.expected, current);
                    self.retry(flight.writes, &mut flights, error.to_string()).await;
                }
                Some(Ok(Err(error @ (AppendError::DiskFull(_) | AppendError::Overloaded)))) => {
                    self.version = flight.expected;
                    self.retry(flight.writes, &mut flights, error.to_string()).await;
                }
                Some(Ok(Err(error))) => {
                    return Err(fail(flight.writes, flights, error.to_string()));
                }
                Some(Err(error)) => return Err(fail(flight.writes, flights, error.to_string())),
                None => {}
            }
        }
    }

    fn take_more(&mut self) {
        while self.waiting.len() < WAITING
            && let Ok(write) = self.writes.try_recv()
        {
            self.waiting.push_back(write);
        }
    }

    /// Sends as many of the waiting writes as one append may hold.
    async fn depart(&mut self) -> Option<Flight> {
        let (mut records, mut writes, mut bytes) = (Vec::new(), Vec::new(), 0);
        while let Some(next) = self.waiting.front() {
            let weight: u64 = next.records.iter().map(|record| record.weight() as u64).sum();
            let full = bytes + weight > self.limits.bytes
                || records.len() + next.records.len() > self.limits.records as usize;
            if full && !writes.is_empty() {
                break;
            }
            bytes += weight;
            records.extend(next.records.iter().cloned());
            writes.extend(self.waiting.pop_front());
        }
        if writes.is_empty() {
            return None;
        }
        if records.is_empty() {
            // Nothing to store: as good as stored once all before it is. Goes along with a mark.
            records.push(super::record::truncated(u64::MAX));
        }
        let expected = self.version;
        self.version += records.len() as u64;
        let append = Append {
            partition: Partition::default(),
            stream: self.stream,
            expected: Expected::Exact(expected),
            epoch: self.epoch,
            records,
        };
        let journal = self.journal.clone();
        let mut answer = async move { journal.ask(append, WITHIN).await }.boxed();
        // Polled once, it stands in the journal's mailbox: before whatever is sent after it.
        let outcome = match poll!(&mut answer) {
            std::task::Poll::Ready(outcome) => Some(outcome),
            std::task::Poll::Pending => None,
        };
        Some(Flight { writes, expected, answer, outcome })
    }

    fn arrived(&self, writes: Vec<Write>, committed: Committed) {
        {
            let memory = &mut *self.memory.lock();
            (memory.stalled, memory.written) = (None, committed.last);
            let mut next = committed.first;
            for write in &writes {
                let mut at = next;
                for (id, records) in &write.entries {
                    at = at.plus(*records);
                    memory.place(*id, at.previous());
                }
                next = next.plus(write.records.len() as u64);
            }
        }
        writes.into_iter().for_each(|write| write.done.tell(Ok(())));
    }

    /// Nothing of these was stored, nor of what was sent after them, as that expected them to be:
    /// all wait for another try.
    async fn retry(&mut self, first: Vec<Write>, flights: &mut VecDeque<Flight>, reason: String) {
        tracing::warn!(stream = %self.stream, reason, "the log of a group waits for the disk");
        self.memory.lock().stalled = Some(reason);
        let mut again: VecDeque<Write> = first.into();
        for flight in flights.drain(..) {
            if flight.outcome.is_none() {
                // Refused as well; its answer tells nothing new.
                drop(flight.answer.await);
            }
            again.extend(flight.writes);
        }
        again.append(&mut self.waiting);
        self.waiting = again;
        tokio::time::sleep(RETRY).await;
    }
}

fn fail(first: Vec<Write>, flights: VecDeque<Flight>, reason: String) -> WriterFault {
    let later = flights.into_iter().flat_map(|flight| flight.writes);
    first.into_iter().chain(later).for_each(|write| write.done.tell(Err(&reason)));
    WriterFault(reason)
}
