//! Large contents, stored once each under the hash of their bytes.
//!
//! A blob is durable before its name is given out, and checked against its name whenever it is
//! read. Two puts of the same content make one file.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::disk::{BLOBS, Disk, FileEntry, TEMPORARY, is_full, read_whole, write_whole};
use crate::error::BlobError;
use crate::messages::{PutBlob, Swept};
use crate::names::InvalidName;

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
    /// Puts share it; a sweep has it alone, so that it can't remove what was just found again.
    sweeping: RwLock<()>,
}

impl Blobs {
    pub(crate) fn new(disk: Arc<dyn Disk>, limit: u64) -> Self {
        Self { disk, limit, written: AtomicU64::new(0), sweeping: RwLock::new(()) }
    }

    /// Stores the bytes durably, unless they are there.
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
        let _no_sweep = self.sweeping.read();
        let name = id.to_string();
        let path = format!("{BLOBS}/{name}");
        // What is there already but isn't sound is replaced.
        if matches!(self.get(id), Ok(Some(_))) {
            self.disk.touch(&path).map_err(blob_error)?;
            return Ok(id);
        }
        let temporary =
            format!("{name}.{}{TEMPORARY}", self.written.fetch_add(1, Ordering::Relaxed));
        write_whole(&*self.disk, BLOBS, &temporary, &name, &[&put.bytes]).map_err(blob_error)?;
        Ok(id)
    }

    /// Reads a blob; `None` when there is none.
    ///
    /// # Errors
    /// [`BlobError::Damaged`] when the bytes don't have the hash that names them.
    pub(crate) fn get(&self, id: BlobId) -> Result<Option<Bytes>, BlobError> {
        let path = format!("{BLOBS}/{id}");
        let Some(bytes) = read_whole(&*self.disk, &path, self.limit).map_err(blob_error)? else {
            return Ok(None);
        };
        if BlobId::of(&bytes) != id {
            let (id, file) = (id.to_string(), self.disk.display(&path));
            return Err(BlobError::Damaged { id, file });
        }
        Ok(Some(bytes.into()))
    }

    /// Removes what isn't live and was last put before `before_us`, UTC microseconds.
    ///
    /// # Errors
    /// When the disk fails; some may be gone by then.
    pub(crate) fn sweep(&self, live: &HashSet<BlobId>, before_us: i64) -> Result<Swept, BlobError> {
        let _alone = self.sweeping.write();
        let mut swept = Swept::default();
        for entry in self.disk.list(BLOBS).map_err(blob_error)? {
            if entry.modified_us < before_us && is_dead(&entry, live) {
                self.disk.remove(&format!("{BLOBS}/{}", entry.name)).map_err(blob_error)?;
                swept.blobs += 1;
                swept.bytes += entry.bytes;
            }
        }
        self.disk.sync_folder(BLOBS).map_err(blob_error)?;
        Ok(swept)
    }

    fn within_limit(&self, bytes: u64) -> Result<(), BlobError> {
        let limit = self.limit;
        if bytes <= limit { Ok(()) } else { Err(BlobError::TooLarge { bytes, limit }) }
    }
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
