//! The actor that speaks the journal's messages for a work group.

use std::sync::Arc;
use std::time::Duration;

use synod_journal::{
    Append, AppendError, AppendLimits, Contents, Health, JournalHealth, JournalMessage,
    LoadSnapshot, Page, Position, ReadError, ReadStream, Record, Snapshot, SnapshotError,
    Truncated,
};
use synod_runtime::{Actor, ActorError, Address, Context, MailboxConfig, Reply, Request, Spec};
use tokio::task::JoinSet;

use super::command::encode_append;
use super::storing::Storing;
use super::streams::Streams;
use crate::consensus::{GroupId, Groups, Outcome, ProposeFault, Replica, gather};

/// Messages that may wait for it.
const MAILBOX: usize = 4_096;

/// Reads and stores of snapshots and blobs that may be under way.
const JOBS: usize = 64;

/// Records and bytes of a page, whatever the reader asks for.
const PAGE: (u32, u64) = (4_096, 4 << 20);

/// How long the node's own journal may take to say how it is.
const WITHIN: Duration = Duration::from_secs(10);

/// The journal of a work group, `log-<group>`. It answers on every node, and takes appends where
/// the group is led.
pub struct GroupLog {
    group: GroupId,
    groups: Groups,
    replica: Arc<Replica>,
    limits: AppendLimits,
    jobs: JoinSet<()>,
    appends: u64,
    records: u64,
}

impl GroupLog {
    /// The log of a group of this node. Its address takes what the node's own journal takes.
    #[must_use]
    pub fn spec(group: GroupId, groups: &Groups) -> Spec<Self> {
        let groups = groups.clone();
        let factory = move || Self {
            group,
            replica: groups.site.replica(group),
            groups: groups.clone(),
            limits: AppendLimits::default(),
            jobs: JoinSet::new(),
            appends: 0,
            records: 0,
        };
        Spec::new(format!("log-{group}"), factory).mailbox(MailboxConfig::bounded(MAILBOX))
    }

    /// Its address, for an engine that is given one of a journal.
    #[must_use]
    pub fn address(spec: &Spec<Self>) -> Address<JournalMessage> {
        spec.address()
    }

    async fn append(&mut self, request: Request<Append>) {
        let (append, reply) = request.into_parts();
        if !self.replica.accepts() {
            return reply.send(Err(AppendError::NotOwner));
        }
        if let Some(reason) = self.replica.stalled() {
            return reply.send(Err(AppendError::DiskFull(reason)));
        }
        if let Err(error) = measure(&self.limits, &append) {
            return reply.send(Err(error));
        }
        let stream = append.stream;
        let command = match encode_append(&append, self.groups.site.now_us()) {
            Ok(command) => command,
            Err(error) => return reply.send(Err(AppendError::Failed(error.to_string()))),
        };
        self.appends += 1;
        self.records += append.records.len() as u64;
        let answer = move |outcome| {
            reply.send(match outcome {
                Ok(Outcome::Streams(answer)) => answer.committed(stream),
                Ok(_) | Err(ProposeFault::Unknown) => Err(AppendError::OutcomeUnknown),
                Err(ProposeFault::NotLeader(_)) => Err(AppendError::NotOwner),
                Err(ProposeFault::Overloaded) => Err(AppendError::Overloaded),
            });
        };
        self.replica.propose(command, Box::new(answer)).await;
    }

    fn read(&self, mut read: ReadStream) -> Result<Page, ReadError> {
        read.max_records = read.max_records.clamp(1, PAGE.0);
        read.max_bytes = read.max_bytes.min(PAGE.1);
        self.look(|streams| streams.read(&read)).map_err(ReadError::Io)
    }

    /// Looks at the state, on the leader alone: elsewhere it may be behind.
    fn look<T>(&self, at: impl FnOnce(&Streams) -> T) -> Result<T, String> {
        if !self.replica.accepts() {
            return Err(self.refusal());
        }
        let applied = self.replica.applied().map_err(|error| error.to_string())?;
        let applied = applied.read();
        let streams = applied.streams().ok_or("it is the control group")?;
        Ok(at(streams))
    }

    /// Why this node doesn't take what the group is asked.
    fn refusal(&self) -> String {
        let view = self.replica.view();
        let group = self.group;
        match (view.fault, view.leader) {
            (Some(fault), _) => format!("group {group} does not run here: {fault}"),
            (None, Some(leader)) if leader == self.groups.own() && view.quorum_ok => {
                format!("group {group} is being taken over by this node")
            }
            (None, Some(leader)) if leader == self.groups.own() => {
                format!("group {group} has no quorum")
            }
            (None, Some(leader)) => format!("group {group} is led by node {leader}"),
            (None, None) => format!("group {group} has no leader"),
        }
    }

    fn load(&mut self, request: Request<LoadSnapshot>) {
        let (LoadSnapshot { stream }, reply) = request.into_parts();
        let kept = match self.look(|streams| streams.snapshot(&stream).cloned()) {
            Ok(Some(kept)) => kept,
            Ok(None) => return reply.send(Ok(None)),
            Err(reason) => return reply.send(Err(SnapshotError::Io(reason))),
        };
        let (group, journal) = (self.group, self.groups.journal().clone());
        self.job(reply, Err(SnapshotError::Overloaded), async move {
            let bytes = gather(&journal, group, &kept.pieces).await;
            let bytes = bytes.map_err(|error| SnapshotError::Io(error.to_string()))?;
            Ok(Some(Snapshot { at: kept.at, version: kept.version, bytes }))
        });
    }

    /// Works beside the mailbox, or answers with `refusal` when too much is under way. All work
    /// ends by itself: proposals and the journal's answers have deadlines.
    fn job<R: Send + 'static>(
        &mut self,
        reply: Reply<R>,
        refusal: R,
        work: impl Future<Output = R> + Send + 'static,
    ) {
        while self.jobs.try_join_next().is_some() {}
        if self.jobs.len() >= JOBS {
            return reply.send(refusal);
        }
        self.jobs.spawn(async move { reply.send(work.await) });
    }

    fn health(&self) -> JournalHealth {
        let stalled = self.replica.stalled().map(|reason| format!("disk: {reason}"));
        let reason = if self.replica.accepts() { stalled } else { Some(self.refusal()) };
        let mut health = JournalHealth {
            accepting: reason.is_none(),
            reason,
            pending: self.replica.pending() as u64,
            appends: self.appends,
            records: self.records,
            limits: self.limits,
            ..JournalHealth::default()
        };
        if let Ok(applied) = self.replica.applied()
            && let Some(streams) = applied.read().streams()
        {
            (health.first, health.last) = (streams.first(), streams.last());
            (health.bytes, health.streams) = (streams.tail_bytes(), streams.count() as u64);
        }
        health
    }

    fn storing(&self) -> Storing {
        Storing {
            group: self.group,
            replica: Arc::clone(&self.replica),
            journal: self.groups.journal().clone(),
            now_us: self.groups.site.now_us(),
            grace_us: self.groups.config().blob_grace_s.saturating_mul(1_000_000),
            piece_bytes: self.limits.record_bytes,
        }
    }
}

impl Actor for GroupLog {
    type Message = JournalMessage;

    const KIND: &'static str = "group log";

    async fn start(&mut self, _ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let own = self.groups.journal().ask(Health {}, WITHIN).await?.limits;
        self.limits = limits(own, self.groups.config().max_payload_bytes);
        Ok(())
    }

    async fn handle(
        &mut self,
        message: JournalMessage,
        _ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match message {
            JournalMessage::Append(request) => self.append(request).await,
            JournalMessage::ReadStream(request) => {
                let page = self.read(request.body);
                request.answer(page);
            }
            JournalMessage::LoadSnapshot(request) => self.load(request),
            JournalMessage::SaveSnapshot(request) => {
                let (save, reply) = request.into_parts();
                let storing = self.storing();
                let work = async move { storing.save_snapshot(save).await };
                self.job(reply, Err(SnapshotError::Overloaded), work);
            }
            JournalMessage::PutBlob(request) => {
                let (put, reply) = request.into_parts();
                let storing = self.storing();
                let work = async move { storing.put_blob(put).await };
                self.job(reply, Err(synod_journal::BlobError::Overloaded), work);
            }
            JournalMessage::GetBlob(request) => {
                let (get, reply) = request.into_parts();
                let storing = self.storing();
                let work = async move { storing.get_blob(get).await };
                self.job(reply, Err(synod_journal::BlobError::Overloaded), work);
            }
            JournalMessage::SweepBlobs(request) => {
                let (sweep, reply) = request.into_parts();
                let storing = self.storing();
                let work = async move { storing.sweep_blobs(sweep).await };
                self.job(reply, Err(synod_journal::BlobError::Overloaded), work);
            }
            JournalMessage::ListBlobs(request) => {
                let owner = request.body.owner;
                let owned = self.look(|streams| streams.owned(&owner));
                request.answer(owned.map_err(synod_journal::BlobError::Io));
            }
            JournalMessage::Survey(request) => {
                // Where the group isn't led it may be behind: nothing is told of it there.
                let nothing =
                    || Contents { streams: vec![], epochs: vec![], last: Position::START };
                let contents = self.look(Streams::contents).unwrap_or_else(|_| nothing());
                request.answer(contents);
            }
            // What snapshots contain has gone when they were saved.
            JournalMessage::Truncate(request) => {
                let first = self.look(Streams::first).unwrap_or_default();
                request.answer(Ok(Truncated { segments: 0, first }));
            }
            JournalMessage::Health(request) => {
                let health = self.health();
                request.answer(health);
            }
            // The journal's own; nobody can send one here.
            JournalMessage::Event(_) => {}
        }
        Ok(())
    }
}

/// What an append to a group may hold, when the node's journal takes so much: it becomes one
/// entry, which the journal must take as a whole; what it takes more there than here is in the
/// half.
pub(super) fn limits(own: AppendLimits, most: u64) -> AppendLimits {
    let bytes = own.bytes.min(most) / 2;
    let record_bytes = own.record_bytes.min(bytes.saturating_sub(Record::OVERHEAD));
    AppendLimits { records: own.records, record_bytes, bytes }
}

/// What the journal would say of an append before it looks at any stream.
fn measure(limits: &AppendLimits, append: &Append) -> Result<(), AppendError> {
    let within = |what, found, limit| match found <= limit {
        true => Ok(()),
        false => Err(AppendError::TooLarge { what, found, limit }),
    };
    if append.records.is_empty() {
        return Err(AppendError::Invalid("it has no records"));
    }
    within("number of records", append.records.len() as u64, limits.records.into())?;
    for record in &append.records {
        within("record", record.bytes.len() as u64, limits.record_bytes)?;
    }
    let bytes = append.records.iter().map(|record| record.weight() as u64).sum();
    within("append", bytes, limits.bytes)
}
