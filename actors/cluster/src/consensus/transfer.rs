//! A group's saved state on its way to a member that is too far behind for entries.
//!
//! ```text
//!  leader                                   member
//!    Begin {vote, meta, bytes}      ──▶       keeps what it is offered, and fetches
//!    ◀── Fetch state, 256 KiB at a time
//!    ◀── Fetch each piece that it has not     stored as it comes, so a second try goes on
//!    Progress, from time to time    ──▶       fetching | installed | failed
//! ```
//!
//! Neither side holds more than the state and one piece, and each call has a deadline.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use openraft::raft::SnapshotResponse;
use openraft::storage::Snapshot;
use openraft::type_config::alias::SnapshotOf;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use synod_journal::{BlobId, GetBlob, PutBlob, RecordCodec};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::group::{GroupId, StorageId};
use super::machine::Machine;
use super::peer::Peer;
use super::replica::Replica;
use super::site::Site;
use super::state::{Image, Keeper};
use super::types::{SnapshotMeta, Types, VoteOf};
use super::wire::Target;
use crate::links::Answer;
use crate::node::NodeId;
use crate::wire::Service;

/// How often the leader asks how it goes.
const LOOK: Duration = Duration::from_millis(100);

/// States that may be on their way from this node at once.
const OUTGOING: usize = 64;

/// What nodes say to each other about a state on its way.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum TransferCall {
    /// To the member: fetch this.
    Begin { group: u32, storage: u64, transfer: u64, vote: VoteOf, meta: SnapshotMeta, bytes: u64 },
    /// To the member: how does it go?
    Progress { group: u32, transfer: u64 },
    /// To the leader: some of the state.
    FetchState { transfer: u64, offset: u64 },
    /// To the leader: some of a piece that the state names.
    FetchPiece { group: u32, id: BlobId, offset: u64 },
}

/// How a transfer goes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Progress {
    /// So many bytes have come.
    Fetching(u64),
    /// It is there; the vote that the member has now.
    Installed(VoteOf),
    /// It can't be taken.
    Failed(String),
}

/// Why a state was not taken.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct TransferFault(String);

fn fault(error: impl ToString) -> TransferFault {
    TransferFault(error.to_string())
}

/// States on their way from this node.
#[derive(Default)]
pub(crate) struct Transfers {
    next: AtomicU64,
    images: Mutex<HashMap<u64, Bytes>>,
}

/// A state that can be fetched until this is dropped.
struct Offered<'a> {
    transfers: &'a Transfers,
    id: u64,
}

impl Drop for Offered<'_> {
    fn drop(&mut self) {
        self.transfers.images.lock().remove(&self.id);
    }
}

impl Transfers {
    fn offer(&self, image: Bytes) -> Result<Offered<'_>, TransferFault> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut images = self.images.lock();
        if images.len() >= OUTGOING {
            return Err(fault("too many states are on their way from this node"));
        }
        images.insert(id, image);
        Ok(Offered { transfers: self, id })
    }
}

/// A state on its way to this node.
pub(super) struct Incoming {
    transfer: u64,
    from: NodeId,
    progress: Arc<Mutex<Progress>>,
    task: JoinHandle<()>,
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Lets a member fetch a state, and waits until it has installed it.
///
/// # Errors
/// When the member refuses, or makes no progress.
pub(super) async fn send(
    peer: &Peer,
    vote: VoteOf,
    snapshot: SnapshotOf<Types, Image>,
) -> Result<SnapshotResponse<Types>, TransferFault> {
    let Target { group, storage } = peer.to;
    let Snapshot { meta, snapshot: Image(image) } = snapshot;
    let bytes = image.len() as u64;
    let offered = peer.site.transfers.offer(image)?;
    let transfer = offered.id;
    let (group, storage) = (group.0, storage.0);
    let begin = TransferCall::Begin { group, storage, transfer, vote, meta, bytes };
    let mut progress = ask(peer, &begin).await?;
    // A piece may take its time, and installing takes longer than fetching one.
    let patience = peer.site.config.chunk_timeout() * 6;
    let mut moved = (0, Instant::now());
    loop {
        match progress {
            Progress::Installed(vote) => return Ok(SnapshotResponse::new(vote)),
            Progress::Failed(reason) => return Err(fault(reason)),
            Progress::Fetching(bytes) if bytes != moved.0 => moved = (bytes, Instant::now()),
            Progress::Fetching(_) if moved.1.elapsed() > patience => {
                return Err(fault("the member makes no progress"));
            }
            Progress::Fetching(_) => {}
        }
        tokio::time::sleep(LOOK).await;
        progress = ask(peer, &TransferCall::Progress { group, transfer }).await?;
    }
}

async fn ask(peer: &Peer, call: &TransferCall) -> Result<Progress, TransferFault> {
    let body = RecordCodec::encode(call).map_err(fault)?;
    let within = peer.site.config.chunk_timeout();
    let answer = peer.site.network.call(peer.node, Service::Snapshot, body, within).await;
    RecordCodec::decode(&answer.map_err(fault)?).map_err(fault)
}

/// Answers a call about a state on its way.
pub(super) fn answer(site: &Arc<Site>, from: NodeId, body: &[u8], answer: Answer) {
    match RecordCodec::decode(body) {
        Ok(TransferCall::Begin { group, storage, transfer, vote, meta, .. }) => {
            let replica = site.replica(GroupId(group));
            match replica.check_storage(StorageId(storage)) {
                Ok(()) => {
                    let progress = begin(site, &replica, (from, transfer), vote, meta);
                    tell(answer, &progress);
                }
                Err(error) => answer.refuse(error.to_string()),
            }
        }
        Ok(TransferCall::Progress { group, transfer }) => {
            let incoming = site.replica(GroupId(group));
            let incoming = incoming.incoming.lock();
            match &*incoming {
                Some(known) if known.transfer == transfer && known.from == from => {
                    tell(answer, &known.progress.lock());
                }
                _ => answer.refuse("no such state is on its way"),
            }
        }
        Ok(TransferCall::FetchState { transfer, offset }) => {
            let image = site.transfers.images.lock().get(&transfer).cloned();
            match image {
                Some(image) => answer.send(chunk(&image, offset, site)),
                None => answer.refuse("the state is no longer offered"),
            }
        }
        Ok(TransferCall::FetchPiece { group, id, offset }) => {
            let site = Arc::clone(site);
            // Ends by itself: the journal's answer has a deadline.
            tokio::spawn(async move {
                let get = GetBlob { owner: Keeper::owner(GroupId(group)), id };
                match site.journal.ask(get, site.config.chunk_timeout()).await {
                    Ok(Ok(Some(piece))) => answer.send(chunk(&piece, offset, &site)),
                    Ok(Ok(None)) => answer.refuse("no such piece"),
                    Ok(Err(error)) => answer.refuse(error.to_string()),
                    Err(error) => answer.refuse(error.to_string()),
                }
            });
        }
        Err(error) => answer.refuse(error.to_string()),
    }
}

fn tell(answer: Answer, progress: &Progress) {
    match RecordCodec::encode(progress) {
        Ok(bytes) => answer.send(bytes),
        Err(error) => answer.refuse(error.to_string()),
    }
}

/// Eight bytes of the whole length, then some of the content.
fn chunk(whole: &Bytes, offset: u64, site: &Site) -> Bytes {
    let begin = usize::try_from(offset).unwrap_or(usize::MAX).min(whole.len());
    let end = begin.saturating_add(site.config.chunk_bytes as usize).min(whole.len());
    let mut bytes = BytesMut::with_capacity(8 + end - begin);
    bytes.extend_from_slice(&(whole.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&whole[begin..end]);
    bytes.freeze()
}

/// Begins to fetch. A transfer that was under way for the group is given up: the leader of a
/// newer term, or the same after a break, offers another.
fn begin(
    site: &Arc<Site>,
    replica: &Arc<Replica>,
    (from, transfer): (NodeId, u64),
    vote: VoteOf,
    meta: SnapshotMeta,
) -> Progress {
    let progress = Arc::new(Mutex::new(Progress::Fetching(0)));
    let fetch = Fetch {
        site: Arc::clone(site),
        replica: Arc::clone(replica),
        from,
        progress: Arc::clone(&progress),
        fetched: 0,
    };
    let told = Arc::clone(&progress);
    let task = tokio::spawn(async move {
        let end = match fetch.install(transfer, vote, meta).await {
            Ok(vote) => Progress::Installed(vote),
            Err(error) => Progress::Failed(error.to_string()),
        };
        *told.lock() = end;
    });
    *replica.incoming.lock() = Some(Incoming { transfer, from, progress, task });
    Progress::Fetching(0)
}

struct Fetch {
    site: Arc<Site>,
    replica: Arc<Replica>,
    from: NodeId,
    progress: Arc<Mutex<Progress>>,
    fetched: u64,
}

impl Fetch {
    async fn install(
        mut self,
        transfer: u64,
        vote: VoteOf,
        meta: SnapshotMeta,
    ) -> Result<VoteOf, TransferFault> {
        let group = self.replica.group;
        let state = |offset| TransferCall::FetchState { transfer, offset };
        let image = self.fetch(state, self.replica.config.max_image_bytes()).await?;
        let machine = Machine::decode(group, &image, &self.replica.config).map_err(fault)?;
        for id in machine.pieces() {
            self.fetch_piece(group, id).await?;
        }
        let raft = self.replica.raft().map_err(fault)?;
        let snapshot = Snapshot { meta, snapshot: Image(image) };
        let installed = raft.install_full_snapshot(vote, snapshot).await.map_err(fault)?;
        Ok(installed.vote)
    }

    async fn fetch_piece(&mut self, group: GroupId, id: BlobId) -> Result<(), TransferFault> {
        let (owner, within) = (Keeper::owner(group), self.site.config.chunk_timeout());
        let known = self.site.journal.ask(GetBlob { owner, id }, within).await.map_err(fault)?;
        if matches!(known, Ok(Some(_))) {
            return Ok(());
        }
        let piece = |offset| TransferCall::FetchPiece { group: group.0, id, offset };
        let bytes = self.fetch(piece, super::PIECE_LIMIT).await?;
        let put = PutBlob { owner, bytes, expected: Some(id) };
        let stored = self.site.journal.ask(put, within).await.map_err(fault)?;
        stored.map(drop).map_err(fault)
    }

    /// Fetches something chunk by chunk, if it is not above `most` bytes.
    async fn fetch(
        &mut self,
        call: impl Fn(u64) -> TransferCall,
        most: u64,
    ) -> Result<Bytes, TransferFault> {
        let mut whole = BytesMut::new();
        loop {
            let body = RecordCodec::encode(&call(whole.len() as u64)).map_err(fault)?;
            let within = self.site.config.chunk_timeout();
            let chunk = self.site.network.call(self.from, Service::Snapshot, body, within).await;
            let chunk = chunk.map_err(fault)?;
            let cut = || fault("a chunk that is cut short");
            let (length, content) = chunk.split_at_checked(8).ok_or_else(cut)?;
            let length = u64::from_le_bytes(length.try_into().map_err(fault)?);
            if length > most {
                return Err(fault(format!("{length} bytes are more than the limit of {most}")));
            }
            whole.extend_from_slice(content);
            self.fetched += content.len() as u64;
            *self.progress.lock() = Progress::Fetching(self.fetched);
            if whole.len() as u64 >= length {
                return Ok(whole.freeze());
            }
            if content.is_empty() {
                return Err(cut());
            }
        }
    }
}
