//! The seam to the disk: what the journal needs of a file system, and the real one.
//!
//! Paths are relative to the journal's folder, with `/` between folder and name, and made by the
//! journal alone. All calls block.

mod local;

use std::io;

pub use local::LocalDisk;

/// The folders that a disk has from the beginning.
pub const FOLDERS: [&str; 3] = [LOG, SNAPSHOTS, BLOBS];
/// Where the segments and the mark are.
pub(crate) const LOG: &str = "log";
/// Where the snapshots are.
pub(crate) const SNAPSHOTS: &str = "snapshots";
/// Where the blobs are.
pub(crate) const BLOBS: &str = "blobs";

/// A folder on some storage.
pub trait Disk: Send + Sync + 'static {
    /// Takes the folder for this process until the guard is dropped.
    ///
    /// # Errors
    /// [`LockFault`]; nothing was taken.
    fn lock(&self) -> Result<Box<dyn Send + Sync>, LockFault>;

    /// Makes a folder, durably, unless it is there; the one it is in is there.
    fn create_folder(&self, folder: &str) -> io::Result<()>;

    /// The files in a folder, in no particular order; not those in folders within it.
    fn list(&self, folder: &str) -> io::Result<Vec<FileEntry>>;

    /// Makes an empty file, or empties the one that is there.
    fn create(&self, path: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file for reading and writing; [`io::ErrorKind::NotFound`] when there is none.
    fn open(&self, path: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Gives a file another name, replacing what had it. Durable after
    /// [`Disk::sync_folder`].
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file. Durable after [`Disk::sync_folder`].
    fn remove(&self, path: &str) -> io::Result<()>;

    /// Sets a file's time of modification to now.
    fn touch(&self, path: &str) -> io::Result<()>;

    /// Makes the names in a folder durable.
    fn sync_folder(&self, folder: &str) -> io::Result<()>;

    /// Bytes that can still be written.
    fn free_bytes(&self) -> io::Result<u64>;

    /// The full name of a path, for messages to people.
    fn display(&self, path: &str) -> String;
}

/// An open file. Reads and writes name their place, so several may go on at once.
pub trait DiskFile: Send + Sync {
    /// Reads up to `buffer.len()` bytes; 0 only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes some of `bytes`, at least one, and says how many.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Returns when all that was written, and the length, is on the storage (fdatasync). After an
    /// error it is unknown what is there, and a second call proves nothing.
    fn sync(&self) -> io::Result<()>;

    /// Makes the file `bytes` long and takes the room for it; what is new reads as zeros.
    fn preallocate(&self, bytes: u64) -> io::Result<()>;

    /// Its length in bytes.
    fn length(&self) -> io::Result<u64>;

    /// From where on the file is known to read as zeros, since nothing was ever written there; its
    /// length when the file system doesn't know.
    fn content_end(&self) -> io::Result<u64>;
}

/// A file in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Its name, without the folder.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// When it was last written, UTC microseconds.
    pub modified_us: i64,
}

/// Why a folder couldn't be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockFault {
    /// Another process, or another journal of this one, has it.
    #[error("held by process {}", pid.map_or("unknown".to_owned(), |pid| pid.to_string()))]
    Held {
        /// The holder's process id, when it could be read.
        pid: Option<u32>,
    },
    /// The lock file couldn't be made or locked.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Writes all of `bytes`; on an error says how many were written before it.
pub(crate) fn write_all(
    file: &dyn DiskFile,
    bytes: &[u8],
    offset: u64,
) -> Result<(), (usize, io::Error)> {
    let mut written = 0;
    while written < bytes.len() {
        match file.write_at(&bytes[written..], offset + written as u64) {
            Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((written, error)),
        }
    }
    Ok(())
}

/// Reads until `buffer` is full or the file ends, and says how many bytes it was.
pub(crate) fn read_full(file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match file.read_at(&mut buffer[read..], offset + read as u64) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// Puts a whole file in place so that after a crash it is there entirely or not at all: a
/// temporary file is written and synced, gets the name, and the folder is synced.
pub(crate) fn write_whole(
    disk: &dyn Disk,
    folder: &str,
    temporary: &str,
    name: &str,
    parts: &[&[u8]],
) -> io::Result<()> {
    let temporary = format!("{folder}/{temporary}");
    let written = write_parts(disk, &temporary, parts)
        .and_then(|()| disk.rename(&temporary, &format!("{folder}/{name}")));
    if let Err(error) = written {
        // What is left over would take room on a disk that may be full.
        let _ = disk.remove(&temporary);
        return Err(error);
    }
    disk.sync_folder(folder)
}

/// What the name of a file ends with while it is being written.
pub(crate) const TEMPORARY: &str = ".part";

fn write_parts(disk: &dyn Disk, path: &str, parts: &[&[u8]]) -> io::Result<()> {
    let file = disk.create(path)?;
    let mut offset = 0;
    for part in parts {
        write_all(&*file, part, offset).map_err(|(_, error)| error)?;
        offset += part.len() as u64;
    }
    file.sync()
}

/// Reads a whole file of at most `limit` bytes; `None` when there is none. A longer one is
/// [`io::ErrorKind::InvalidData`].
pub(crate) fn read_whole(disk: &dyn Disk, path: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = file.length()?;
    if length > limit {
        let reason = format!("{length} bytes are more than the limit of {limit}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    let mut bytes = vec![0; length as usize];
    let read = read_full(&*file, &mut bytes, 0)?;
    bytes.truncate(read);
    Ok(Some(bytes))
}

/// Whether the error means that there is no more room, as against a broken disk.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
