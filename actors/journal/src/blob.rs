//! Large contents, stored once for each owner under the hash of their bytes.
//!
//! ```text
//!  blobs/tasks/ba7816bf8f01cf...       the owner is a stream; its records name what is live
//!  blobs/workflows/ba7816bf8f01cf...   the same content for another owner is another file
//! ```
//!
//! A blob is durable before its name is given out, and checked against its name whenever it is
//! read. Two puts of the same content by one owner make one file. An owner sweeps its own folder
//! and no other's, so it need not know who else keeps blobs.
//!
//! In the former layout the files were in `blobs/` itself, and all were of the stream `tasks`,
//! which alone had any. They are moved into its folder when the journal is opened; a move that a
//! crash interrupts goes on at the next start.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::disk::{BLOBS, Disk, FileEntry, TEMPORARY, is_full, read_whole, write_whole};
use crate::error::BlobError;
use crate::messages::{PutBlob, SweepBlobs, Swept};
use crate::names::{InvalidName, Stream};

/// Whose the blobs were that had no owner's folder.
const FORMER_OWNER: Stream = Stream::new("tasks");

/// The SHA-256 of a blob's content; shown and parsed as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlobId(pub [u8; 32]);

impl BlobId {
    /// The id of this content.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobId({self})")
    }
}

impl FromStr for BlobId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        parse(text).ok_or(InvalidName { what: "blob id", expected: "64 of [0-9a-f]" })
    }
}

fn parse(text: &str) -> Option<BlobId> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut id = [0; 32];
    let text = text.as_bytes();
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in id.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(BlobId(id))
}

/// The blobs of a journal.
pub(crate) struct Blobs {
    disk: Arc<dyn Disk>,
    limit: u64,
    /// Makes names of temporary files differ.
    written: AtomicU64,
    owners: Mutex<HashMap<Stream, Arc<Owner>>>,
}

/// An owner's folder, once it is there.
struct Owner {
    folder: String,
    /// Puts share it; a sweep has it alone, so that it can't remove what was just found again.
    sweeping: RwLock<()>,
}

impl Blobs {
    /// The blobs that are there. Those of the former layout are given to their owner.
    ///
    /// # Errors
    /// When the disk fails; some may have been moved by then.
    pub(crate) fn open(disk: Arc<dyn Disk>, limit: u64) -> io::Result<Self> {
        let owners = Mutex::default();
        let blobs = Self { disk, limit, written: AtomicU64::new(0), owners };
        blobs.move_former()?;
        Ok(blobs)
    }

    /// Stores the bytes durably, unless the owner has them.
    ///
    /// # Errors
    /// [`BlobError`]; nothing was stored.
    pub(crate) fn put(&self, put: &PutBlob) -> Result<BlobId, BlobError> {
        self.within_limit(put.bytes.len() as u64)?;
        let id = BlobId::of(&put.bytes);
        if let Some(expected) = put.expected.filter(|expected| *expected != id) {
            let (expected, found) = (expected.to_string(), id.to_string());
            return Err(BlobError::WrongHash { expected, found });
        }
        let owner = self.owner(put.owner).map_err(blob_error)?;
        let _no_sweep = owner.sweeping.read();
        // What is there already but isn't sound is replaced.
        if matches!(self.get(put.owner, id), Ok(Some(_))) {
            self.disk.touch(&path(put.owner, id)).map_err(blob_error)?;
            return Ok(id);
        }
        let name = id.to_string();
        let temporary =
            format!("{name}.{}{TEMPORARY}", self.written.fetch_add(1, Ordering::Relaxed));
        write_whole(&*self.disk, &owner.folder, &temporary, &name, &[&put.bytes])
            .map_err(blob_error)?;
        Ok(id)
    }

    /// Reads a blob of this owner; `None` when it has none.
    ///
    /// # Errors
    /// [`BlobError::Damaged`] when the bytes don't have the hash that names them.
    pub(crate) fn get(&self, owner: Stream, id: BlobId) -> Result<Option<Bytes>, BlobError> {
        let path = path(owner, id);
        let Some(bytes) = read_whole(&*self.disk, &path, self.limit).map_err(blob_error)? else {
            return Ok(None);
        };
        if BlobId::of(&bytes) != id {
            let (id, file) = (id.to_string(), self.disk.display(&path));
            return Err(BlobError::Damaged { id, file });
        }
        Ok(Some(bytes.into()))
    }

    /// The blobs of this owner.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn list(&self, owner: Stream) -> Result<Vec<BlobId>, BlobError> {
        let owner = self.owner(owner).map_err(blob_error)?;
        let files = self.disk.list(&owner.folder).map_err(blob_error)?;
        Ok(files.iter().filter_map(|file| file.name.parse().ok()).collect())
    }

    /// Removes what of this owner isn't live and was last put before `before_us`, UTC
    /// microseconds.
    ///
    /// # Errors
    /// When the disk fails; some may be gone by then.
    pub(crate) fn sweep(&self, sweep: &SweepBlobs, before_us: i64) -> Result<Swept, BlobError> {
        let owner = self.owner(sweep.owner).map_err(blob_error)?;
        let _alone = owner.sweeping.write();
        let mut swept = Swept::default();
        for entry in self.disk.list(&owner.folder).map_err(blob_error)? {
            if entry.modified_us < before_us && is_dead(&entry, &sweep.live) {
                let path = format!("{}/{}", owner.folder, entry.name);
                self.disk.remove(&path).map_err(blob_error)?;
                swept.blobs += 1;
                swept.bytes += entry.bytes;
            }
        }
        self.disk.sync_folder(&owner.folder).map_err(blob_error)?;
        Ok(swept)
    }

    /// The owner's folder, made unless it is there.
    fn owner(&self, stream: Stream) -> io::Result<Arc<Owner>> {
        let mut owners = self.owners.lock();
        if let Some(known) = owners.get(&stream) {
            return Ok(Arc::clone(known));
        }
        let folder = folder(stream);
        self.disk.create_folder(&folder)?;
        let owner = Arc::new(Owner { folder, sweeping: RwLock::new(()) });
        owners.insert(stream, Arc::clone(&owner));
        Ok(owner)
    }

    /// Moves what has no owner's folder into that of the only owner there was, and removes what a
    /// crash left of a put.
    fn move_former(&self) -> io::Result<()> {
        let former = self.disk.list(BLOBS)?;
        let ids = former.iter().filter_map(|entry| entry.name.parse::<BlobId>().ok());
        let ids: Vec<BlobId> = ids.collect();
        let unfinished = former.iter().filter(|entry| entry.name.ends_with(TEMPORARY));
        for entry in unfinished {
            self.disk.remove(&format!("{BLOBS}/{}", entry.name))?;
        }
        if ids.is_empty() {
            return Ok(());
        }
        let owner = self.owner(FORMER_OWNER)?;
        for id in &ids {
            self.disk.rename(&format!("{BLOBS}/{id}"), &path(FORMER_OWNER, *id))?;
        }
        // The new names first: a blob is never without a durable one.
        self.disk.sync_folder(&owner.folder)?;
        self.disk.sync_folder(BLOBS)?;
        tracing::info!(blobs = ids.len(), owner = %FORMER_OWNER, "blobs were given to their owner");
        Ok(())
    }

    fn within_limit(&self, bytes: u64) -> Result<(), BlobError> {
        let limit = self.limit;
        if bytes <= limit { Ok(()) } else { Err(BlobError::TooLarge { bytes, limit }) }
    }
}

fn folder(owner: Stream) -> String {
    format!("{BLOBS}/{owner}")
}

fn path(owner: Stream, id: BlobId) -> String {
    format!("{BLOBS}/{owner}/{id}")
}

/// Whether a file is a blob that isn't live, or what a crash left of one.
fn is_dead(entry: &FileEntry, live: &HashSet<BlobId>) -> bool {
    match entry.name.parse() {
        Ok(id) => !live.contains(&id),
        Err(InvalidName { .. }) => entry.name.ends_with(TEMPORARY),
    }
}

fn blob_error(error: io::Error) -> BlobError {
    if is_full(&error) {
        return BlobError::DiskFull(error.to_string());
    }
    BlobError::Io(error.to_string())
}
