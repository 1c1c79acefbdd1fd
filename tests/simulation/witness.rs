//! Looks on between the parts of a node: at the log of each group on its way to the disk, and at
//! the appends of the engines. It can slow the disk down, and do planted wrongs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Deserialize;
use synod::node::{ClusterParts, Witness};
use synod_cluster::GroupId;
use synod_journal::{
    Append, AppendError, Committed, JournalMessage, Position, Record, RecordCodec, StoredRecord,
    Stream,
};
use synod_runtime::{Address, Metadata, Request, Route, SendOptions, TrySendError};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::facts::{Facts, fingerprint};

/// A wrong that is done on purpose, to see that it is found out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Planted {
    #[default]
    Nothing,
    /// Syncs say that they are done, and do nothing.
    SkippedSync,
    /// Nodes that hear nothing begin a new term at once.
    NoPreVote,
    /// What a former owner appends is acknowledged.
    StaleEpoch,
    /// The end of a task is taken twice.
    DoubleTaking,
}

/// What is known of one node by who looks on; outlives its starts.
#[derive(Clone)]
pub(crate) struct Eye {
    pub(crate) node: usize,
    pub(crate) facts: Arc<Mutex<Facts>>,
    pub(crate) planted: Planted,
    /// How long each append to the disk takes.
    pub(crate) slow: Arc<Mutex<Duration>>,
    pub(crate) parts: Arc<Mutex<Option<ClusterParts>>>,
    /// Where the last append of its engines was stored, and how many records there were by then.
    pub(crate) last: Arc<Mutex<(u64, u64)>>,
    /// The log of the work.
    pub(crate) log: Arc<Mutex<Option<Address<JournalMessage>>>>,
}

impl Eye {
    pub(crate) fn new(node: usize, facts: Arc<Mutex<Facts>>, planted: Planted) -> Self {
        Self {
            node,
            facts,
            planted,
            slow: Arc::default(),
            parts: Arc::default(),
            last: Arc::default(),
            log: Arc::default(),
        }
    }
}

impl Witness for Eye {
    fn journal(&self, real: Address<JournalMessage>) -> Address<JournalMessage> {
        between(real, Watch { eye: self.clone(), work: false })
    }

    fn work_log(&self, real: Address<JournalMessage>) -> Address<JournalMessage> {
        *self.log.lock() = Some(real.clone());
        between(real, Watch { eye: self.clone(), work: true })
    }

    fn parts(&self, parts: ClusterParts) {
        self.facts.lock().forget(self.node);
        for group in [GroupId::CONTROL, GroupId(1)] {
            let (eye, mut view) = (self.clone(), parts.groups.watch(group));
            tokio::spawn(async move {
                loop {
                    let seen = view.borrow_and_update().clone();
                    eye.facts.lock().view(eye.node, &seen);
                    if view.changed().await.is_err() {
                        return;
                    }
                }
            });
        }
        *self.parts.lock() = Some(parts);
    }
}

/// Where messages go on their way, in order.
struct Way {
    real: Address<JournalMessage>,
    queue: mpsc::UnboundedSender<(JournalMessage, SendOptions)>,
}

impl Route<JournalMessage> for Way {
    fn deliver(
        &self,
        message: JournalMessage,
        metadata: Metadata,
    ) -> Result<(), TrySendError<JournalMessage>> {
        if self.real.is_closed() {
            return Err(TrySendError::Closed(message));
        }
        let options = SendOptions::new().priority(metadata.priority);
        let sent = self.queue.send((message, options));
        sent.map_err(|refused| TrySendError::Closed(refused.0.0))
    }

    fn is_closed(&self) -> bool {
        self.real.is_closed()
    }
}

fn between(real: Address<JournalMessage>, watch: Watch) -> Address<JournalMessage> {
    let (queue, arrived) = mpsc::unbounded_channel();
    tokio::spawn(watch.pass(real.clone(), arrived));
    Address::routed(real.path(), Arc::new(Way { real, queue }))
}

#[derive(Clone)]
struct Watch {
    eye: Eye,
    /// Whether it is the engines' log, not the node's own journal.
    work: bool,
}

impl Watch {
    async fn pass(
        self,
        real: Address<JournalMessage>,
        mut arrived: mpsc::UnboundedReceiver<(JournalMessage, SendOptions)>,
    ) {
        let parts = Arc::new(Mutex::new(BTreeMap::new()));
        while let Some((message, options)) = arrived.recv().await {
            let slow = *self.eye.slow.lock();
            if !self.work && !slow.is_zero() && matches!(message, JournalMessage::Append(_)) {
                sleep(slow).await;
            }
            let (watch, real, parts) = (self.clone(), real.clone(), Arc::clone(&parts));
            // Tasks are begun in the order in which they were spawned, and ask at once.
            tokio::spawn(async move {
                match message {
                    JournalMessage::Append(request) if watch.work => {
                        watch.append_work(request, &real, options).await;
                    }
                    JournalMessage::Append(request) => {
                        watch.append_own(request, &real, options, &parts).await;
                    }
                    JournalMessage::ReadStream(request) if !watch.work => {
                        let (read, reply) = request.into_parts();
                        let within = reply.deadline().saturating_duration_since(Instant::now());
                        if let Ok(page) = real.ask_with(read, within, options).await {
                            if let Ok(page) = &page {
                                watch.read(read.stream, &page.records);
                            }
                            reply.send(page);
                        }
                    }
                    other => drop(real.try_send_with(other, options)),
                }
            });
        }
    }

    /// An append to the node's own disk.
    async fn append_own(
        &self,
        request: Request<Append>,
        real: &Address<JournalMessage>,
        options: SendOptions,
        parts: &Mutex<BTreeMap<u32, Vec<u8>>>,
    ) {
        let (append, reply) = request.into_parts();
        self.entries(&append, &mut parts.lock());
        let of_group = group_of(append.stream).is_some();
        if of_group {
            self.eye.facts.lock().writes(self.eye.node);
        }
        let within = reply.deadline().saturating_duration_since(Instant::now());
        let answer = real.ask_with(append, within, options).await;
        if of_group {
            self.eye.facts.lock().written(self.eye.node, matches!(answer, Ok(Ok(_))));
        }
        if let Ok(answer) = answer {
            reply.send(answer);
        }
    }

    /// An append of an engine.
    async fn append_work(
        &self,
        request: Request<Append>,
        real: &Address<JournalMessage>,
        options: SendOptions,
    ) {
        let (mut append, reply) = request.into_parts();
        let is_end = |record: &&Record| record.kind.as_str() == "task.ended";
        if self.eye.planted == Planted::DoubleTaking {
            let end = append.records.iter().rfind(is_end).cloned();
            append.records.extend(end);
        }
        // A record of a task begins with the task's id.
        let ended = append.records.iter().filter(is_end).filter_map(|one| one.bytes.get(..16));
        let ended: Vec<_> = ended.map(<[u8]>::to_vec).collect();
        let within = reply.deadline().saturating_duration_since(Instant::now());
        let (stream, epoch, count) = (append.stream, append.epoch.0, append.records.len() as u64);
        let works = append.records.iter().any(|one| one.kind.as_str().starts_with("task."));
        let Ok(mut answer) = real.ask_with(append, within, options).await else { return };
        if self.eye.planted == Planted::StaleEpoch
            && let Err(AppendError::NotOwner | AppendError::OutcomeUnknown) = &answer
        {
            answer = Ok(self.made_up(count));
        }
        if let Ok(committed) = &answer
            && stream.to_string() == "tasks"
        {
            let places = (committed.first.0, committed.last.0);
            let mut facts = self.eye.facts.lock();
            facts.acknowledged(self.eye.node, places, epoch, works);
            ended.iter().for_each(|task| facts.ended(self.eye.node, task));
            self.remember(committed);
        }
        reply.send(answer);
    }

    fn remember(&self, committed: &Committed) {
        *self.eye.last.lock() = (committed.last.0, committed.stream_version);
    }

    /// The answer that an owner of old would have given.
    fn made_up(&self, count: u64) -> Committed {
        let (last, version) = *self.eye.last.lock();
        Committed {
            first: Position(last + 1),
            last: Position(last + count),
            stream_version: version + count,
        }
    }

    /// Entries of a group on their way to the disk.
    fn entries(&self, append: &Append, parts: &mut BTreeMap<u32, Vec<u8>>) {
        let Some(group) = group_of(append.stream) else { return };
        for record in &append.records {
            self.record(group, record.kind.as_str(), &record.bytes, parts);
        }
    }

    /// Entries that are read from the disk.
    fn read(&self, stream: Stream, records: &[StoredRecord]) {
        let Some(group) = group_of(stream) else { return };
        let mut parts = BTreeMap::new();
        for record in records {
            self.record(group, &record.kind, &record.bytes, &mut parts);
        }
    }

    fn record(&self, group: u32, kind: &str, bytes: &[u8], parts: &mut BTreeMap<u32, Vec<u8>>) {
        let mut facts = self.eye.facts.lock();
        match kind {
            "raft.part" => parts.entry(group).or_default().extend_from_slice(bytes),
            "raft.entry" => {
                let mut whole = parts.remove(&group).unwrap_or_default();
                whole.extend_from_slice(bytes);
                match place(&whole) {
                    Some((term, index)) => {
                        let held = (term, fingerprint(&whole));
                        facts.entry(self.eye.node, group, index, held);
                    }
                    None => facts.broken("an entry of a group can't be read"),
                }
            }
            "raft.truncated" => {
                if let Some(from) = bytes.first_chunk() {
                    facts.truncated(self.eye.node, group, u64::from_le_bytes(*from));
                }
            }
            _ => {}
        }
    }
}

/// The group whose log a stream is.
fn group_of(stream: Stream) -> Option<u32> {
    stream.to_string().strip_prefix("raft.")?.parse().ok()
}

/// How an entry begins.
#[derive(Deserialize)]
struct Head {
    id: (u64, u64),
    _kind: Kind,
}

#[derive(Deserialize)]
enum Kind {
    Blank,
    Command,
    Membership,
}

/// The term and the index of an entry.
fn place(whole: &[u8]) -> Option<(u64, u64)> {
    let head = whole.get(1..=usize::from(*whole.first()?))?;
    RecordCodec::decode::<Head>(head).ok().map(|head| head.id)
}
