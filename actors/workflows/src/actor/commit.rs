//! Storing what was gathered, and releasing it in order once it is stored.

use synod_journal::{Append, AppendBounds, AppendError, Committed, Epoch, Expected, Record};
use synod_runtime::{ActorError, AskError, Context, Priority, SendOptions};

use super::WorkflowEngine;
use super::step::{Asked, Own, Step};
use super::stored::Release;
use crate::history::EngineEvent;
use crate::messages::WorkflowsMessage;
use crate::records;

/// What has been gathered since the last append.
#[derive(Default)]
pub(super) struct Gathering {
    records: Vec<Record>,
    weight: usize,
    /// What is to be done once the records are stored, in order.
    pub releases: Vec<Release>,
}

impl Gathering {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.releases.is_empty()
    }

    /// Whether it fills an append.
    pub(super) fn is_heavy(&self, bounds: AppendBounds) -> bool {
        self.weight >= bounds.bytes || self.records.len() >= bounds.records
    }

    pub(super) fn add(&mut self, record: Record) {
        self.weight += record.weight();
        self.records.push(record);
    }
}

/// An append that is under way.
pub(super) struct Flight {
    append: u64,
    /// As it was sent.
    sent: Append,
    outcome: Option<Committed>,
    releases: Vec<Release>,
}

/// Where the stream ends, appends under way included.
#[derive(Default)]
pub(super) struct LogHead {
    /// How many records it has ever had.
    pub version: u64,
    /// The number of the last append.
    pub append: u64,
    /// The highest epoch of a partition that is known. Epochs are those of the partitions' owner,
    /// which is the node: another engine on it raises them when it begins anew. An incarnation of
    /// this one is told from another by the version that its appends expect.
    pub epoch: Epoch,
    /// What one append may hold.
    pub bounds: AppendBounds,
}

impl WorkflowEngine {
    /// Gathers something that happened to the engine; the index takes it over once it is stored.
    pub(super) fn gather_engine(&mut self, event: EngineEvent) {
        match records::encode_engine(&event) {
            Ok(record) => self.gathering.add(record),
            // Its texts are bounded, so this is a fault of the program.
            Err(error) => return tracing::error!(%error, "a record can't be encoded"),
        }
        self.gathering.releases.push(Release::Engine(event));
    }

    /// Stores what was gathered, unless as many appends are under way as may be: then it goes on
    /// gathering until one of them is done.
    pub(super) fn commit(&mut self, ctx: &mut Context<Self>) {
        if self.gathering.is_empty() {
            return;
        }
        let most = self.config.appends_in_flight as usize;
        if !self.gathering.records.is_empty() {
            if self.flights.len() < most || self.gathering.is_heavy(self.head.bounds) {
                self.flush(ctx);
            }
            return;
        }
        let releases = std::mem::take(&mut self.gathering.releases);
        match self.flights.back_mut() {
            Some(last) => last.releases.extend(releases),
            None => self.release_all(releases, ctx),
        }
    }

    /// Sends what was gathered to the journal, in appends of bounded size.
    pub(super) fn flush(&mut self, ctx: &mut Context<Self>) {
        if self.gathering.records.is_empty() {
            return;
        }
        let Gathering { records, releases, .. } = std::mem::take(&mut self.gathering);
        let mut appends = self.head.bounds.split(records);
        let last = appends.pop().unwrap_or_default();
        for records in appends {
            self.append(records, Vec::new(), ctx);
        }
        self.append(last, releases, ctx);
    }

    fn append(&mut self, records: Vec<Record>, releases: Vec<Release>, ctx: &Context<Self>) {
        let sent = self.append_of(records);
        self.head.append += 1;
        let append = self.head.append;
        self.send(append, sent.clone(), ctx);
        self.flights.push_back(Flight { append, sent, outcome: None, releases });
    }

    fn send(&self, append: u64, sent: Append, ctx: &Context<Self>) {
        let done = move |outcome| WorkflowsMessage::Own(Step(Own::Appended { append, outcome }));
        let within = self.journal_timeout();
        self.journal.ask_into_with(sent, within, append_options(), &ctx.address(), done);
    }

    /// A partition is at a higher epoch than was known: nothing was stored from that append on, as
    /// the later ones expect it to be there. All of them are sent again.
    fn send_again(&mut self, from: u64, ctx: &Context<Self>) {
        let flights = std::mem::take(&mut self.flights);
        for mut flight in flights {
            if flight.append >= from {
                self.head.append += 1;
                flight.append = self.head.append;
                flight.sent.epoch = self.head.epoch;
                self.send(flight.append, flight.sent.clone(), ctx);
            }
            self.flights.push_back(flight);
        }
    }

    fn append_of(&mut self, records: Vec<Record>) -> Append {
        let expected = Expected::Exact(self.head.version);
        let bytes: u64 = records.iter().map(|record| record.bytes.len() as u64).sum();
        self.head.version += records.len() as u64;
        self.keeping.stored(records.len() as u64, bytes);
        Append {
            partition: records::ENGINE_PARTITION,
            stream: records::STREAM,
            expected,
            epoch: self.head.epoch,
            records,
        }
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
            Ok(Err(AppendError::Fenced { current, .. })) if current > self.head.epoch => {
                self.head.epoch = current;
                self.send_again(append, ctx);
            }
            Ok(Err(error)) => return self.fail(Failed::from(error).after(at), ctx).await,
            Err(error) => return self.fail(Failed::from(error).after(at), ctx).await,
        }
        while let Some(committed) = self.flights.front().and_then(|flight| flight.outcome) {
            let Some(flight) = self.flights.pop_front() else { break };
            self.release_all(flight.releases, ctx);
            self.keep(committed.last, ctx);
        }
        Ok(())
    }

    /// Every release that waits for an append or for one to be sent.
    pub(super) fn unreleased(&mut self) -> Vec<Release> {
        let gathered = std::mem::take(&mut self.gathering);
        let flights = std::mem::take(&mut self.flights);
        let under_way = flights.into_iter().flat_map(|flight| flight.releases);
        under_way.chain(gathered.releases).collect()
    }

    /// Stores what was gathered and waits for it, at the end.
    pub(super) async fn store_the_rest(&mut self) {
        let Gathering { records, releases, .. } = std::mem::take(&mut self.gathering);
        for records in
            self.head.bounds.split(records).into_iter().filter(|records| !records.is_empty())
        {
            let append = self.append_of(records);
            let within = self.journal_timeout();
            match self.journal.ask_with(append, within, append_options()).await {
                Ok(Ok(_)) => {}
                outcome => return tracing::warn!(?outcome, "the last records were not stored"),
            }
        }
        // They build on all appends before them, so those are stored too.
        let before = std::mem::take(&mut self.flights);
        let before = before.into_iter().flat_map(|flight| flight.releases);
        for release in before.chain(releases) {
            self.release_last(release);
        }
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
