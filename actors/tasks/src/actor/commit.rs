//! Storing what was gathered, and releasing it in order once it is stored.

use synod_journal::{Append, AppendBounds, AppendError, Committed, Epoch, Expected, Record};
use synod_runtime::{ActorError, AskError, Context, Priority, SendOptions};

use super::TaskEngine;
use super::release::Release;
use super::step::{Asked, Own, Step};
use crate::machine::{Book, Command, Effects};
use crate::messages::TasksMessage;
use crate::records;
use crate::task::TaskId;

/// What has been gathered since the last append.
pub(super) struct Gathering {
    pub effects: Effects,
    /// What is to be done once the records are stored, in order.
    pub releases: Vec<Release>,
}

impl Gathering {
    /// The first batch.
    pub(super) fn new() -> Self {
        Self { effects: Effects::after(0, AppendBounds::default()), releases: Vec::new() }
    }

    /// Takes what was gathered out; the next batch begins.
    fn take(&mut self) -> Self {
        Self { effects: self.effects.take(), releases: std::mem::take(&mut self.releases) }
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.effects.has_records() && self.releases.is_empty()
    }

    /// Whether it fills an append.
    pub(super) fn is_heavy(&self) -> bool {
        let AppendBounds { records, bytes, .. } = self.effects.bounds;
        self.effects.weight >= bytes || self.effects.records.len() >= records
    }
}

/// An append that is under way.
pub(super) struct Flight {
    append: u64,
    outcome: Option<Committed>,
    /// The batch that is stored with it; the earlier appends of a batch have none.
    batch: Option<u64>,
    releases: Vec<Release>,
    /// What is durable once it is stored, when a snapshot is due.
    image: Option<Book>,
}

/// Where the stream ends, appends under way included.
#[derive(Default)]
pub(super) struct LogHead {
    /// How many records it has ever had.
    pub version: u64,
    /// The number of the last append.
    pub append: u64,
    /// The last batch that is stored.
    pub stored: u64,
}

impl TaskEngine {
    /// Takes over what the machine commands; what only concerns who waits is prepared now, as the
    /// state it tells of may be forgotten later.
    pub(super) fn gather(&mut self) {
        let mut commands = std::mem::take(&mut self.gathering.effects.commands);
        for command in commands.drain(..) {
            match command {
                Command::Ended(task) => self.task_ended(task),
                command => self.gathering.releases.push(Release::Command(command)),
            }
        }
        // Its memory is used again.
        self.gathering.effects.commands = commands;
        self.prompt.append(&mut self.gathering.effects.prompt);
    }

    fn task_ended(&mut self, id: TaskId) {
        let replies = self.waiters.take(id);
        if replies.is_empty() {
            return;
        }
        if let Some((status, blob, _)) = self.machine.status(id) {
            let release = Release::Status(replies, Some(Box::new(status)), blob);
            self.gathering.releases.push(release);
        }
    }

    /// Stores what was gathered, unless as many appends are under way as may be: then it goes on
    /// gathering until one of them is done.
    pub(super) fn commit(&mut self, ctx: &mut Context<Self>) {
        let most = self.machine.config().appends_in_flight as usize;
        if self.gathering.is_empty() {
            return;
        }
        if self.gathering.effects.has_records() {
            if self.flights.len() < most || self.gathering.is_heavy() {
                self.flush(ctx);
            }
            return;
        }
        let releases = std::mem::take(&mut self.gathering.releases);
        match self.flights.back_mut() {
            Some(last) => last.releases.extend(releases),
            None => {
                self.release_all(releases, ctx);
                self.flush(ctx);
            }
        }
    }

    /// Sends what was gathered to the journal, in appends of bounded size.
    pub(super) fn flush(&mut self, ctx: &mut Context<Self>) {
        if !self.gathering.effects.has_records() {
            return;
        }
        let Gathering { effects, releases } = self.gathering.take();
        let batch = effects.batch;
        self.log_decisions(&effects);
        let records = match effects.encode() {
            Ok(records) => records,
            Err(error) => {
                // Limits are checked at acceptance, so this is a fault of the program. The append
                // of nothing fails, and so does the batch.
                tracing::error!(%error, "a record can't be encoded");
                Vec::new()
            }
        };
        let mut appends = effects.bounds.split(records);
        let last = appends.pop().unwrap_or_default();
        for records in appends {
            self.append(records, None, Vec::new(), ctx);
        }
        self.append(last, Some(batch), releases, ctx);
    }

    fn append(
        &mut self,
        records: Vec<Record>,
        batch: Option<u64>,
        releases: Vec<Release>,
        ctx: &mut Context<Self>,
    ) {
        let expected = Expected::Exact(self.head.version);
        let bytes: u64 = records.iter().map(|record| record.bytes.len() as u64).sum();
        self.head.version += records.len() as u64;
        self.keeping.stored(records.len() as u64, bytes);
        self.head.append += 1;
        let append = self.head.append;
        let due = batch.is_some() && self.keeping.is_due(self.machine.config());
        let image = due.then(|| self.machine.book().clone());
        self.flights.push_back(Flight { append, outcome: None, batch, releases, image });
        let request = Append {
            partition: records::ENGINE_PARTITION,
            stream: records::STREAM,
            expected,
            epoch: Epoch(self.machine.book().epoch),
            records,
        };
        let done = move |outcome| TasksMessage::Own(Step(Own::Appended { append, outcome }));
        let within = self.journal_timeout();
        self.journal.ask_into_with(request, within, append_options(), &ctx.address(), done);
    }

    /// An append has an outcome. What it and all before it stored is released.
    pub(super) async fn appended(
        &mut self,
        append: u64,
        outcome: Asked<Result<Committed, AppendError>>,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        let Some(at) = self.flights.iter().position(|flight| flight.append == append) else {
            // It was given up in a rebuild.
            return Ok(());
        };
        let flight = &mut self.flights[at];
        match outcome {
            Ok(Ok(committed)) => flight.outcome = Some(committed),
            Ok(Err(error)) => return self.fail(&Failed::from(error).after(at), ctx).await,
            Err(error) => return self.fail(&Failed::from(error).after(at), ctx).await,
        }
        while let Some(committed) = self.flights.front().and_then(|flight| flight.outcome) {
            let Some(flight) = self.flights.pop_front() else { break };
            self.head.stored = flight.batch.unwrap_or(self.head.stored);
            self.release_all(flight.releases, ctx);
            if let Some(book) = flight.image {
                self.keep(committed.last, book, ctx);
            }
        }
        Ok(())
    }

    /// Releases when the batch is over and all that it follows from is stored.
    pub(super) fn release_when_stored(&mut self, release: Release) {
        self.gathering.releases.push(release);
    }

    /// Every release that waits for an append or for one to be sent.
    pub(super) fn unreleased(&mut self) -> Vec<Release> {
        let gathered = self.gathering.take();
        let flights = std::mem::take(&mut self.flights);
        let under_way = flights.into_iter().flat_map(|flight| flight.releases);
        under_way.chain(gathered.releases).collect()
    }
}

/// One priority for all appends, so that none overtakes another.
pub(super) fn append_options() -> SendOptions {
    SendOptions::new().priority(Priority::High)
}

/// Why an append failed, for who waited for it.
pub(super) struct Failed {
    pub reason: String,
    /// Whether it was the append itself that was wrong, and not the journal: others may go on.
    pub by_itself: bool,
}

impl Failed {
    /// The same when so many appends that were sent before it have no outcome yet. They may be
    /// stored, as a log that has just lost its leader refuses at once what it is asked now.
    fn after(self, open: usize) -> Self {
        if open == 0 {
            return self;
        }
        Self { reason: format!("the outcome is unknown: {}", self.reason), ..self }
    }
}

impl From<AppendError> for Failed {
    fn from(error: AppendError) -> Self {
        let by_itself = matches!(error, AppendError::TooLarge { .. } | AppendError::Invalid(_));
        let reason = match error {
            AppendError::OutcomeUnknown => format!("the outcome is unknown: {error}"),
            error if by_itself => format!("it can't be stored: {error}"),
            error => format!("the journal takes nothing: {error}"),
        };
        Self { reason, by_itself }
    }
}

impl From<AskError> for Failed {
    fn from(error: AskError) -> Self {
        let reason = match error {
            AskError::Deadline | AskError::Unanswered => {
                format!("the outcome is unknown: the journal gave no answer ({error})")
            }
            error => format!("the journal takes nothing: {error}"),
        };
        Self { reason, by_itself: false }
    }
}
