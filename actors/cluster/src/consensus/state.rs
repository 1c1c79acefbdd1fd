//! The state of a group as openraft applies to it, saves it and replaces it.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{Stream as Entries, TryStreamExt};
use openraft::storage::{EntryResponder, RaftStateMachine, Snapshot};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder};
use parking_lot::RwLock;
use synod_journal::{
    BlobError, BlobId, GetBlob, Health, JournalMessage, LoadSnapshot, PutBlob, SaveSnapshot,
    SnapshotError, Stream, SweepBlobs, Truncate,
};
use synod_runtime::Address;
use tokio::sync::watch;

use super::config::ConsensusConfig;
use super::group::GroupId;
use super::machine::Machine;
use super::store::{Saved, SharedLog, plain};
use super::types::{LogId, Outcome, SnapshotMeta, StoredMembership, Types};
use crate::control::{ControlState, FencingToken};
use crate::log::{Effect, Streams};

/// How long the journal may take for one answer.
const WITHIN: Duration = Duration::from_secs(60);

/// How long to wait before a full disk is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// The state at one entry.
#[derive(Clone, Debug)]
pub(crate) struct Applied {
    pub(crate) last: Option<LogId>,
    pub(crate) membership: StoredMembership,
    pub(crate) machine: Machine,
}

/// A saved state in memory: what openraft passes on between its parts.
#[derive(Clone, Debug)]
pub(crate) struct Image(pub(crate) Bytes);

/// The state of a group.
pub(super) struct StateStore {
    pub(super) keeper: Keeper,
}

/// What saves states: shared by the state and the views of it that are being saved.
#[derive(Clone)]
pub(super) struct Keeper {
    pub(super) group: GroupId,
    pub(super) config: ConsensusConfig,
    pub(super) journal: Address<JournalMessage>,
    pub(super) log: SharedLog,
    pub(super) applied: Arc<RwLock<Applied>>,
    /// Told of the control group's state.
    pub(super) control: Option<watch::Sender<Arc<ControlState>>>,
    /// The saved state that the journal has.
    pub(super) saved: Arc<RwLock<Option<SnapshotMeta>>>,
}

/// A view of the state that is to be saved.
pub(super) struct Saving {
    keeper: Keeper,
    applied: Applied,
}

impl Keeper {
    /// Whose blobs the pieces are, in the node's journal.
    pub(crate) fn owner(group: GroupId) -> Stream {
        Stream::parse(&format!("g{group}.pieces")).unwrap_or(Stream::new("pieces"))
    }

    pub(super) fn tell(&self) {
        let Some(told) = &self.control else { return };
        if let Machine::Control(state) = &self.applied.read().machine {
            told.send_replace(Arc::new((**state).clone()));
        }
    }

    /// Does what a command asks of the node. A disk that is full is waited for: the group goes on
    /// without this node meanwhile.
    async fn perform(&self, effect: Effect) -> io::Result<()> {
        match effect {
            Effect::Keep(bytes) => self.keep(bytes).await,
            Effect::Sweep => {
                self.sweep().await;
                Ok(())
            }
            Effect::Adopt(pieces) => self.adopt(&pieces).await,
        }
    }

    async fn keep(&self, bytes: Bytes) -> io::Result<()> {
        loop {
            let put =
                PutBlob { owner: Self::owner(self.group), bytes: bytes.clone(), expected: None };
            match self.journal.ask(put, WITHIN).await.map_err(io::Error::other)? {
                Ok(_) => return Ok(()),
                Err(error @ (BlobError::DiskFull(_) | BlobError::Overloaded)) => {
                    tracing::warn!(group = %self.group, %error, "a piece of a blob has to wait");
                    tokio::time::sleep(RETRY).await;
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }

    async fn sweep(&self) {
        let live: HashSet<BlobId> = self.applied.read().machine.pieces().into_iter().collect();
        let sweep = SweepBlobs { owner: Self::owner(self.group), live };
        match self.journal.ask(sweep, WITHIN).await {
            Ok(Ok(_)) => {}
            outcome => tracing::warn!(group = %self.group, ?outcome, "pieces were not swept"),
        }
    }

    async fn adopt(&self, pieces: &[BlobId]) -> io::Result<()> {
        let bytes = self.gather(pieces).await.map_err(io::Error::other)?;
        let limits = &self.config;
        let machine = Machine::decode(self.group, &bytes, limits).map_err(io::Error::other)?;
        self.applied.write().machine = machine;
        Ok(())
    }

    /// Saves the state as it is applied now, if the journal keeps so many bytes.
    ///
    /// # Errors
    /// When the journal fails.
    pub(super) async fn save_if_kept(&self, bytes: u64) -> io::Result<()> {
        let health = self.journal.ask(Health {}, WITHIN).await.map_err(io::Error::other)?;
        if health.bytes < bytes {
            return Ok(());
        }
        self.save_applied().await
    }

    /// Saves the state as it is applied now.
    ///
    /// # Errors
    /// When the journal fails.
    async fn save_applied(&self) -> io::Result<()> {
        let applied = self.applied.read().clone();
        if applied.last.is_none() {
            return Ok(());
        }
        let state = applied.machine.encode().map_err(io::Error::other)?;
        let meta = SnapshotMeta { last_log_id: applied.last, last_membership: applied.membership };
        self.save(&meta, state).await
    }

    /// What pieces hold together.
    ///
    /// # Errors
    /// When one is not there, or the journal fails.
    async fn gather(&self, pieces: &[BlobId]) -> Result<Bytes, BlobError> {
        gather(&self.journal, self.group, pieces).await
    }

    /// Saves a state in the journal. Records that it contains may then go.
    async fn save(&self, meta: &SnapshotMeta, state: Bytes) -> io::Result<()> {
        let stream = self.group.stream();
        let at = self.log.covered(meta.last_log_id.as_ref());
        let saved = Saved { vote: self.log.vote(), meta: meta.clone(), state };
        let bytes = saved.encode().map_err(io::Error::other)?;
        loop {
            let version = Saved::VERSION;
            let save = SaveSnapshot { stream, at, version, bytes: bytes.clone() };
            match self.journal.ask(save, WITHIN).await.map_err(io::Error::other)? {
                Ok(()) => break,
                // A newer one was installed meanwhile.
                Err(SnapshotError::Outdated { .. }) => return Ok(()),
                Err(error @ (SnapshotError::DiskFull(_) | SnapshotError::Overloaded)) => {
                    tracing::warn!(group = %self.group, %error, "saving a state has to wait");
                    tokio::time::sleep(RETRY).await;
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        *self.saved.write() = Some(meta.clone());
        // Whether segments could be dropped changes nothing here.
        let _ = self.journal.ask(Truncate { before: at }, WITHIN).await;
        Ok(())
    }
}

/// What pieces of a group hold together.
///
/// # Errors
/// When one is not there, or the journal fails.
pub(crate) async fn gather(
    journal: &Address<JournalMessage>,
    group: GroupId,
    pieces: &[BlobId],
) -> Result<Bytes, BlobError> {
    let mut whole = BytesMut::new();
    for id in pieces {
        let get = GetBlob { owner: Keeper::owner(group), id: *id };
        let gone = |error| BlobError::Io(format!("the journal does not answer: {error}"));
        let piece = journal.ask(get, WITHIN).await.map_err(gone)??;
        let missing = || BlobError::Io(format!("piece {id} of group {group} is not there"));
        let piece = piece.ok_or_else(missing)?;
        if pieces.len() == 1 {
            return Ok(piece);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

impl RaftStateMachine<Types> for StateStore {
    type SnapshotData = Image;
    type SnapshotBuilder = Saving;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let applied = self.keeper.applied.read();
        Ok((applied.last, applied.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Entries<Item = Result<EntryResponder<Types>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some((entry, responder)) = entries.try_next().await? {
            let (epoch, position) = plain(&entry.log_id);
            let token = FencingToken { epoch, position };
            let (outcome, effect) = {
                let mut applied = self.keeper.applied.write();
                applied.last = Some(entry.log_id);
                match &entry.payload {
                    EntryPayload::Blank => (Outcome::Nothing, None),
                    EntryPayload::Normal(proposal) => applied.machine.apply(&proposal.0, token),
                    EntryPayload::Membership(membership) => {
                        let id = Some(entry.log_id);
                        applied.membership = StoredMembership::new(id, membership.clone());
                        (Outcome::Nothing, None)
                    }
                }
            };
            if let Some(effect) = effect {
                self.keeper.perform(effect).await?;
            }
            if let Some(responder) = responder {
                responder.send(outcome);
            }
        }
        self.keeper.tell();
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Saving {
        let applied = self.keeper.applied.read().clone();
        Saving { keeper: self.keeper.clone(), applied }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        Image(state): Image,
    ) -> Result<(), io::Error> {
        let keeper = &self.keeper;
        let machine = Machine::decode(keeper.group, &state, &keeper.config);
        let machine = machine.map_err(io::Error::other)?;
        let (last, membership) = (meta.last_log_id, meta.last_membership.clone());
        *keeper.applied.write() = Applied { last, membership, machine };
        keeper.tell();
        let known = keeper.saved.read().as_ref().and_then(|meta| meta.last_log_id);
        if known < last {
            keeper.save(meta, state).await?;
        }
        Ok(())
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<openraft::type_config::alias::SnapshotOf<Types, Image>>, io::Error> {
        if self.keeper.saved.read().is_none() {
            return Ok(None);
        }
        let load = LoadSnapshot { stream: self.keeper.group.stream() };
        let loaded = self.keeper.journal.ask(load, WITHIN).await.map_err(io::Error::other)?;
        let Some(loaded) = loaded.map_err(io::Error::other)? else { return Ok(None) };
        let saved = Saved::decode(&loaded.bytes).map_err(io::Error::other)?;
        Ok(Some(Snapshot { meta: saved.meta, snapshot: Image(saved.state) }))
    }
}

impl RaftSnapshotBuilder<Types> for Saving {
    type SnapshotData = Image;

    async fn build_snapshot(
        &mut self,
    ) -> Result<openraft::type_config::alias::SnapshotOf<Types, Image>, io::Error> {
        let state = self.applied.machine.encode().map_err(io::Error::other)?;
        let meta = SnapshotMeta {
            last_log_id: self.applied.last,
            last_membership: self.applied.membership.clone(),
        };
        self.keeper.save(&meta, state.clone()).await?;
        Ok(Snapshot { meta, snapshot: Image(state) })
    }
}

impl Applied {
    /// The streams of a work group.
    pub(crate) fn streams(&self) -> Option<&Streams> {
        self.machine.streams()
    }
}
