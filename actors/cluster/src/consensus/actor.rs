//! The actors of consensus: one that has the groups, and one for each group.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use synod_journal::{
    Append, Expected, Health, JournalMessage, LoadSnapshot, Partition, Position, ReadStream,
    Record, RecordCodec, RecordKind, SaveSnapshot, Stream,
};
use synod_runtime::{
    Actor, ActorError, Address, Ask, Context, MailboxConfig, Request, Shutdown, Spec, Supervision,
    requests,
};

use super::config::ConsensusConfig;
use super::error::GroupError;
use super::group::{GROUP_LIMIT, GroupId, StorageId};
use super::groups::Groups;
use super::keeping::Group;
use super::network::Network;
use super::ports::{ConsensusPort, SnapshotPort};
use super::site::Site;
use super::store::fence;
use crate::node::NodeId;
use crate::wire::Service;

/// Which groups there are, and which disk this is.
const STREAM: Stream = Stream::new("raft");
const STORAGE: RecordKind = RecordKind::new("raft.storage");
const GROUP: RecordKind = RecordKind::new("raft.group");
const VERSION: u16 = 1;

/// How long the journal may take for one answer.
const WITHIN: Duration = Duration::from_secs(60);

/// How often the journal is told that all of the stream is in a snapshot, so that old segments
/// may go.
const KEEP: Duration = Duration::from_secs(30);

/// Failures of groups within half a minute that are borne: more than all of them can come to.
const FAILURES: u32 = 10_000;

/// What consensus is told.
#[derive(Debug)]
pub enum ConsensusMessage {
    /// Run a group on this node.
    Open(Request<OpenGroup>),
    /// Another node counts this one among the members of a group.
    Wanted(GroupId),
    /// It is time to let the journal forget what it can.
    Keep,
}

/// Runs a group on this node. Answered once it is being opened.
#[derive(Clone, Copy, Debug)]
pub struct OpenGroup {
    /// Which group.
    pub group: GroupId,
}

impl Ask for OpenGroup {
    type Reply = Result<(), GroupError>;
}

requests!(ConsensusMessage { Open(OpenGroup) });

/// Has the groups of a node, `consensus`; each is a child, `group-<number>`.
pub struct Consensus {
    site: Arc<Site>,
    known: BTreeSet<GroupId>,
    /// Up to where the stream is in a snapshot.
    kept: Position,
}

impl Consensus {
    /// Consensus on this node, and the handle to its groups. The groups that the journal knows of
    /// run again once it has started.
    #[must_use]
    pub fn spec(
        config: ConsensusConfig,
        own: NodeId,
        journal: Address<JournalMessage>,
        network: Arc<dyn Network>,
    ) -> (Spec<Self>, Groups) {
        let site = Arc::new(Site::new(own, config, journal, network));
        let made = Arc::clone(&site);
        // A group that fails waits longer and longer, and is told of; the others go on.
        let supervision = Supervision { intensity: FAILURES, ..Supervision::default() };
        let spec = Spec::new("consensus", move || Self {
            site: Arc::clone(&made),
            known: BTreeSet::new(),
            kept: Position::START,
        })
        .mailbox(MailboxConfig::bounded(1_024))
        .supervision(supervision)
        .start_timeout(Duration::from_secs(120))
        .shutdown(Shutdown::Within(Duration::from_secs(20)));
        // Nobody else sets it.
        let _ = site.consensus.set(spec.address());
        (spec, Groups { site })
    }

    /// What the stream `raft` says: which disk this is, and which groups it has.
    async fn recall(&mut self) -> Result<Option<StorageId>, ActorError> {
        let journal = &self.site.journal;
        let mut storage = None;
        let mut after = Position::START;
        if let Some(snapshot) = journal.ask(LoadSnapshot { stream: STREAM }, WITHIN).await?? {
            let (known, groups): (StorageId, Vec<u32>) = RecordCodec::decode(&snapshot.bytes)?;
            (storage, after) = (Some(known), snapshot.at);
            self.known.extend(groups.into_iter().map(GroupId));
        }
        loop {
            let page = ReadStream { stream: STREAM, after, max_records: 4_096, max_bytes: 1 << 20 };
            let page = journal.ask(page, WITHIN).await??;
            for record in &page.records {
                if record.kind == STORAGE.as_str() {
                    storage = Some(StorageId(RecordCodec::decode(&record.bytes)?));
                } else if record.kind == GROUP.as_str() {
                    self.known.insert(GroupId(RecordCodec::decode(&record.bytes)?));
                }
            }
            match page.next {
                Some(next) => after = next,
                None => return Ok(storage),
            }
        }
    }

    async fn note(&self, kind: RecordKind, bytes: bytes::Bytes) -> Result<(), ActorError> {
        let epoch = fence(&self.site.journal).await?;
        let append = Append {
            partition: Partition::default(),
            stream: STREAM,
            expected: Expected::Any,
            epoch,
            records: vec![Record::new(kind, VERSION, bytes)],
        };
        self.site.journal.ask(append, WITHIN).await??;
        Ok(())
    }

    async fn open(&mut self, group: GroupId, ctx: &mut Context<Self>) -> Result<(), GroupError> {
        if group.0 > GROUP_LIMIT {
            let reason = format!("group {group} is above {GROUP_LIMIT}");
            return Err(GroupError::Invalid { group, reason });
        }
        if self.known.insert(group) {
            let failed = |error: &dyn std::fmt::Display| GroupError::Storage {
                group,
                reason: error.to_string().into(),
            };
            let number = RecordCodec::encode(&group.0).map_err(|error| failed(&error))?;
            if let Err(error) = self.note(GROUP, number).await {
                self.known.remove(&group);
                return Err(failed(&error));
            }
        }
        self.run(group, ctx)
    }

    fn run(&self, group: GroupId, ctx: &mut Context<Self>) -> Result<(), GroupError> {
        let name = Group::name(group);
        if ctx.has_child(&name) {
            return Ok(());
        }
        let spawned = ctx.spawn_child(Group::spec(group, &self.site));
        spawned
            .map(drop)
            .map_err(|error| GroupError::Stopped { group, reason: error.to_string().into() })
    }

    /// Saves what the stream says at the log's end, so that no segment is kept for its sake.
    async fn keep(&mut self) -> Result<(), ActorError> {
        let Some(storage) = *self.site.storage.borrow() else { return Ok(()) };
        let at = self.site.journal.ask(Health {}, WITHIN).await?.last;
        if at == self.kept {
            return Ok(());
        }
        let groups: Vec<u32> = self.known.iter().map(|group| group.0).collect();
        let bytes = RecordCodec::encode(&(storage, groups))?;
        let save = SaveSnapshot { stream: STREAM, at, version: VERSION, bytes };
        if let Err(error) = self.site.journal.ask(save, WITHIN).await? {
            tracing::warn!(%error, "which groups there are was not saved");
            return Ok(());
        }
        self.kept = at;
        Ok(())
    }
}

impl Actor for Consensus {
    type Message = ConsensusMessage;

    const KIND: &'static str = "consensus";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        // Another incarnation of the same node has the same services.
        let _ = self.site.services.set(Arc::clone(ctx.system().services()));
        let storage = match self.recall().await? {
            Some(storage) => storage,
            None => {
                let minted = StorageId(ctx.system().entropy().next_u64());
                self.note(STORAGE, RecordCodec::encode(&minted.0)?).await?;
                minted
            }
        };
        self.site.storage.send_replace(Some(storage));
        let network = &self.site.network;
        network.serve(Service::Consensus, Arc::new(ConsensusPort(Arc::clone(&self.site))));
        network.serve(Service::Snapshot, Arc::new(SnapshotPort(Arc::clone(&self.site))));
        for group in self.known.clone() {
            self.run(group, ctx)?;
        }
        ctx.send_after(KEEP, ConsensusMessage::Keep);
        Ok(())
    }

    async fn handle(
        &mut self,
        message: ConsensusMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match message {
            ConsensusMessage::Open(request) => {
                let opened = self.open(request.body.group, ctx).await;
                request.answer(opened);
            }
            ConsensusMessage::Wanted(group) => {
                if let Err(error) = self.open(group, ctx).await {
                    tracing::warn!(%group, %error, "a group that others count on can't be opened");
                }
            }
            ConsensusMessage::Keep => {
                ctx.send_after(KEEP, ConsensusMessage::Keep);
                self.keep().await?;
            }
        }
        Ok(())
    }
}
