//! Snapshots and blobs of a work group: stored piece by piece, then named.

use std::sync::Arc;

use bytes::Bytes;
use synod_journal::{
    BlobError, BlobId, GetBlob, JournalMessage, PutBlob, SaveSnapshot, SnapshotError, SweepBlobs,
    Swept,
};
use synod_runtime::Address;
use tokio::sync::oneshot;

use super::answer::StreamsAnswer;
use super::command::{Command, PutCommand, RemoveCommand, SaveCommand};
use super::streams::Streams;
use crate::consensus::{GroupId, Outcome, PIECE_LIMIT, ProposeFault, Replica, gather};

/// Bytes of the largest snapshot of a stream, as the journal's default.
const SNAPSHOT_LIMIT: u64 = 256 << 20;

/// Bytes of the largest blob, as the journal's default.
const BLOB_LIMIT: u64 = 64 << 20;

/// Blobs that one command removes.
const REMOVED: usize = 8_192;

/// Stores for a work group.
pub(super) struct Storing {
    pub(super) group: GroupId,
    pub(super) replica: Arc<Replica>,
    pub(super) journal: Address<JournalMessage>,
    pub(super) now_us: i64,
    pub(super) grace_us: u64,
    /// Bytes of a piece.
    pub(super) piece_bytes: u64,
}

impl Storing {
    /// Keeps a stream's state.
    ///
    /// # Errors
    /// [`SnapshotError`]; the snapshots that were there still are.
    pub(super) async fn save_snapshot(&self, save: SaveSnapshot) -> Result<(), SnapshotError> {
        let SaveSnapshot { stream, at, version, bytes } = save;
        let length = bytes.len() as u64;
        if length > SNAPSHOT_LIMIT {
            return Err(SnapshotError::TooLarge { bytes: length, limit: SNAPSHOT_LIMIT });
        }
        let last = self.look(Streams::last).map_err(SnapshotError::Io)?;
        if at > last {
            return Err(SnapshotError::AheadOfLog { at, last });
        }
        let newest = self.look(|streams| streams.snapshot(&stream).map(|kept| kept.at));
        if let Some(newest) = newest.map_err(SnapshotError::Io)?.filter(|newest| at < *newest) {
            return Err(SnapshotError::Outdated { at, newest });
        }
        let pieces = self.store(bytes).await.map_err(SnapshotError::Io)?;
        let stream = stream.to_string();
        let save = SaveCommand { stream, at, version, pieces, bytes: length };
        match self.propose(&Command::SaveSnapshot(save)).await.map_err(SnapshotError::Io)? {
            StreamsAnswer::Saved => Ok(()),
            StreamsAnswer::NotSaved(refusal) => Err(refusal.into_error(at)),
            StreamsAnswer::Full(reason) => Err(SnapshotError::Io(reason)),
            _ => Err(SnapshotError::Io("the answer is another command's".to_owned())),
        }
    }

    /// Stores a blob.
    ///
    /// # Errors
    /// [`BlobError`]
    pub(super) async fn put_blob(&self, put: PutBlob) -> Result<BlobId, BlobError> {
        let PutBlob { owner, bytes, expected } = put;
        let length = bytes.len() as u64;
        if length > BLOB_LIMIT {
            return Err(BlobError::TooLarge { bytes: length, limit: BLOB_LIMIT });
        }
        let id = BlobId::of(&bytes);
        if let Some(expected) = expected.filter(|expected| *expected != id) {
            let (expected, found) = (expected.to_string(), id.to_string());
            return Err(BlobError::WrongHash { expected, found });
        }
        let known = self.look(|streams| streams.blob(&owner, &id).cloned());
        let pieces = match known.map_err(BlobError::Io)? {
            Some(known) => known.pieces,
            None => self.store(bytes).await.map_err(BlobError::Io)?,
        };
        let (owner, at_us) = (owner.to_string(), self.now_us);
        let put = PutCommand { owner, id, pieces, bytes: length, at_us };
        match self.propose(&Command::PutBlob(put)).await.map_err(BlobError::Io)? {
            StreamsAnswer::Put(id) => Ok(id),
            StreamsAnswer::Full(reason) => Err(BlobError::Io(reason)),
            _ => Err(BlobError::Io("the answer is another command's".to_owned())),
        }
    }

    /// Reads a blob.
    ///
    /// # Errors
    /// [`BlobError`]
    pub(super) async fn get_blob(&self, get: GetBlob) -> Result<Option<Bytes>, BlobError> {
        let known = self.look(|streams| streams.blob(&get.owner, &get.id).cloned());
        match known.map_err(BlobError::Io)? {
            Some(blob) => gather(&self.journal, self.group, &blob.pieces).await.map(Some),
            None => Ok(None),
        }
    }

    /// Removes what its owner no longer names.
    ///
    /// # Errors
    /// [`BlobError`]; some may be gone by then.
    pub(super) async fn sweep_blobs(&self, sweep: SweepBlobs) -> Result<Swept, BlobError> {
        let SweepBlobs { owner, live } = sweep;
        let grace_us = i64::try_from(self.grace_us).unwrap_or(i64::MAX);
        let before_us = self.now_us.saturating_sub(grace_us);
        let dead = self.look(|streams| streams.dead(&owner, &live, before_us));
        let mut swept = Swept::default();
        for ids in dead.map_err(BlobError::Io)?.chunks(REMOVED) {
            let (owner, ids) = (owner.to_string(), ids.to_vec());
            let remove = Command::RemoveBlobs(RemoveCommand { owner, ids, before_us });
            let removed = self.propose(&remove).await.map_err(BlobError::Io)?.swept();
            swept.blobs += removed.blobs;
            swept.bytes += removed.bytes;
        }
        Ok(swept)
    }

    /// Stores content in pieces that a command can name, one after the other.
    pub(super) async fn store(&self, bytes: Bytes) -> Result<Vec<BlobId>, String> {
        let piece = usize::try_from(self.piece_bytes.clamp(1, PIECE_LIMIT)).unwrap_or(1);
        let mut pieces = Vec::with_capacity(bytes.len().div_ceil(piece).max(1));
        let mut at = 0;
        while at < bytes.len() || pieces.is_empty() {
            let end = (at + piece).min(bytes.len());
            let content = bytes.slice(at..end);
            pieces.push(BlobId::of(&content));
            self.propose(&Command::Piece(content)).await?;
            at = end;
        }
        Ok(pieces)
    }

    pub(super) async fn propose(&self, command: &Command) -> Result<StreamsAnswer, String> {
        let command = command.encode().map_err(|error| error.to_string())?;
        let (done, proposed) = oneshot::channel();
        let done = Box::new(move |outcome| drop(done.send(outcome)));
        self.replica.propose(command, done).await;
        match proposed.await {
            Ok(Ok(Outcome::Streams(answer))) => Ok(answer),
            Ok(Ok(Outcome::Undecodable(reason))) => Err(reason),
            Ok(Ok(_)) => Err("the answer is another group's".to_owned()),
            Ok(Err(ProposeFault::NotLeader(_))) => Err("this node does not lead".to_owned()),
            Ok(Err(ProposeFault::Overloaded)) => Err("too much waits for a majority".to_owned()),
            Ok(Err(ProposeFault::Unknown)) | Err(_) => {
                Err("it is unknown whether it was stored".to_owned())
            }
        }
    }

    fn look<T>(&self, at: impl FnOnce(&Streams) -> T) -> Result<T, String> {
        let applied = self.replica.applied().map_err(|error| error.to_string())?;
        let applied = applied.read();
        let streams = applied.streams().ok_or("it is the control group")?;
        Ok(at(streams))
    }
}
