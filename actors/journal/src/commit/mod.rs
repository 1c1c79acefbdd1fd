//! Group commit as a pure machine: appends gather while one group is being synced.
//!
//! ```text
//!  Append ─▶ check (limits, fence, version) ─▶ pending ─ Flush, when idle ─▶ Write(group)
//!                    │ refused                                                │
//!                    ▼                                                     Done(ok)
//!                 Answer(error)                     Committed, Answer(ok) ◀───┘ next group
//! ```
//!
//! Never more than one group is on its way to the disk, and a group never spans two segments.
//! Checks are made against what was accepted, answers are given for what is on the disk; after a
//! failure what was accepted falls back to what is on the disk.

mod admission;
mod group;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use crate::config::JournalConfig;
use crate::error::AppendError;
use crate::heads::Heads;
use crate::messages::{Append, Committed};
use crate::names::{Epoch, Partition, Position, Stream};
use crate::recovery::LogEnd;
use crate::segment::{LogId, SegmentHeader};
pub(crate) use group::{AppendWrite, CommittedGroup, GroupWrite};

/// What the machine is told. `T` is what an answer is given through.
#[derive(Debug)]
pub(crate) enum Input<T> {
    /// Someone wants records stored.
    Append { token: T, append: Append, now_us: i64 },
    /// No more appends are at hand: begin a group if none is under way.
    Flush { now_us: i64 },
    /// The group that was to be written is on the disk, or isn't.
    Done { result: Result<(), WriteFault>, now_us: i64 },
    /// The disk has room again.
    SpaceBack,
}

/// What the machine wants done.
#[derive(Debug)]
pub(crate) enum Command<T> {
    /// Write this and sync it, then say `Done`.
    Write(GroupWrite),
    /// Answer an append.
    Answer(T, Result<Committed, AppendError>),
    /// A group is on the disk.
    Committed(CommittedGroup),
}

/// Why a group isn't on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WriteFault {
    /// There was no room; nothing of it is there.
    Full(String),
    /// It is unknown what of it is there.
    Failed(String),
}

/// Whether appends are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Acceptance {
    Open,
    /// Not until the disk has room again.
    Full(String),
    /// Not before a restart.
    Failed(String),
}

/// The machine.
pub(crate) struct GroupCommit<T> {
    config: JournalConfig,
    log_id: LogId,
    /// What is on the disk.
    committed: Heads,
    end: LogEnd,
    /// What is on the disk, on its way there or waiting.
    accepted: Heads,
    next: Position,
    /// After trouble the next group goes to a segment of its own.
    must_begin_segment: bool,
    pending: VecDeque<Pending<T>>,
    pending_bytes: u64,
    in_flight: Option<InFlight<T>>,
    acceptance: Acceptance,
}

struct Pending<T> {
    ticket: Ticket<T>,
    write: AppendWrite,
    bytes: u64,
}

/// What is kept of an append until it is answered.
struct Ticket<T> {
    token: T,
    stream: Stream,
    committed: Committed,
    /// Epochs that it raised.
    raised: Vec<(Partition, Epoch)>,
}

struct InFlight<T> {
    tickets: Vec<Ticket<T>>,
    end: LogEnd,
    group: CommittedGroup,
}

impl<T> GroupCommit<T> {
    /// The machine of a log that was just opened.
    pub(crate) fn new(config: JournalConfig, log_id: LogId, heads: Heads, end: LogEnd) -> Self {
        Self {
            config,
            log_id,
            accepted: heads.clone(),
            committed: heads,
            end,
            next: end.next,
            must_begin_segment: false,
            pending: VecDeque::new(),
            pending_bytes: 0,
            in_flight: None,
            acceptance: Acceptance::Open,
        }
    }

    /// Takes one input and adds what is to be done.
    pub(crate) fn step(&mut self, input: Input<T>, out: &mut Vec<Command<T>>) {
        match input {
            Input::Append { token, append, now_us } => self.append(token, append, now_us, out),
            Input::Flush { now_us } => self.flush(now_us, out),
            Input::Done { result: Ok(()), now_us } => {
                self.commit(out);
                self.flush(now_us, out);
            }
            Input::Done { result: Err(fault), .. } => self.fail(fault, out),
            Input::SpaceBack => {
                if matches!(self.acceptance, Acceptance::Full(_)) {
                    self.acceptance = Acceptance::Open;
                }
            }
        }
    }

    /// Whether appends are taken.
    pub(crate) fn acceptance(&self) -> &Acceptance {
        &self.acceptance
    }

    /// The last position on the disk.
    pub(crate) fn last(&self) -> Position {
        self.end.next.previous()
    }

    /// The streams and partitions as they are on the disk.
    pub(crate) fn heads(&self) -> &Heads {
        &self.committed
    }

    /// Appends that wait for the disk, those being written included.
    pub(crate) fn waiting(&self) -> usize {
        self.pending.len() + self.in_flight.as_ref().map_or(0, |group| group.tickets.len())
    }

    fn append(&mut self, token: T, append: Append, now_us: i64, out: &mut Vec<Command<T>>) {
        match self.check(&append) {
            Ok(bytes) => self.accept(token, append, bytes, now_us),
            Err(error) => out.push(Command::Answer(token, Err(error))),
        }
    }

    /// The bytes of an append that may be taken.
    fn check(&self, append: &Append) -> Result<u64, AppendError> {
        match &self.acceptance {
            Acceptance::Open => {}
            Acceptance::Full(reason) => return Err(AppendError::DiskFull(reason.clone())),
            Acceptance::Failed(reason) => return Err(AppendError::Failed(reason.clone())),
        }
        let bytes = admission::measure(&self.config, append)?;
        let most = self.config.max_pending_bytes;
        if self.pending_bytes + bytes > most
            || self.pending.len() >= self.config.max_pending_appends as usize
        {
            return Err(AppendError::Overloaded);
        }
        admission::check_epochs(&self.accepted, append)?;
        admission::check_version(&self.accepted, self.config.max_streams, append)?;
        Ok(bytes)
    }

    fn accept(&mut self, token: T, append: Append, bytes: u64, now_us: i64) {
        let mut raised = Vec::new();
        for partition in admission::partitions(&append) {
            if self.accepted.raise(partition, append.epoch) {
                raised.push((partition, append.epoch));
            }
        }
        let Append { partition, stream, epoch, records, .. } = append;
        let count = records.len() as u64;
        let first = self.next;
        self.next = first.plus(count);
        let stream_version = self.accepted.advance(stream, count);
        let committed = Committed { first, last: self.next.previous(), stream_version };
        let ticket = Ticket { token, stream, committed, raised };
        let write = AppendWrite { stream, partition, epoch, recorded_at_us: now_us, records };
        self.pending_bytes += bytes;
        self.pending.push_back(Pending { ticket, write, bytes });
    }

    /// Begins a group of what waits, when none is under way.
    fn flush(&mut self, now_us: i64, out: &mut Vec<Command<T>>) {
        let Some(first) = self.pending.front().map(|pending| pending.ticket.committed.first) else {
            return;
        };
        if self.in_flight.is_some() {
            return;
        }
        let (tickets, appends, bytes) = self.gather();
        let last = tickets.last().map_or(first, |ticket| ticket.committed.last);
        let records = last.0 + 1 - first.0;
        let (segment, begins_segment, offset) = match self.place(first, bytes, now_us) {
            Ok(place) => place,
            Err(reason) => return self.give_up(tickets, &reason, out),
        };
        let began_segment = begins_segment.as_ref().map(|_| (segment, offset));
        let end = LogEnd { segment, offset: offset + bytes, next: last.next() };
        let group = CommittedGroup {
            began_segment,
            runs: group::runs(first, offset, &appends),
            end: end.offset,
            appends: tickets.len() as u64,
            records,
            bytes,
        };
        self.in_flight = Some(InFlight { tickets, end, group });
        let records = records as u32;
        out.push(Command::Write(GroupWrite {
            segment,
            begins_segment,
            offset,
            first,
            records,
            bytes,
            appends,
        }));
    }

    /// Takes as many of the waiting appends as a group may have.
    fn gather(&mut self) -> (Vec<Ticket<T>>, Vec<AppendWrite>, u64) {
        let most = self.pending.len().min(self.config.max_group_appends as usize);
        let (mut tickets, mut appends) = (Vec::with_capacity(most), Vec::with_capacity(most));
        let mut bytes = 0;
        while tickets.len() < most {
            let fits = |next: &mut Pending<T>| bytes + next.bytes <= self.config.max_group_bytes;
            let Some(next) = self.pending.pop_front_if(fits) else { break };
            bytes += next.bytes;
            tickets.push(next.ticket);
            appends.push(next.write);
        }
        self.pending_bytes -= bytes;
        (tickets, appends, bytes)
    }

    /// The segment for a group, the header if it must be begun, and the place in it.
    fn place(
        &self,
        first: Position,
        bytes: u64,
        now_us: i64,
    ) -> Result<(Position, Option<Vec<u8>>, u64), String> {
        let empty = self.end.segment == first;
        let fits = empty || self.end.offset + bytes <= self.config.segment_bytes;
        if fits && !self.must_begin_segment {
            return Ok((self.end.segment, None, self.end.offset));
        }
        let heads = self.committed.clone();
        let header =
            SegmentHeader { log_id: self.log_id, first, created_at_us: now_us, heads }.encode();
        let header = header.map_err(|error| error.to_string())?;
        let offset = header.len() as u64;
        Ok((first, Some(header), offset))
    }

    /// The group under way is on the disk.
    fn commit(&mut self, out: &mut Vec<Command<T>>) {
        let Some(InFlight { tickets, end, group }) = self.in_flight.take() else { return };
        self.end = end;
        self.must_begin_segment = false;
        out.push(Command::Committed(group));
        for Ticket { token, stream, committed, raised } in tickets {
            self.committed.advance(stream, committed.last.0 + 1 - committed.first.0);
            for (partition, epoch) in raised {
                self.committed.raise(partition, epoch);
            }
            out.push(Command::Answer(token, Ok(committed)));
        }
    }

    /// The group under way isn't on the disk, or nobody knows.
    fn fail(&mut self, fault: WriteFault, out: &mut Vec<Command<T>>) {
        let (acceptance, first_error, error) = match fault {
            WriteFault::Full(reason) => {
                let error = AppendError::DiskFull(reason.clone());
                (Acceptance::Full(reason), error.clone(), error)
            }
            WriteFault::Failed(reason) => {
                let error = AppendError::Failed(reason.clone());
                (Acceptance::Failed(reason), AppendError::OutcomeUnknown, error)
            }
        };
        self.acceptance = acceptance;
        self.must_begin_segment = true;
        let group = self.in_flight.take().map(|group| group.tickets).unwrap_or_default();
        for ticket in group {
            out.push(Command::Answer(ticket.token, Err(first_error.clone())));
        }
        self.refuse_pending(&error, out);
    }

    /// Nothing can be written any more, and nothing was.
    fn give_up(&mut self, tickets: Vec<Ticket<T>>, reason: &str, out: &mut Vec<Command<T>>) {
        let error = AppendError::Failed(reason.to_owned());
        self.acceptance = Acceptance::Failed(reason.to_owned());
        for ticket in tickets {
            out.push(Command::Answer(ticket.token, Err(error.clone())));
        }
        self.refuse_pending(&error, out);
    }

    /// Refuses what waits, and falls back to what is on the disk.
    fn refuse_pending(&mut self, error: &AppendError, out: &mut Vec<Command<T>>) {
        for pending in self.pending.drain(..) {
            out.push(Command::Answer(pending.ticket.token, Err(error.clone())));
        }
        self.pending_bytes = 0;
        self.next = self.end.next;
        self.accepted = self.committed.clone();
    }
}
