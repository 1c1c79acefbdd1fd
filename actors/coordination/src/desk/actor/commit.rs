//! Storing what was taken, and releasing what came of it once it is stored.

use synod_journal::{
    Append, AppendBounds, AppendError, Committed, Epoch, Expected, Partition, Record, Stream,
};
use synod_runtime::{ActorError, AskError, Context, Priority, SendOptions};

use super::Desk;
use super::own::{Asked, Event, Own};
use super::queue::Entry;
use super::release::Release;
use crate::desk::book::Change;
use crate::desk::error::DeskError;
use crate::desk::messages::DeskMessage;
use crate::desk::records::EntryV1;
use crate::protocol::{ConversationId, Protocol};

/// Where records of a desk itself go.
pub(super) const DESK_PARTITION: Partition = Partition::from_low_bits(0);

/// Bytes that a record takes beside what somebody gave.
const ROOM: usize = 4 << 10;

/// The append that is under way.
pub(super) struct Flight<P: Protocol> {
    append: u64,
    sent: Append,
    pub releases: Vec<Release<P>>,
}

impl<P: Protocol> Flight<P> {
    /// How many records it has.
    pub(super) fn count(&self) -> u64 {
        self.sent.records.len() as u64
    }
}

/// Where the stream ends, without the append under way.
#[derive(Default)]
pub(super) struct LogHead {
    /// How many records it has ever had.
    pub version: u64,
    /// The number of the last append.
    pub append: u64,
    /// The highest epoch of a partition that is known. Epochs are raised by the partitions' owner,
    /// and never by a desk.
    pub epoch: Epoch,
}

impl<P: Protocol> Desk<P> {
    /// Bytes that the journal takes in one record, and in all records of one input.
    pub(super) fn most(&self) -> (usize, usize) {
        let size = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        let piece = size(self.limits.record_bytes).max(1);
        let pieces = (size(self.limits.bytes) / piece + 2).min(self.limits.records as usize);
        let overhead = pieces * synod_journal::Record::OVERHEAD as usize;
        (piece, size(self.limits.bytes).min(pieces * piece).saturating_sub(overhead))
    }

    /// The largest setup, input or answer of so many bytes at most that fits into an append, with
    /// what is stored beside it.
    pub(super) fn fitting(&self, configured: u64, beside: usize) -> usize {
        let (_, most) = self.most();
        let configured = usize::try_from(configured).unwrap_or(usize::MAX);
        configured.min(most.saturating_sub(ROOM + beside))
    }

    /// Takes over what an input of a conversation brought. It is stored with the batch.
    pub(super) fn gather(
        &mut self,
        id: ConversationId,
        entry: EntryV1,
        change: Change,
        answer: Option<Release<P>>,
    ) {
        let entry = entry.telling(&change.notes);
        self.gauges.notes.increment(change.notes.len() as u64);
        let told = Release::Told(id, Box::new(change));
        self.gather_entry(entry, answer.into_iter().chain([told]).collect());
    }

    pub(super) fn gather_entry(&mut self, mut entry: EntryV1, releases: Vec<Release<P>>) {
        let (piece, most) = self.most();
        let records = entry.encode(piece, most).unwrap_or_else(|error| {
            // Limits are checked before something is taken, so this is a fault of the program.
            tracing::error!(%error, "a record can't be encoded");
            self.broken = Some(format!("it can't be stored: {error}"));
            Vec::new()
        });
        self.queue.push(Entry { records, releases });
    }

    /// Does this once all that the book says now is stored.
    pub(super) fn release_when_stored(&mut self, release: Release<P>) {
        match (self.queue.last_releases(), &mut self.flight) {
            (Some(releases), _) => releases.push(release),
            (None, Some(flight)) => flight.releases.push(release),
            (None, None) => {
                self.queue.push(Entry { records: Vec::new(), releases: vec![release] });
            }
        }
    }

    /// Sends what was gathered to the journal, unless an append is under way: then it goes on
    /// gathering until that is done.
    pub(super) fn flush(&mut self, ctx: &mut Context<Self>) {
        while self.flight.is_none() {
            let Some(Entry { records, releases }) = self.pack() else { return };
            if records.is_empty() {
                self.release_all(releases, None, ctx);
                continue;
            }
            let Some(stream) = self.stream else { return };
            let sent = self.append_of(stream, records);
            self.head.append += 1;
            let append = self.head.append;
            self.send(append, sent.clone(), ctx);
            self.flight = Some(Flight { append, sent, releases });
        }
    }

    /// The next entries that fit into one append.
    pub(super) fn pack(&mut self) -> Option<Entry<P>> {
        self.queue.pack(AppendBounds::within(self.limits))
    }

    pub(super) fn append_of(&self, stream: Stream, records: Vec<Record>) -> Append {
        Append {
            partition: DESK_PARTITION,
            stream,
            expected: Expected::Exact(self.head.version),
            epoch: self.head.epoch,
            records,
        }
    }

    fn send(&self, append: u64, sent: Append, ctx: &Context<Self>) {
        let done = move |outcome| DeskMessage::Own(Own(Event::Appended { append, outcome }));
        let within = self.journal_timeout();
        self.journal.ask_into_with(sent, within, append_options(), &ctx.address(), done);
    }

    /// The append has an outcome.
    pub(super) async fn appended(
        &mut self,
        append: u64,
        outcome: Asked<Result<Committed, AppendError>>,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        let Some(mut flight) = self.flight.take_if(|flight| flight.append == append) else {
            // It was given up in a rebuild.
            return Ok(());
        };
        let failed = match outcome {
            Ok(Ok(committed)) => {
                self.stored(&flight.sent.records, committed);
                self.release_all(flight.releases, Some(committed.last), ctx);
                return Ok(());
            }
            Ok(Err(AppendError::Fenced { current, .. })) if current > self.head.epoch => {
                // Nothing was stored: the owner of a partition has begun anew since.
                (self.head.epoch, flight.sent.epoch) = (current, current);
                self.head.append += 1;
                flight.append = self.head.append;
                self.send(flight.append, flight.sent.clone(), ctx);
                self.flight = Some(flight);
                return Ok(());
            }
            Ok(Err(error)) => Failed::from(error),
            Err(error) => Failed::from(error),
        };
        self.flight = Some(flight);
        self.fail(failed, ctx).await
    }

    pub(super) fn stored(&mut self, records: &[Record], committed: Committed) {
        self.head.version = committed.stream_version;
        let bytes = records.iter().map(|record| record.bytes.len() as u64).sum();
        self.keeping.stored(records.len() as u64, bytes);
    }
}

/// One priority for all appends, so that none overtakes another.
pub(super) fn append_options() -> SendOptions {
    SendOptions::new().priority(Priority::High)
}

/// Why an append failed, for who waits for it.
#[derive(Debug, Clone)]
pub(super) struct Failed {
    pub reason: String,
    /// Whether it may have been stored all the same.
    pub is_unknown: bool,
    /// Whether it was the append itself that was wrong, and not the journal: others may go on.
    pub by_itself: bool,
}

impl Failed {
    /// What who waits for the append learns.
    pub(super) fn error(&self) -> DeskError {
        match self.is_unknown {
            true => DeskError::OutcomeUnknown(self.reason.clone()),
            false => DeskError::NotAccepting(self.reason.clone()),
        }
    }
}

impl From<AppendError> for Failed {
    fn from(error: AppendError) -> Self {
        let by_itself = matches!(error, AppendError::TooLarge { .. } | AppendError::Invalid(_));
        let is_unknown = error == AppendError::OutcomeUnknown;
        let reason = match error {
            error if by_itself => format!("it can't be stored: {error}"),
            error if is_unknown => error.to_string(),
            error => format!("the journal takes nothing: {error}"),
        };
        Self { reason, is_unknown, by_itself }
    }
}

impl From<AskError> for Failed {
    fn from(error: AskError) -> Self {
        let is_unknown = matches!(error, AskError::Deadline | AskError::Unanswered);
        let reason = match is_unknown {
            true => format!("the journal gave no answer ({error})"),
            false => format!("the journal takes nothing: {error}"),
        };
        Self { reason, is_unknown, by_itself: false }
    }
}
