//! Streams' snapshots: one file each, the last two of a stream are kept.
//!
//! ```text
//!  0   8  magic "SYNODSNP"
//!  8   4  format, 1
//! 12   4  crc32c of everything from byte 16
//! 16  16  id of the log
//! 32   8  position
//! 40   2  version
//! 42   1  length of the stream's name
//! 43   5  zero
//! 48   8  length of the state
//! 56      stream, state
//! ```
//!
//! A snapshot is written to a temporary file, synced and renamed, so that it is there entirely or
//! not at all.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::disk::{Disk, SNAPSHOTS, TEMPORARY, is_full, read_whole, write_whole};
use crate::error::SnapshotError;
use crate::frame::{u16_at, u32_at, u64_at};
use crate::messages::{SaveSnapshot, Snapshot};
use crate::names::{Position, STREAM_NAME_LIMIT, Stream};
use crate::segment::LogId;

const MAGIC: [u8; 8] = *b"SYNODSNP";
const FORMAT: u32 = 1;
const HEAD_BYTES: usize = 56;
const SUFFIX: &str = ".snapshot";
/// How many snapshots of a stream are kept.
const KEPT: usize = 2;

/// The snapshots of a log.
pub(crate) struct Snapshots {
    disk: Arc<dyn Disk>,
    log_id: LogId,
    limit: u64,
    /// Where each stream's snapshots are, the oldest first.
    kept: Mutex<HashMap<Stream, Vec<Position>>>,
    /// Held while one is being written.
    writing: Mutex<()>,
}

impl Snapshots {
    /// The snapshots that are there. What a crash left unfinished is removed, and so is what is
    /// after `last`, the end of the log: it holds records that someone gave up, and their positions
    /// will be those of others.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        log_id: LogId,
        limit: u64,
        last: Position,
    ) -> io::Result<Self> {
        let mut kept: HashMap<Stream, Vec<Position>> = HashMap::new();
        for entry in disk.list(SNAPSHOTS)? {
            let path = format!("{SNAPSHOTS}/{}", entry.name);
            match parse(&entry.name) {
                Some((stream, at)) if at <= last => kept.entry(stream).or_default().push(at),
                Some(_) => {
                    tracing::warn!(path, last = last.0, "a snapshot is ahead of the log: removed");
                    disk.remove(&path)?;
                }
                None if entry.name.ends_with(TEMPORARY) => disk.remove(&path)?,
                None => {}
            }
        }
        disk.sync_folder(SNAPSHOTS)?;
        kept.values_mut().for_each(|positions| positions.sort_unstable());
        Ok(Self { disk, log_id, limit, kept: Mutex::new(kept), writing: Mutex::new(()) })
    }

    /// The position up to which a stream's records are in a snapshot even when the newest one is
    /// lost.
    pub(crate) fn covered_twice(&self, stream: &Stream) -> Position {
        let kept = self.kept.lock();
        let positions = kept.get(stream).map_or(&[][..], Vec::as_slice);
        positions.iter().rev().nth(1).copied().unwrap_or(Position::START)
    }

    /// Writes a snapshot durably, then removes those of the stream that are too many.
    ///
    /// # Errors
    /// [`SnapshotError`]; the snapshots that were there still are.
    pub(crate) fn save(&self, snapshot: &SaveSnapshot) -> Result<(), SnapshotError> {
        let bytes = snapshot.bytes.len() as u64;
        if bytes > self.limit {
            return Err(SnapshotError::TooLarge { bytes, limit: self.limit });
        }
        let _one_at_a_time = self.writing.lock();
        let (stream, at) = (snapshot.stream, snapshot.at);
        let newest = self.positions(&stream).last().copied();
        if let Some(newest) = newest.filter(|newest| at < *newest) {
            return Err(SnapshotError::Outdated { at, newest });
        }
        let name = name(&stream, at);
        let head = self.head(snapshot);
        let parts = [head.as_slice(), stream.as_bytes(), &snapshot.bytes];
        let temporary = format!("{name}{TEMPORARY}");
        write_whole(&*self.disk, SNAPSHOTS, &temporary, &name, &parts).map_err(save_error)?;
        if newest != Some(at) {
            self.kept.lock().entry(stream).or_default().push(at);
        }
        self.prune(&stream);
        Ok(())
    }

    /// The newest snapshot that is sound. `None` when none is, and `log_holds_all` says that the
    /// log has every record of the stream.
    ///
    /// # Errors
    /// [`SnapshotError::Damaged`] when none is sound and the log can't replace it.
    pub(crate) fn load(
        &self,
        stream: &Stream,
        log_holds_all: bool,
    ) -> Result<Option<Snapshot>, SnapshotError> {
        let mut newest_fault = None;
        for at in self.positions(stream).into_iter().rev() {
            match self.read(stream, at) {
                Ok(snapshot) => return Ok(Some(snapshot)),
                Err(reason) => {
                    tracing::error!(%stream, at = at.0, reason, "a snapshot is not sound");
                    newest_fault.get_or_insert(reason);
                }
            }
        }
        if log_holds_all {
            return Ok(None);
        }
        let reason = newest_fault.unwrap_or_else(|| "there is none".to_owned());
        Err(SnapshotError::Damaged { stream: *stream, reason })
    }

    fn positions(&self, stream: &Stream) -> Vec<Position> {
        self.kept.lock().get(stream).cloned().unwrap_or_default()
    }

    fn read(&self, stream: &Stream, at: Position) -> Result<Snapshot, String> {
        let path = format!("{SNAPSHOTS}/{}", name(stream, at));
        let most = self.limit.saturating_add((HEAD_BYTES + STREAM_NAME_LIMIT) as u64);
        let bytes = match read_whole(&*self.disk, &path, most) {
            Ok(Some(bytes)) => Bytes::from(bytes),
            Ok(None) => return Err("the file is gone".to_owned()),
            Err(error) => return Err(error.to_string()),
        };
        self.decode(stream, at, &bytes)
            .ok_or_else(|| format!("{} is damaged", self.disk.display(&path)))
    }

    /// Removes the oldest; a failure only leaves more than needed.
    fn prune(&self, stream: &Stream) {
        let positions = self.positions(stream);
        let surplus = positions.len().saturating_sub(KEPT);
        for at in &positions[..surplus] {
            let path = format!("{SNAPSHOTS}/{}", name(stream, *at));
            if let Err(error) = self.disk.remove(&path) {
                tracing::warn!(%error, path, "an old snapshot could not be removed");
            }
        }
        if let Some(positions) = self.kept.lock().get_mut(stream) {
            positions.drain(..surplus);
        }
    }

    fn head(&self, snapshot: &SaveSnapshot) -> Vec<u8> {
        let mut head = Vec::with_capacity(HEAD_BYTES);
        head.extend_from_slice(&MAGIC);
        head.extend_from_slice(&FORMAT.to_le_bytes());
        head.extend_from_slice(&[0; 4]);
        head.extend_from_slice(&self.log_id);
        head.extend_from_slice(&snapshot.at.0.to_le_bytes());
        head.extend_from_slice(&snapshot.version.to_le_bytes());
        head.extend_from_slice(&[snapshot.stream.as_bytes().len() as u8, 0, 0, 0, 0, 0]);
        head.extend_from_slice(&(snapshot.bytes.len() as u64).to_le_bytes());
        let checksum = crc32c::crc32c(&head[16..]);
        let checksum = crc32c::crc32c_append(checksum, snapshot.stream.as_bytes());
        let checksum = crc32c::crc32c_append(checksum, &snapshot.bytes);
        head[12..16].copy_from_slice(&checksum.to_le_bytes());
        head
    }

    /// The snapshot in a file's bytes; `None` when they aren't the one that the name tells.
    fn decode(&self, stream: &Stream, at: Position, bytes: &Bytes) -> Option<Snapshot> {
        let sound = bytes.starts_with(&MAGIC)
            && u32_at(bytes, 8)? == FORMAT
            && u32_at(bytes, 12)? == crc32c::crc32c(bytes.get(16..)?)
            && bytes.get(16..32)? == self.log_id
            && u64_at(bytes, 32)? == at.0;
        let state_at = HEAD_BYTES + usize::from(*bytes.get(42)?);
        let named = bytes.get(HEAD_BYTES..state_at)? == stream.as_bytes();
        let whole = (bytes.len() - state_at) as u64 == u64_at(bytes, 48)?;
        let version = u16_at(bytes, 40)?;
        (sound && named && whole).then(|| Snapshot { at, version, bytes: bytes.slice(state_at..) })
    }
}

fn save_error(error: io::Error) -> SnapshotError {
    if is_full(&error) {
        return SnapshotError::DiskFull(error.to_string());
    }
    SnapshotError::Io(error.to_string())
}

fn name(stream: &Stream, at: Position) -> String {
    format!("{stream}-{:020}{SUFFIX}", at.0)
}

/// The stream and the position that a file's name tells.
fn parse(name: &str) -> Option<(Stream, Position)> {
    let (stream, digits) = name.strip_suffix(SUFFIX)?.rsplit_once('-')?;
    let (stream, at) = (Stream::parse(stream).ok()?, Position(digits.parse().ok()?));
    (self::name(&stream, at) == name).then_some((stream, at))
}
